"""What can be done with a model that is there: measure it, score mutants with it, search code with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synctrain import data, encoders
from synctrain.build import cache_folder, mutants_of, named_rules
from synctrain.config import ConfigError, near
from synctrain.data.rows import is_text
from synctrain.evaluate import bm25, mutants
from synctrain.evaluate.retrieval import Once, Results, evaluate
from synctrain.evaluate.search import Entry, Hit, Index
from synctrain.files import check_file
from synctrain.negatives import MutantStore
from synctrain.negatives.mutants import Mode
from synctrain.types import Candidate, DataError, Embed, Pair, Progress, RetrievalSet, Say, Similarity, nothing

BLOCK = 512  # pairs whose mutants are scored and written together
SHOWN = 5  # files that could not be read, named by search


@dataclass(frozen=True)
class Measured:
    """Results by model, and retrieval among mutants by model and set."""

    results: dict[str, Results]
    among: dict[str, dict[str, mutants.Among]] = field(default_factory=dict)
    similarity: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return {
            "similarity": self.similarity,
            "results": {model: one.record() for model, one in self.results.items()},
            "among_mutants": {
                model: {name: _named_counts(asdict(among)) for name, among in sets.items()}
                for model, sets in self.among.items()
            },
        }


def _named_counts(value: Any) -> Any:
    """Return a record in which shares say what they count: JSON would make bare lists of them."""
    if isinstance(value, mutants.Share | mutants.Control):
        return value._asdict()
    return {key: _named_counts(one) for key, one in value.items()} if isinstance(value, dict) else value


def measure(
    models: Mapping[str, str | None],
    folders: Sequence[str],
    *,
    similarity: Similarity | None = None,
    max_length: int | None = None,
    distractors: Distractors | None = None,
    in_domain: Sequence[str] = (),
    say: Say = nothing,
    progress: Progress | None = None,
) -> Measured:
    """Measure models on retrieval sets.

    Args:
        models: by the name of its row, what loads the model; None is BM25.
        folders: retrieval sets.
        similarity: how vectors are compared; None is what each model was trained for.
        max_length: tokens of a text, at most; None is what the model was trained with.
        distractors: whose mutants of relevant documents then stand in the corpus too. A set of whose documents there
            are none is measured without.
        in_domain: names of the sets that models were trained for, to be sure that there are such.
        say: what is told to the user: what was left out of the sets, and documents without mutants.
        progress: called with (done, all) while mutants are made.

    Raises:
        ConfigError: an unknown rule or group, or a name in ``in_domain`` that no set has.
        DataError, ModelError: with file, row and cause; there is no mutant of any set's documents.
    """
    skipped = data.Skipped()
    sets = data.read_retrievals(folders, skipped=skipped)
    if skipped:
        say(f"left out: {skipped}")
    check_names(in_domain, sets)
    opened = {  # before the mutants are made
        row: Once(encoders.opened(name, max_length=max_length)) for row, name in models.items() if name is not None
    }
    mutated = beside(sets, distractors, say=say, progress=progress) if distractors else {}
    if distractors and not any(mutated.values()):
        raise DataError(f"{', '.join(folders)}: no relevant document has a mutant by these rules")
    similarities: dict[str, str] = {}
    results: dict[str, Results] = {}
    among: dict[str, dict[str, mutants.Among]] = {}
    for row, name in models.items():
        if name is None:
            results[row] = bm25.evaluate(sets)
            continue
        embed = opened.pop(row)  # its vectors need not be kept beside the next one's
        by = similarity or encoders.similarity_of(name)
        similarities[row] = by
        try:
            results[row] = evaluate(embed, sets, by)
            if distractors:
                among[row] = {
                    one.name: mutants.evaluate(embed, one, mutated[one.name], by) for one in sets if mutated[one.name]
                }
                for where, found in among[row].items():
                    if equal := found.accuracy.equal:
                        total = found.accuracy.overall.total
                        say(f"{where}: {row} sees no difference between code and {equal:,} of its {total:,} mutants")
        except (DataError, encoders.ModelError):
            raise
        except ValueError as error:
            raise encoders.ModelError(f"{name}: {error}") from None
    return Measured(results, among, similarities)


def check_names(names: Sequence[str], sets: Sequence[RetrievalSet]) -> None:
    """Refuse names that no set has. Raises ``ConfigError`` with the nearest one that there is."""
    known = [one.name for one in sets]
    for name in names:
        if name not in known:
            raise ConfigError(f"no test set is named {name!r}{near(name, known)}")


@dataclass(frozen=True)
class Distractors:
    """Which mutants of relevant documents stand in a corpus.

    Attributes:
        names: rules of astmut and groups of them; none is all rules.
        without: groups or rules that are left out: a model that was trained with them has seen the like.
        mode: ``together`` is one mutant a rule with all its places changed, as in the paper (algorithm 1), so that no
            rule counts for more because it has many places; ``each`` one a place.
        most: mutants of a document with mode each, a seeded sample over its rules; None is all.
    """

    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    mode: Mode = "together"
    most: int | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules. Raises ``ConfigError`` for an unknown rule or group, and where no rule is left."""
        left_out = set(named_rules(self.without)) if self.without else set()
        left = tuple(name for name in named_rules(self.names) if name not in left_out)
        if not left:
            raise ConfigError(f"no rule is left without {', '.join(self.without)}")
        return left


def beside(
    sets: Sequence[RetrievalSet], which: Distractors, *, say: Say, progress: Progress | None = None
) -> dict[str, dict[str, list[Candidate]]]:
    """Return the mutants of each set's relevant documents, by its name, and say where there are none."""
    found = {one.name: distractors_of(one, which, progress) for one in sets}
    for one in sets:
        wanted, mutated = len(_relevant(one)), len(found[one.name])
        if not mutated:
            say(f"{one.name}: no relevant document has a mutant by these rules; not measured among mutants")
        elif mutated < wanted:
            say(f"{one.name}: {wanted - mutated:,} of {wanted:,} relevant documents have no mutant by these rules")
    return found


def distractors_of(
    one: RetrievalSet, which: Distractors, progress: Progress | None = None
) -> dict[str, list[Candidate]]:
    """Return mutants of all documents that are relevant to a query, by id; none where all of them are right answers."""
    wanted = _relevant(one)
    pairs = [Pair(name, "", one.documents[name], name) for name in wanted]
    made = mutants_of(pairs, which.rules, mode=which.mode, most=which.most, progress=progress)
    found = {name: mutated for i, name in enumerate(wanted) if (mutated := made.candidates(i))}
    right = [({one.documents[name] for name in names}, names) for names in one.relevant.values()]
    wrong = any(each.code not in texts for texts, names in right for name in names for each in found.get(name, ()))
    return found if wrong else {}


def _relevant(one: RetrievalSet) -> list[str]:
    """Return the ids of the documents that are relevant to a query, sorted."""
    return sorted({document for documents in one.relevant.values() for document in documents})


def mine(
    model: str,
    files: Sequence[str],
    output: Path,
    *,
    rules: Sequence[str] = (),
    groups: Sequence[str] = ("sync",),
    mode: Mode = "each",
    similarity: Similarity | None = None,
    max_length: int | None = None,
    say: Say = nothing,
    progress: Progress | None = None,
) -> int:
    """Write each pair's mutants with their scores as Parquet, a block at a time, and return how many there are.

    Columns: ``id`` (of several files ``FILE:id``), ``query``, ``code``, ``mutant``, ``rule``, ``score`` (query to
    mutant) and ``positive`` (query to code). The file is there whole or not at all.

    Raises:
        ConfigError: pyarrow is not installed, or there is no such rule.
        DataError: a file cannot be read, or there is no mutant to write.
        OSError: the file cannot be written; its folder is made where it is missing.
    """
    try:
        import pyarrow as pa  # keeps --help fast
        import pyarrow.parquet as pq  # keeps --help fast
    except ImportError:
        raise ConfigError("mine writes Parquet: pip install 'synctrain[parquet]'") from None
    check_file(output)  # before the work, not behind it
    told: list[str] = []
    embed = encoders.opened(model, max_length=max_length)  # before the mutants are made
    pairs, made = read_mutated(files, rules, groups, mode=mode, say=told.append, progress=progress)
    if made.counts["pairs_without"] == len(pairs):  # what is there may be wanted
        raise DataError(f"{', '.join(files)}: nothing written; {'; '.join(told) or 'no pairs'}")
    text, number = pa.string(), pa.float32()
    names = {"id": text, "query": text, "code": text, "mutant": text, "rule": text, "score": number, "positive": number}
    part, count = output.with_name(f".{output.name}.part"), 0
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with pq.ParquetWriter(part, pa.schema(list(names.items()))) as writer:
            for rows in _scored(pairs, made, embed, similarity or encoders.similarity_of(model)):
                columns = [pa.array(column, kind) for column, kind in zip(rows, names.values(), strict=True)]
                writer.write_table(pa.table(columns, names=list(names)))
                count += len(rows[0])
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    for text in told:
        say(text)
    return count


def read_mutated(
    files: Sequence[str],
    rules: Sequence[str],
    groups: Sequence[str],
    *,
    mode: Mode,
    say: Say,
    progress: Progress | None = None,
) -> tuple[list[Pair], MutantStore]:
    """Return the pairs of files and the mutants of their code, by all rules where none is given; say what is left out.

    Ids and question ids of several files count each for itself, as in training.

    Raises ``ConfigError`` for an unknown rule or group, ``DataError`` for a file that cannot be read or is named twice.
    """
    skipped = data.Skipped()
    sources = data.sources(files)
    pairs: list[Pair] = []
    for file in files:
        pairs += data.qualified(data.read_pairs(file, skipped=skipped), sources.get(file))
    made = mutants_of(pairs, rules, groups, mode=mode, progress=progress)
    skipped.update(made.left_out)
    if skipped:
        say(f"left out: {skipped}")
    if without := made.counts["pairs_without"]:
        say(f"{without:,} of {len(pairs):,} pairs have no mutant by these rules")
    return pairs, made


def _scored(
    pairs: Sequence[Pair], made: MutantStore, embed: Embed, similarity: Similarity
) -> Iterator[tuple[list[Any], ...]]:
    """Yield columns of mutants with their scores, some hundred pairs at a time."""
    from synctrain.evaluate.ranking import pair_scores  # keeps --help fast

    for first in range(0, len(pairs), BLOCK):
        block = range(first, min(first + BLOCK, len(pairs)))
        found = [(pairs[i], one) for i in block for one in made.candidates(i)]
        if not found:
            continue
        queries = embed([pair.query for pair, _ in found], "query")
        scores = pair_scores(queries, embed([one.code for _, one in found], "code"), similarity).tolist()
        positives = pair_scores(queries, embed([pair.code for pair, _ in found], "code"), similarity).tolist()
        texts = [(pair.id, pair.query, pair.code, one.code, one.rule) for pair, one in found]
        yield (*(list(column) for column in zip(*texts, strict=True)), scores, positives)


def search(
    model: str,
    tree: str,
    query: str,
    k: int = 5,
    *,
    similarity: Similarity | None = None,
    max_length: int | None = None,
    say: Say = nothing,
) -> list[Hit]:
    """Return the functions of a source tree that answer a question best. The vectors of the tree are kept.

    What files could not be read, and why, is said where the tree is read anew.

    Raises:
        DataError, ModelError: there is no question, no such tree or model, or no function in it.
    """
    if not query.strip():
        raise DataError("the question is empty")
    if not is_text(query):
        raise DataError("the question is not utf-8")
    encoder = encoders.load(model, max_length=max_length).to(encoders.best_device())
    embed = encoders.embedder(encoder, name=model)
    left_out, unread = data.Skipped(), list[str]()
    entries = list(_entries(tree, left_out, unread))
    name = _named(encoder)
    by = similarity or encoders.similarity_of(model)
    key = hashlib.blake2b(f"{name} {by}".encode(), digest_size=16)
    for entry in entries:
        key.update(f"{entry.path} {entry.first} {entry.name} {entry.lines} {len(entry.code)} {entry.code}".encode())
    folder = cache_folder() / f"index-{key.hexdigest()}"
    try:
        index = Index.load(folder, embed, model=name)
    except DataError:
        for reason in unread[:SHOWN]:
            say(f"left out: {reason}")
        if len(unread) > SHOWN:
            say(f"left out: {len(unread) - SHOWN:,} more files that cannot be read")
        if left_out:
            say(f"left out: {left_out}")
        say(f"reading {len(entries):,} functions of {tree}, once")
        index = Index.build(entries, embed, model=name, similarity=by)
        try:
            index.save(folder)
        except OSError as error:
            say(f"{folder}: cannot be kept: {error}")
    return index.search(query, k)


def _entries(tree: str, left_out: data.Skipped, unread: list[str]) -> Iterator[Entry]:
    """Yield all functions of a tree that do something; what is left out is counted, or named with its cause."""
    for module in data.modules([tree], complain=lambda reason: left_out.update({reason: 1})):
        try:
            for one in data.functions(data.read_source(module.file), str(module.file)):
                if not one.stub:
                    yield Entry(str(module.file), one.name, one.first, one.last, one.code, one.lines)
        except DataError as error:  # noqa: PERF203 - a file at a time
            unread.append(str(error))


def _named(encoder: Any) -> str:
    """Return a hash of all that a model's vectors depend on."""
    pooling = getattr(encoder, "pooling", "")
    about = f"{encoder.fingerprint} {pooling} {encoder.normalize}"
    found = hashlib.blake2b(about.encode(), digest_size=16)
    for name, tensor in sorted(encoder.state_dict().items()):
        if name.startswith("model.pooler.") and pooling != "pooler":
            continue  # takes no part, and is random where a model comes without
        found.update(name.encode())
        found.update(tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
