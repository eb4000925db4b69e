"""Pairs to train on and sets to evaluate on: read, harvested, split. Every fault names its file, row and cause."""

from synctrain.data.compare import fingerprint, normalised, normalised_query
from synctrain.data.functions import Function, functions
from synctrain.data.harvest import Harvest, Harvested, Limits, harvest
from synctrain.data.pairs import read_pairs
from synctrain.data.retrieval import digest, fewer, read_retrieval, read_retrievals, retrieval_folder
from synctrain.data.rows import Skipped
from synctrain.data.sources import Source, qualified, sources
from synctrain.data.split import Split, retrieval_of, split, without_leaks
from synctrain.data.trees import Module, check_targets, modules, read_source
from synctrain.data.uniform import pairs_target, write_pairs

__all__ = [
    "Function",
    "Harvest",
    "Harvested",
    "Limits",
    "Module",
    "Skipped",
    "Source",
    "Split",
    "check_targets",
    "digest",
    "fewer",
    "fingerprint",
    "functions",
    "harvest",
    "modules",
    "normalised",
    "normalised_query",
    "pairs_target",
    "qualified",
    "read_pairs",
    "read_retrieval",
    "read_retrievals",
    "read_source",
    "retrieval_folder",
    "retrieval_of",
    "sources",
    "split",
    "without_leaks",
    "write_pairs",
]
