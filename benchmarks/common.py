"""What every benchmark shares: the machine, the date, the command, timing in turns, and writing the result.

A number has a machine, a date and a command. No host name and no path of a machine goes into a result.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


# --- the machine, the date, the command -----------------------------------------------------------


def cpu_model() -> str:
    """Name of the processor, from /proc/cpuinfo where there is one."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def gpu_model() -> str | None:
    """Name of the graphics processor that torch works on, None where there is none."""
    import torch  # benchmarks of astmut have no use for it

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def usable_cores() -> int:
    """Cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version(package: str) -> str | None:
    """Installed version of a package, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """Processors, cores, system, Python, versions of the packages that matter. Nothing that names a host."""
    gpu = {"gpu": gpu_model()} if "synctrain" in packages else {}
    return {
        "cpu": cpu_model(),
        **gpu,
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {package: version(package) for package in packages},
    }


def command() -> str:
    """The command line of this run, with every path cut to its last part."""
    script = Path(sys.argv[0])
    arguments = [Path(arg).name if os.sep in arg else arg for arg in sys.argv[1:]]
    return shlex.join(["python", f"{script.resolve().parent.name}/{script.name}", *arguments])


def today() -> str:
    """The date in UTC."""
    return dt.datetime.now(dt.timezone.utc).date().isoformat()


# --- fresh processes, logs of runs ----------------------------------------------------------------


def in_child(script: str, *arguments: str, **environment: str) -> Any:
    """Run a benchmark's own script in a fresh process; return what its last line holds as JSON."""
    done = subprocess.run(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout.splitlines()[-1])


def growth(found: Sequence[Mapping[str, float]], also: str) -> list[dict[str, float]]:
    """What so many pairs took, each a process of its own, in terms that are level where it is linear in the pairs.

    Args:
        found: ``pairs``, ``seconds``, ``megabytes`` and what ``also`` names of each size, the smallest first.
        also: what else was counted.
    """
    first = found[0]
    per_pair = first["seconds"] / first["pairs"]
    return [
        {
            "pairs": row["pairs"],
            also: row[also],
            "time a pair, x smallest": row["seconds"] / row["pairs"] / per_pair,
            "megabytes": row["megabytes"],
            "megabytes above smallest, per 1,000 pairs": (row["megabytes"] - first["megabytes"])
            / max(1, row["pairs"] - first["pairs"])
            * 1_000,
        }
        for row in found
    ]


def steps_in(out: Path) -> list[dict[str, Any]]:
    """The steps in the log of a run of synctrain."""
    lines = map(json.loads, (out / "log.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if line["event"] == "step"]


def before_and_after(pairs: Sequence[tuple[float, ...]]) -> list[str]:
    """The mean before and after over some runs, and what changed in each."""
    means = (statistics.mean(values) for values in zip(*pairs, strict=True))
    return [*(f"{mean:.1f}" for mean in means), ", ".join(f"{pair[1] - pair[0]:+.1f}" for pair in pairs)]


# --- models --------------------------------------------------------------------------------------


@contextmanager
def sized_model(name: str) -> Iterator[str]:
    """What names an encoder: ``minilm`` itself, or a folder with random weights of the size of ``roberta-base``.

    That one has byte pairs learnt from the standard library, so that texts have about as many tokens as with its own.
    """
    if name != "roberta-base":
        yield name
        return
    import torch  # benchmarks of astmut have no use for it
    from tokenizers import ByteLevelBPETokenizer, Tokenizer
    from tokenizers.processors import RobertaProcessing
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    signs = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    learnt = ByteLevelBPETokenizer()
    texts = (path.read_text("utf-8", "replace") for path in sorted(Path(json.__file__).parents[1].glob("*.py")))
    learnt.train_from_iterator(texts, vocab_size=20_000, special_tokens=list(signs), show_progress=False)
    backend = Tokenizer.from_str(learnt.to_str())
    backend.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    roles = dict(zip(("bos", "pad", "eos", "unk", "mask"), signs, strict=True), cls="<s>", sep="</s>")
    torch.manual_seed(0)
    size = RobertaConfig(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1)
    with tempfile.TemporaryDirectory() as folder:
        RobertaModel(size).save_pretrained(folder)
        fast: Any = PreTrainedTokenizerFast
        fast(
            tokenizer_object=backend, model_max_length=512, **{f"{role}_token": sign for role, sign in roles.items()}
        ).save_pretrained(folder)
        yield folder


# --- timing in turns ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Processor seconds, and how many things (mutants, sites) they bought."""

    seconds: float = 0.0
    count: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, self.count + other.count)

    @property
    def rate(self) -> float:
        """Things a second."""
        return self.count / self.seconds if self.seconds else 0.0


Batch = Sequence[str]
Way = Callable[[Batch], Cost]


def stopwatch(work: Callable[[str], int]) -> Way:
    """A way that times `work` on all texts of a batch; `work` says how many things it made."""

    def way(batch: Batch) -> Cost:
        started = time.process_time()
        count = sum(map(work, batch))
        return Cost(time.process_time() - started, count)

    return way


def in_turns(ways: Mapping[str, Way], batches: Sequence[Batch], rounds: int) -> dict[str, list[Cost]]:
    """Total cost of each way in each round.

    The ways take turns on every batch, each time with another one first, so that a busy neighbour hits all
    of them alike. Garbage is collected before each turn, so that none pays for another's.
    """
    names = list(ways)
    for name in names:  # warm up: lazy imports and caches are not what is measured
        ways[name](batches[0])
    result: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(rounds):
        totals = dict.fromkeys(names, Cost())
        for number, batch in enumerate(batches):
            for name in rotated(names, turn + number):
                gc.collect()
                totals[name] += ways[name](batch)
        for name, total in totals.items():
            result[name].append(total)
    return result


def rotated(names: Sequence[str], by: int) -> Iterator[str]:
    """The names in a circle, beginning `by` places on."""
    return (names[(by + i) % len(names)] for i in range(len(names)))


def times(costs: Sequence[Cost], unit: Sequence[Cost]) -> float:
    """Median over the rounds of the seconds of one way in multiples of another's."""
    return statistics.median(cost.seconds / one.seconds for cost, one in zip(costs, unit, strict=True))


def faster(costs: Sequence[Cost], other: Sequence[Cost]) -> float:
    """Median over the rounds of how many times the rate of one way is that of another."""
    return statistics.median(cost.rate / max(one.rate, 1e-9) for cost, one in zip(costs, other, strict=True))


def rate(costs: Sequence[Cost]) -> float:
    """Median things a second."""
    return statistics.median(cost.rate for cost in costs)


# --- bars, tables, results ------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """One promise: what was measured (None: it was not), what it must be, and whether it is."""

    name: str
    value: float | None
    limit: float
    at_most: bool = True
    unit: str = "x"

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    @property
    def verdict(self) -> str:
        """One word."""
        return {True: "pass", False: "FAIL", None: "not measured"}[self.holds]

    def as_json(self) -> dict[str, Any]:
        """For the result file."""
        return {**asdict(self), "verdict": self.verdict}

    def as_row(self) -> tuple[str, ...]:
        """For the table."""
        value = "-" if self.value is None else f"{self.value:.2f} {self.unit}"
        return self.name, value, f"{'<=' if self.at_most else '>='} {self.limit:g} {self.unit}", self.verdict


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table: first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [title, "-" * len(title)]
    for first, *others in [header, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines) + "\n"


def result_file(text: str) -> Path:
    """A file that a result can be written to, of an argument: what cannot be is said before anything is measured."""
    path = Path(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be written: {error.strerror}") from None
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: it is a folder")
    return path


def write_result(
    name: str,
    content: Mapping[str, Any],
    packages: Sequence[str],
    out: Path | None = None,
) -> Path:
    """Write machine, date, command and content to `results/<date>-<name>.json`, or to `out`."""
    path = out or RESULTS / f"{today()}-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "benchmark": name,
        "date": today(),
        "command": command(),
        "machine": machine(packages),
        **content,
    }
    path.write_text(json.dumps(tidy(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def tidy(value: object) -> object:
    """The same value with floats cut to four significant digits: more would be a claim."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(item) for item in value]
    return value
