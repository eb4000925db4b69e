"""One frozen tree of settings: a preset, a TOML file and ``--set a.b=c``, typed, and written beside each result."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHOWN = 200  # characters of a value in an error
_STRICT = ConfigDict(extra="forbid", strict=True)

Whole: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**64)]  # what torch takes
Count: TypeAlias = Annotated[int, Field(ge=1, lt=2**63)]  # what numpy holds
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Part: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Size: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ConfigError(ValueError):
    """A setting that cannot be: the message names it and suggests what was meant."""


@dataclass(frozen=True, config=_STRICT)
class Data:
    """Where pairs come from, and what is held out of them."""

    train: Annotated[tuple[str, ...], Field(min_length=1)] = ("stdlib",)
    """Files or folders of pairs, ``hf:NAME@CONFIG:SPLIT``, or trees: ``stdlib``, ``harvest:DIR_OR_PACKAGE``."""
    test: tuple[str, ...] = ()
    """Folders of retrieval sets that the model is measured on before and after."""
    split: Literal["auto", "intent", "pair", "module"] = "auto"
    """What stays together when a part is held out: all pairs of a question, each pair by itself, or a module.
    ``auto`` is module for harvested pairs and intent for others."""
    held_out: Part = 0.1
    """The share of it that is held out, for validation and for the table at the end (half each)."""
    top: Whole = 0
    """Of CoNaLa's mined pairs, only so many, the most probable; 0 is all."""
    limit: Whole = 0
    """At most so many training pairs, drawn by seed; 0 is all."""
    largest: Count = 100_000
    """Pairs with longer code, in characters, are left out and counted."""


@dataclass(frozen=True, config=_STRICT)
class Encoder:
    """Which model, and how a text becomes one vector."""

    name: str = "auto"
    """``minilm``; ``bow``, ``cnn`` or ``rnn``, which begin from nothing; a folder; a hub name. ``auto`` is minilm where
    its package is installed, else bow."""
    pooling: Literal["mean", "cls", "pooler"] | None = None
    form: Literal["plain", "unixcoder", "graphcodebert"] | None = None
    max_length: Annotated[int, Field(ge=8, le=1_000_000)] | None = None
    """Tokens of a text at most. None is what the model's folder says, else 128."""
    normalize: bool | None = None
    flatten: bool | None = None
    """Write white space as single blanks first, as the paper's code does. None is what the folder says, else not."""
    data_flow: Whole | None = None
    """Nodes of a text's data flow at most, in the form graphcodebert; 0 is without. None is the folder's, else 64."""
    dropout: Part | None = None
    """Share of activations that training leaves out by chance; None is the model's own. With 0 a text has one vector,
    where it else has two in two passes, further apart than some code and its mutant."""
    dimension: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Of bow, cnn or rnn; None is 512 for bow, 128 for the others (as in the paper)."""
    vocabulary: Annotated[int, Field(ge=1, le=10_000_000)] = 16_000
    """Of the tokenizer of bow, cnn or rnn, which is learnt from the training pairs."""


@dataclass(frozen=True, config=_STRICT)
class Negatives:
    """What stands beside the right code."""

    soft: Annotated[int, Field(ge=0, le=1_000)] = 3
    """Soft negatives drawn for each pair."""
    per_row: Count = 1
    """Negatives of one row: with 1 and three soft ones a pair is three rows, as in the paper; with 3 it is one."""
    rules: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("sync",)
    """astmut's rules and groups that make the hard negatives; both empty for none."""
    mode: Literal["each", "together"] = "each"
    """A mutant for each place, or one for each rule with all its places changed (paper, algorithm 1)."""
    library: Literal["in-scope", "paper"] = "paper"
    """Whether other library functions are taken by the imports of the code, or, for snippets without imports, by what
    ``np.`` and the like are called after (paper)."""
    most: Count = 64
    """Mutants kept of one snippet with mode each, a seeded sample over its rules."""
    pool: Whole = 0
    """Candidates of a row that are scored, drawn anew each time; 0 is all."""
    sampling: Literal["softmax", "uniform", "by_rule", "top1"] = "softmax"
    """By score (paper), any, any of a rule that is any, or the one with the highest score."""
    beta: Size = 0.01
    """Factor of the scores in the softmax (paper: 0.01 for CodeBERT, 0.0001 for UniXcoder)."""
    source: Literal["static", "in_batch", "nearest"] = "static"
    """Soft negatives are drawn once for each pair (paper), anew from the batch's other answers (released code), or anew
    from the other code that is nearest to the query under the model that the run begins with (mined hard negatives)."""
    nearest: Annotated[int, Field(ge=1, le=1_000)] = 8
    """Of source nearest: how many of the nearest are drawn from."""
    single: Literal["use", "soft"] = "use"
    """Code with a single mutant takes it (paper), or a soft negative instead (released code)."""


@dataclass(frozen=True, config=_STRICT)
class Curriculum:
    """How often negatives are hard."""

    kind: Literal["mastering", "fixed", "decay"] = "mastering"
    soft: Share = 0.75
    """The share of soft negatives of fixed: 1 is soft, 0 hard, 0.5 random."""
    half_life: Positive = 100.0
    """Of decay: steps after which half of the negatives are hard (released code: four fifths of all steps)."""
    warmup: Whole = 100
    """Steps with soft negatives only."""
    window: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Steps over which mastering is measured."""
    power: Size = 2.0
    delta: Share = 0.5
    epsilon: Share = 0.8
    bias: tuple[Share, Share] = (0.8, 0.2)
    legacy: bool = False
    """As the released code does: zero-filled windows, a missing task counts as 0, signed slopes."""


@dataclass(frozen=True, config=_STRICT)
class Objective:
    """What is made small."""

    kind: Literal["triplet", "contrast", "hardest", "retriever", "pairwise"] = "triplet"
    """``hardest`` is DNS, ``retriever`` CodeRetriever, ``pairwise`` binary cross-entropy (Eq. 5)."""
    margin: Size = 1.0
    """Of triplet, hardest, and retriever's form triplet."""
    similarity: Literal["dot", "cos", "neg_l2"] | None = None
    """None is cos for contrast, dot for pairwise, neg_l2 for the others; retrieval ranks by the same."""
    temperature: Positive = 0.05
    """Of contrast and retriever (Eq. 3 and 4: 1)."""
    scope: Literal["own", "all"] = "own"
    """Of contrast: whether a query is told from its own mutants alone, or from all in the batch."""
    symmetric: bool = False
    """Of contrast: code is told from other queries, too."""
    hard: Size = 0.0
    """Of contrast: weight of a further term, by which code is told from each of its mutants alone."""
    hard_temperature: Positive = 0.02
    """Of that term; a mutant is nearer to its code than other code is."""
    mask_same: bool = True
    """Of contrast and retriever: other right answers in the batch do not count as wrong (released code: they do)."""
    chosen_by: Literal["dot", "cos", "neg_l2"] | None = None
    """Of hardest: what the negative is chosen by, if not by ``similarity`` (released code: dot)."""
    bimodal: Size = 1.0
    """Of retriever: weight of query to code."""
    unimodal: Size = 1.0
    """Of retriever: weight of code to other code of the same intent."""
    form: Literal["contrast", "triplet"] = "contrast"
    """Of retriever."""
    accuracy_margin: Size = 0.0
    """By how much a triplet must be right to count as mastered (paper 0, released code 1)."""


@dataclass(frozen=True, config=_STRICT)
class Optim:
    """How weights move."""

    steps: Whole = 0
    """Optimiser steps; 0 is ``epochs`` times the rows."""
    epochs: Annotated[float, Field(gt=0, le=1_000_000)] = 5.0
    batch: Count = 48
    """Rows of one process in one forward pass."""
    accumulation: Count = 1
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-5
    schedule: Literal["constant", "linear"] = "constant"
    warmup: Share = 0.0
    """Share of the steps over which the rate rises from 0."""
    weight_decay: Size = 0.01
    eps: Positive = 1e-8
    clip: Size = 0.0
    """Largest norm of the gradient; 0 is no clipping."""
    initial: Part = 0.0
    """Share of the weights that the run began with in the model that is kept; training goes on with its own."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    by_length: bool = False
    """Batches of texts of similar length. Packed models have little use for it, and in-batch negatives suffer."""


@dataclass(frozen=True, config=_STRICT)
class Evaluation:
    """When a run is measured and saved."""

    every: Count = 100
    """Steps between validations (recall@5 on the held-out part); the best model is kept."""
    checkpoint: Count = 100
    """Steps between checkpoints."""
    documents: Count = 2_000
    """Documents of the validation set at most."""


@dataclass(frozen=True, config=_STRICT)
class Config:
    """Everything that decides what a run does."""

    seed: Seed = 0
    data: Data = field(default_factory=Data)
    encoder: Encoder = field(default_factory=Encoder)
    negatives: Negatives = field(default_factory=Negatives)
    curriculum: Curriculum = field(default_factory=Curriculum)
    objective: Objective = field(default_factory=Objective)
    optim: Optim = field(default_factory=Optim)
    evaluation: Evaluation = field(default_factory=Evaluation)


_ADAPTER, _JSON = TypeAdapter(Config), TypeAdapter(object)


def presets() -> dict[str, str]:
    """Return the presets that come with the package, by name: their TOML."""
    folder = resources.files("synctrain") / "presets"
    found = {item.name.removesuffix(".toml"): item for item in folder.iterdir() if item.name.endswith(".toml")}
    return {name: found[name].read_text("utf-8") for name in sorted(found)}


def load(preset: str | None = None, files: Iterable[Path] = (), settings: Iterable[str] = ()) -> Config:
    """Return the settings of a preset, changed by TOML files one after the other, changed by ``a.b=c`` settings.

    A file may begin with ``preset = "NAME"``, which is taken where ``preset`` is None.

    Raises ``ConfigError``: an unknown preset or setting (with the nearest known), a wrong type, a broken file.
    """
    files = list(files)
    trees = [_read(file) for file in files]
    named = [name for tree in trees if (name := tree.pop("preset", None)) is not None]  # a text, as read
    tree: dict[str, Any] = {}
    for name in [preset] if preset is not None else named[-1:]:
        known = presets()
        if name not in known:
            raise ConfigError(f"no preset named {name!r}{near(str(name), known)}")
        _merge(tree, tomllib.loads(known[name]))
    for file, other in zip(files, trees, strict=True):
        _merge(tree, other, file=file)
    for setting in settings:
        _merge(tree, _setting(setting))
    return of(tree)


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = _parsed(file.read_text("utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if not isinstance(tree.get("preset", ""), str):
        raise ConfigError(f"{file}: preset = {_shown(tree['preset'])}: it must be the name of one")
    return tree


def _parsed(text: str, where: str) -> dict[str, Any]:
    """Return what a TOML text says. Raises ``TOMLDecodeError``, and ``ConfigError`` for what settings cannot hold."""
    try:
        tree: dict[str, Any] = tomllib.loads(text)
        _JSON.validate_json(json.dumps(tree, default=str))  # it must go through JSON, to be read and to be written
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ConfigError(f"{where}: nested too deep") from None
    except ValueError as error:
        reason = "nested too deep" if "recursion" in str(error) else str(error).partition(";")[0]
        raise ConfigError(f"{where}: {reason}") from None
    return tree


def of(tree: Mapping[str, Any]) -> Config:
    """Return the settings that a tree of plain values says; what it leaves out has its default."""
    try:
        return _ADAPTER.validate_json(json.dumps(tree, default=str))  # TOML has dates, which no setting is
    except ValidationError as error:
        raise ConfigError("; ".join(_explained(one) for one in error.errors(include_url=False))) from None
    except RecursionError:
        raise ConfigError("settings are nested too deep") from None


def plain(config: Config) -> dict[str, Any]:
    """Return settings as a tree of plain values, as JSON holds it."""
    return json.loads(json.dumps(asdict(config)))  # type: ignore[no-any-return]


def name_of(setting: str) -> str:
    """Return the name that an ``a.b=c`` sets."""
    return setting.partition("=")[0].strip()


def _setting(text: str) -> dict[str, Any]:
    """Return the tree of one ``a.b=c``. The value is read as TOML; what is no TOML is taken as a text."""
    path, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write it as name=value")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"--set {text!r}: is not UTF-8, in which settings are kept") from None
    try:
        content: Any = _parsed(f"value = {value}", f"--set {path}")["value"]
    except tomllib.TOMLDecodeError:
        content = value
    parts = name_of(text).split(".")
    hints = _hints(parts)
    if "tuple" in str(hints) and not isinstance(content, list):
        content = [content]
    for part in reversed(parts):
        content = {part: content}
    return content  # type: ignore[no-any-return]


def _hints(path: Iterable[str]) -> Any:
    """Return the type of the setting at a path, None where there is none."""
    at: Any = Config
    for part in path:
        at = get_type_hints(at).get(part) if is_dataclass(at) else None
    return at


def _merge(into: dict[str, Any], other: Mapping[str, Any], file: Path | None = None) -> None:
    """Change a tree by another. Raises ``ConfigError``: a value stands where a table belongs, and would be lost."""
    for key, value in other.items():
        if file is not None and is_dataclass(_hints([key])) and not isinstance(value, dict):
            raise ConfigError(f"{file}: {key} = {_shown(value)}: input should be a table, [{key}]")
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _explained(error: Any) -> str:
    """Return what is wrong with one setting, in a sentence."""
    path = [str(part) for part in error["loc"]]
    name = ".".join(path)
    if error["type"] == "unexpected_keyword_argument":
        at: Any = Config
        for part in path[:-1]:
            at = get_type_hints(at)[part]
        return f"no setting named {name!r}{near(path[-1], [one.name for one in fields(at)], path[:-1])}"
    if error["type"] == "json_invalid":  # its input is all settings
        return f"settings that JSON cannot hold: {error['msg']}"
    return f"{name} = {_shown(error['input'])}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _shown(value: Any) -> str:
    """Return how a value is written in an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def near(name: str, known: Iterable[str], inside: Iterable[str] = ()) -> str:
    """Return what to say of a name that is not known: the nearest that is, or all of them."""
    names = list(known)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if found:
        return f"; did you mean {'.'.join([*inside, found[0]])!r}?"
    return f"; there are: {', '.join(sorted(names))}"
