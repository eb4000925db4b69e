"""Settings to objects: the only file that knows all rooms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synctrain import data, encoders
from synctrain.config import Config, ConfigError, Encoder
from synctrain.curriculum import Decay, Fixed, sync
from synctrain.evaluate.ranking import Vectors
from synctrain.evaluate.retrieval import Validation
from synctrain.inputs import Sets, digest, is_harvest
from synctrain.nearest import nearest
from synctrain.negatives import MutantStore, draw_soft, make_mutants
from synctrain.negatives.mutants import Library, Mode, recipe
from synctrain.objectives import Contrast, Hardest, Pairwise, Retriever, Triplet
from synctrain.parts import Material, Numbers, Parts, Pool
from synctrain.types import Candidate, Curriculum, DataError, Objective, Pair, Say, Similarity, nothing

OWN_NEGATIVES = ("hardest", "retriever")  # kinds of objectives that look at no drawn negatives

_SIMILARITY: dict[str, Similarity] = {"contrast": "cos", "pairwise": "dot"}  # neg_l2 for the others

# What settings of an encoder are for pretrained models alone, and for networks that a run makes from nothing.
_PRETRAINED, _LEARNT = ("pooling", "form", "flatten", "data_flow"), ("dimension", "vocabulary")


def cache_folder() -> Path:
    """Return where mutants and token ids are kept between runs: ``SYNCTRAIN_CACHE``, else the user's cache."""
    named = os.environ.get("SYNCTRAIN_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synctrain"


def encoder_name(name: str, say: Say = nothing) -> str:
    """Return the encoder that a name stands for: for ``auto`` MiniLM where its package is installed, else n-BOW."""
    if name != "auto":
        return name
    try:
        encoders.find(encoders.MINILM)
    except encoders.ModelError as error:
        say(f"n-BOW from scratch ({error})")
        return "bow"
    return encoders.MINILM


def is_scratch(config: Config) -> bool:
    """Say whether a run begins with a network that has learnt nothing."""
    return encoder_name(config.encoder.name) in encoders.SCRATCH


def check(config: Config) -> None:
    """Refuse settings that cannot be, or that the encoder has no use for, before any data are read.

    Raises ``ConfigError``, and ``ModelError`` as ``encoders.check`` does.
    """
    make_objective(config)
    if config.optim.precision == "fp16" and encoders.best_device().type == "cpu":
        raise ConfigError("optim.precision = fp16: needs a GPU; bf16 does not")
    if config.data.top and all(map(is_harvest, config.data.train)):
        raise ConfigError(f"data.top = {config.data.top}: pairs that are harvested have no probability; leave it out")
    has_hard = draws_mutants(config)
    make_curriculum(config, has_hard=has_hard)
    if has_hard:
        try:
            recipe(config.negatives.rules or None, config.negatives.groups)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    settings = config.encoder
    name = encoder_name(settings.name)
    encoders.check(name)
    unread = _PRETRAINED if encoders.scratch_of(name) else ()
    for setting in (*unread, *(() if name in encoders.SCRATCH else _LEARNT)):
        value = getattr(settings, setting)
        if value != getattr(Encoder(), setting):
            raise ConfigError(
                f"encoder.{setting} = {value!r}: the encoder {_shown(name, config)} has no such setting; leave it out"
            )
    flow = settings.data_flow
    if flow is not None and not encoders.has_data_flow(encoders.find(name), settings.form):
        raise ConfigError(
            f"encoder.data_flow = {flow}: the encoder {_shown(name, config)} takes no data flow, which code has in the "
            f"form graphcodebert alone; leave it out"
        )


def _shown(name: str, config: Config) -> str:
    """Return what an encoder is called in an error."""
    return name if name == config.encoder.name else f"{name}, which {config.encoder.name} is here,"


def make_encoder(config: Config, texts: Iterable[str], say: Say) -> Any:
    """Return the encoder that a run begins with. Raises ``ModelError``."""
    settings = config.encoder
    name = encoder_name(settings.name, say)
    torch.manual_seed(config.seed)
    encoder: Any
    if name in encoders.SCRATCH:
        encoder = encoders.SCRATCH[name](
            encoders.train_tokenizer(texts, settings.vocabulary),
            settings.dimension,
            max_length=settings.max_length or encoders.LENGTH,
            normalize=settings.normalize is not False,
        )
    else:
        encoder = encoders.load(name, **form_of(config))
    if settings.dropout is not None:
        encoders.set_dropout(encoder, settings.dropout)
        if not settings.dropout and encoders.has_dropout(encoder):
            say("encoder.dropout = 0: this model goes on to leave out by chance what it is not known to leave out")
    return encoder


def form_of(config: Config) -> dict[str, Any]:
    """Return how texts are written for the model; what is None its folder decides."""
    settings = config.encoder
    return {
        "pooling": settings.pooling,
        "form": settings.form,
        "max_length": settings.max_length,
        "normalize": settings.normalize,
        "flatten": settings.flatten,
        "data_flow": settings.data_flow,
    }


def make_objective(config: Config) -> Objective:
    """Return the objective that the settings name."""
    settings = config.objective
    if settings.kind in ("triplet", "pairwise") and not config.negatives.soft:
        raise ConfigError(f"negatives.soft = 0: the objective {settings.kind} needs a negative for each row")
    if settings.kind in OWN_NEGATIVES and config.negatives.soft:
        raise ConfigError(f"negatives.soft: the objective {settings.kind} looks at no drawn negatives; set it to 0")
    soft, per_row = config.negatives.soft, config.negatives.per_row
    alone = not soft or (config.negatives.source == "in_batch" and not draws_mutants(config))
    if config.optim.batch == 1 and alone:
        raise ConfigError(f"optim.batch = 1: the objective {settings.kind} has no other answer than the right one then")
    if not soft and draws_mutants(config):
        raise ConfigError(
            "negatives.soft = 0: no row has a place for a mutant; 1 is one, negatives.groups = [] is none"
        )
    if soft % per_row:
        raise ConfigError(f"negatives.per_row = {per_row}: negatives.soft = {soft} is no multiple of it")
    if not settings.bimodal and not settings.unimodal:
        raise ConfigError("objective.bimodal and objective.unimodal: both are 0")
    similarity: Similarity = settings.similarity or _SIMILARITY.get(settings.kind, "neg_l2")
    margin, temperature, mask_same = settings.margin, settings.temperature, settings.mask_same
    make: dict[str, Callable[[], Objective]] = {
        "triplet": lambda: Triplet(margin, similarity),
        "pairwise": lambda: Pairwise(similarity),
        "hardest": lambda: Hardest(margin, similarity, settings.chosen_by),
        "contrast": lambda: Contrast(
            temperature,
            similarity,
            settings.scope,
            mask_same,
            settings.symmetric,
            settings.hard,
            settings.hard_temperature,
        ),
        "retriever": lambda: Retriever(
            settings.bimodal, settings.unimodal, settings.form, similarity, temperature, margin, mask_same
        ),
    }
    return make[settings.kind]()


def draws_mutants(config: Config) -> bool:
    """Return whether a run can ever draw a hard negative; one that cannot needs no mutants."""
    soft_only = config.curriculum.kind == "fixed" and config.curriculum.soft == 1
    looks_at_none = config.objective.kind in OWN_NEGATIVES
    return bool(config.negatives.rules or config.negatives.groups) and not soft_only and not looks_at_none


def never_hard(config: Config, steps: int) -> bool:
    """Say whether a run of so many steps that has mutants warms up to its last one, and so never trains on any."""
    return draws_mutants(config) and config.curriculum.kind != "decay" and config.curriculum.warmup >= steps


def make_curriculum(config: Config, *, has_hard: bool) -> Curriculum:
    """Return the curriculum that the settings name; without hard negatives it is all soft."""
    settings = config.curriculum
    if not has_hard:
        return Fixed({"soft": 1.0, "hard": 0.0})
    if settings.kind == "fixed":
        return Fixed({"soft": settings.soft, "hard": 1 - settings.soft}, warmup=settings.warmup)
    if settings.kind == "decay":
        return Decay(settings.half_life)
    if abs(sum(settings.bias) - 1) > 1e-9:  # noqa: PLR2004 - rounding
        raise ConfigError(f"curriculum.bias = {list(settings.bias)}: the shares must sum to 1")
    return sync(
        warmup=settings.warmup,
        k=settings.window,
        p=settings.power,
        delta=settings.delta,
        epsilon=settings.epsilon,
        bias=settings.bias,
        window="legacy" if settings.legacy else "observed",
        slope="legacy_signed" if settings.legacy else "absolute",
    )


def similarity_of(config: Config) -> Similarity:
    """Return how a run's model compares vectors, in training and in retrieval."""
    return make_objective(config).similarity


def mutants_of(
    pairs: Sequence[Pair],
    rules: Iterable[str] = (),
    groups: Iterable[str] = (),
    *,
    mode: Mode = "each",
    library: Library = "paper",
    most: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> MutantStore:
    """Return the mutants of each pair's code by some rules and groups, all rules where none is given.

    Arguments as of ``make_mutants``; ``most`` counts with the mode each alone. Raises ``ConfigError`` for an unknown
    rule or group.
    """
    try:
        return make_mutants(
            pairs,
            rules=tuple(rules) or None,
            groups=tuple(groups),
            mode=mode,
            most=most if mode == "each" else None,
            seed=seed,
            library=library,
            folder=cache_folder(),
            normalised=data.fingerprint,
            progress=progress,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def named_rules(names: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the rules that these are, or that are in the groups that these are; all rules without a name.

    Raises ``ConfigError`` for what is neither a rule nor a group.
    """
    chosen: list[str] = []
    for name in names:
        try:
            found = recipe((name,)).rules
        except ValueError as error:
            try:
                found = recipe(None, (name,)).rules
            except ValueError as other:
                nearer = [str(one) for one in (error, other) if "did you mean" in str(one)]
                raise ConfigError(nearer[0] if nearer else str(error)) from None
        chosen += found
    return tuple(dict.fromkeys(chosen)) or recipe().rules


def build(config: Config, sets: Sets, say: Say, progress: Callable[[int, int], None] | None = None) -> Parts:
    """Return everything that a run is made of: mutants made, texts tokenized, encoder loaded.

    Raises ``ModelError``, ``ConfigError`` for an unknown rule or group, and ``DataError`` where no pair has a negative.
    """
    pairs = sets.train
    objective = make_objective(config)  # what cannot be is refused before mutants are made
    encoder = make_encoder(config, (text for pair in pairs for text in (pair.query, pair.code)), say)
    mutants = _mutants(config, pairs, progress) if draws_mutants(config) else None
    candidates = [mutants.candidates(i) if mutants else [] for i in range(len(pairs))]
    soft = _soft(config, pairs, say, has_mutants=any(candidates))
    texts = [("query", pair.query) for pair in pairs] + [("code", pair.code) for pair in pairs]
    store = encoders.TokenStore.open(
        cache_folder(),
        encoder.tokenize,
        encoder.fingerprint,
        (*texts, *(("code", one.code) for found in candidates for one in found)),  # type: ignore[arg-type]
    )
    if mutants:
        counts = ", ".join(f"{n:,} {name}" for name, n in mutants.counts.items() if n)
        say(f"mutants: {counts}")
    candidates = _seen(candidates, pairs, store, say)
    pools = [[one.code for one in found] for found in candidates]
    sizes = [len(pool) for pool in pools]
    if config.negatives.soft and not sum(sizes) and bool((soft < 0).all()):
        raise DataError(f"{', '.join(config.data.train)}: no pair has a negative that the model reads otherwise")
    intent, twin = _same([pair.intent for pair in pairs]), _same([data.fingerprint(pair.code) for pair in pairs])
    material = Material(
        ids=[pair.id for pair in pairs],
        query=np.array([store.number("query", pair.query) for pair in pairs]),
        code=np.array([store.number("code", pair.code) for pair in pairs]),
        intent=intent,
        twin=twin,
        soft=soft,
        pool=Pool(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.array([store.number("code", code) for pool in pools for code in pool], dtype=np.int64),
            _same([one.rule for found in candidates for one in found]),
        ),
        nearest=_nearest(config, pairs, encoder, intent, twin),
    )
    return Parts(
        encoder=encoder,
        store=store,
        material=material,
        curriculum=make_curriculum(config, has_hard=bool(sum(sizes))),
        objective=objective,
        validate=Validation(sets.validation, objective.similarity) if sets.validation else None,
        embed=encoders.embedder(encoder, name=config.encoder.name),
        data=digest(sets, pools),
    )


def _mutants(config: Config, pairs: Sequence[Pair], progress: Callable[[int, int], None] | None) -> MutantStore:
    """Return the mutants that the settings name. Raises ``ConfigError`` for an unknown rule or group."""
    wanted = config.negatives
    return mutants_of(
        pairs,
        wanted.rules,
        wanted.groups,
        mode=wanted.mode,
        library=wanted.library,
        most=wanted.most,
        seed=config.seed,
        progress=progress,
    )


def _seen(
    candidates: Sequence[Sequence[Candidate]], pairs: Sequence[Pair], store: encoders.TokenStore, say: Say
) -> list[list[Candidate]]:
    """Return the mutants that the model reads otherwise than their code: what it cannot see teaches it noise.

    It does not where the change lies behind the tokens at which a text is cut off, or in what its tokenizer drops.
    """
    kept: list[list[Candidate]] = []
    for pair, found in zip(pairs, candidates, strict=True):
        code = store.number("code", pair.code)
        kept.append([one for one in found if not store.alike(code, store.number("code", one.code))])
    if unseen := sum(map(len, candidates)) - sum(map(len, kept)):
        say(f"left out: {unseen:,} mutants that the model reads like their code, which is cut off before, say")
    return kept


def _soft(config: Config, pairs: Sequence[Pair], say: Say, *, has_mutants: bool) -> Numbers:
    """Return ``Material.soft``, and say how many pairs have none. Raises ``DataError`` if none has any negative."""
    soft = draw_soft(pairs, config.negatives.soft, config.seed, normalised=data.fingerprint)
    if config.negatives.soft and (without := int((soft < 0).all(axis=1).sum())):
        why = "all others have the same question or the same code"
        if without == len(pairs) and not has_mutants:
            raise DataError(f"{', '.join(config.data.train)}: no pair has a negative: {why}")
        say(f"{without:,} of {len(pairs):,} pairs have no soft negative: {why}")
    return soft


def _nearest(config: Config, pairs: Sequence[Pair], encoder: Any, intent: Numbers, twin: Numbers) -> Numbers:
    """Return ``Material.nearest``. Raises ``ModelError`` for a model that returns no numbers."""
    if config.negatives.source != "nearest" or not config.negatives.soft:
        return np.zeros((len(pairs), 0), dtype=np.int64)
    device = encoders.best_device()
    embed = encoders.embedder(encoder.to(device), name=config.encoder.name)
    query, code = embed([pair.query for pair in pairs], "query"), embed([pair.code for pair in pairs], "code")
    try:
        return nearest(Vectors(query, code, similarity_of(config), device), intent, twin, config.negatives.nearest)
    except ValueError as error:
        raise encoders.ModelError(f"{config.encoder.name}: {error}") from None
    finally:
        encoder.to("cpu")  # the loop decides which process has which device


def _same(keys: Sequence[Any]) -> Numbers:
    """Return numbers that are equal where keys are."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
