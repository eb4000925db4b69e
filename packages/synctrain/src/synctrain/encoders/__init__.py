"""Texts in, vectors out: the encoders, their token store, and how they are found by name."""

from synctrain.encoders.bow import Bow, train_tokenizer
from synctrain.encoders.embed import embedder
from synctrain.encoders.find import MINILM, find, load
from synctrain.encoders.similarity import mark, similarity_of
from synctrain.encoders.store import TokenStore
from synctrain.encoders.transformer import ModelError, Transformer

__all__ = [
    "MINILM",
    "Bow",
    "ModelError",
    "TokenStore",
    "Transformer",
    "embedder",
    "find",
    "load",
    "mark",
    "similarity_of",
    "train_tokenizer",
]
