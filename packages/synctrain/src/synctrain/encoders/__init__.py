"""Texts in, vectors out: the encoders, their token store, and how they are found by name."""

from synctrain.encoders.bow import Bow
from synctrain.encoders.cnn import Cnn
from synctrain.encoders.device import asked_for_cpu, best_device, has_accelerator
from synctrain.encoders.dropout import has_dropout, set_dropout
from synctrain.encoders.embed import embedder, opened
from synctrain.encoders.find import MINILM, SCRATCH, check, find, load, scratch_of
from synctrain.encoders.rnn import Rnn
from synctrain.encoders.scratch import Scratch
from synctrain.encoders.similarity import mark, similarity_of
from synctrain.encoders.store import TokenStore
from synctrain.encoders.tokenizer import train_tokenizer
from synctrain.encoders.transformer import LENGTH, ModelError, Transformer, has_data_flow

__all__ = [
    "LENGTH",
    "MINILM",
    "SCRATCH",
    "Bow",
    "Cnn",
    "ModelError",
    "Rnn",
    "Scratch",
    "TokenStore",
    "Transformer",
    "asked_for_cpu",
    "best_device",
    "check",
    "embedder",
    "find",
    "has_accelerator",
    "has_data_flow",
    "has_dropout",
    "load",
    "mark",
    "opened",
    "scratch_of",
    "set_dropout",
    "similarity_of",
    "train_tokenizer",
]
