"""How fast astmut is, beside parsing itself and beside other tools: the speed bars of issue 2.

    python benchmarks/mutate_speed.py                all sections; writes results/<date>-mutate-speed.json
    python benchmarks/mutate_speed.py --quick        a smoke test; writes nothing unless --out says where
    python benchmarks/mutate_speed.py --report-only  exit status 0 whatever the bars say

Processor time of one process, all ways in turns on each file, medians over the rounds. Ratios count,
seconds do not.

files     Whole standard library files (a seeded choice, one of each of 40 size classes). The unit is
          `libcst.parse_module(text)` as users call it, garbage collection on.
tools     Mutants a second of the five kinds that every tool has: comparators, and/or, booleans, numbers,
          unary operators. Each tool makes mutated text its own way, with its own operators of these kinds
          whatever they turn things into, and only what it really produced is counted. None checks its
          mutants. Where a choice had to be made, it favours the tool:
            mutmut      `file_mutation.mutate_file_contents`, what `mutmut run` calls: one file with all
                        mutants as functions, so it prints a function where astmut prints a file. The
                        list of operators is cut to the five kinds, each registered on the node types
                        that matter only. `nodes only` is `create_mutations`: parsed, visited, mutated
                        nodes, no text at all.
            cosmic-ray  `mutating.mutate_code(source, operator, occurrence)`, what a worker calls for each
                        mutant. The search for occurrences (`cosmic-ray init`) is not charged.
            ast         `ast_way.py`: one `ast.parse`; for each site `copy.deepcopy`, the change, `ast.unparse`.
          cosmic-ray and ast cost the same for every mutant of a file: a seeded sample of each file is
          timed and its mean is taken for all sites of that file.
snippets  One line of code each (CoNaLa if `../shared/data` is there, else standard library statements), beside
          `ast` with as many kinds of mutants: the five, or about what all of these rules make.
memory    Peak of a fresh process above its imports: `libcst.parse_module` alone, and a full checked run,
          on one file of 1 MB joined from standard library files.
help      `astmut --help`, wall seconds, best of five.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import gzip
import hashlib
import importlib
import importlib.util
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ast_way
import libcst
from common import Bar, Batch, Cost, Way, faster, in_turns, rate, result_file, stopwatch, table, times, write_result

SEED = 2
PACKAGES = ("astmut", "libcst", "mutmut", "cosmic_ray", "parso")
CONALA = Path(__file__).resolve().parents[2] / "shared/data/conala/pairs.jsonl.gz"

# Written out, so that a rule added tomorrow does not change what a bar of today means.
RULES = (
    "list-to-set",
    "set-to-list",
    "number-to-string",
    "string-to-int",
    "string-to-float",
    "flip-booleans",
    "flip-comparators",
    "flip-boolean-operators",
    "call-to-name",
    "if-to-body",
    "swap-arguments",
    "if-to-else",
    "variable-misuse",
    "divide-by-zero",
    "flip-unary",
    "call-to-none",
    "negate-value",
)
FIVE_KINDS = (
    "flip-comparators",
    "flip-boolean-operators",
    "flip-booleans",
    "number-to-string",
    "flip-unary",
)


@dataclass(frozen=True)
class Size:
    """How much of everything one run measures."""

    rounds: int
    tool_rounds: int
    files: int = 40
    tool_files: int = 12
    tool_sample: int = 12  # mutants a file for the tools that make one at a time
    snippets: int = 2000
    memory_bytes: int = 1_000_000


# --- astmut ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Astmut:
    """The three things astmut is timed for. Each takes a text and rule names and says how many it made."""

    sites: Callable[[str, Sequence[str]], int]
    texts: Callable[[str, Sequence[str]], int]
    checked: Callable[[str, Sequence[str]], int]


def load_astmut() -> Astmut | None:
    """The only place that knows astmut's face; None where it is not installed, an error where broken."""
    if importlib.util.find_spec("astmut") is None:
        return None
    astmut = importlib.import_module("astmut")

    def sites(text: str, rules: Sequence[str]) -> int:
        return sum(len(site.edits) > 0 for site in astmut.sites(text, rules=rules))

    def texts(text: str, rules: Sequence[str]) -> int:
        return sum(len(mutant.text) > 0 for mutant in astmut.mutate(text, rules=rules, check=False))

    def checked(text: str, rules: Sequence[str]) -> int:
        return sum(len(mutant.text) > 0 for mutant in astmut.mutate(text, rules=rules, check=True))

    return Astmut(sites, texts, checked)


def with_rules(work: Callable[[str, Sequence[str]], int], rules: Sequence[str]) -> Way:
    """A timed way of astmut with its rules chosen."""
    return stopwatch(lambda text: work(text, rules))


# --- libcst and ast alone -------------------------------------------------------------------------


def parse(text: str) -> int:
    """The unit: libcst's parser as users call it."""
    libcst.parse_module(text)
    return 1


def parse_without_gc(text: str) -> int:
    """The same with garbage collection off."""
    gc.disable()
    try:
        return parse(text)
    finally:
        gc.enable()


def parse_with_ast(text: str) -> int:
    """The parser of the standard library."""
    ast.parse(text)
    return 1


# --- one mutant at a time -------------------------------------------------------------------------


def ast_sampled(sample: int) -> Way:
    """`ast` on large files: parse and search in full, a sample of the mutants of five kinds, their mean for all."""

    def way(batch: Batch) -> Cost:
        (text,) = batch
        started = time.process_time()
        tree = ast.parse(text)
        sites = ast_way.sites(tree, ast_way.five_kinds)
        found = Cost(time.process_time() - started)
        chosen = random.Random(SEED).sample(sites, min(sample, len(sites)))
        return found + extrapolated(chosen, len(sites), lambda site: ast_way.mutant(tree, site))

    return way


def extrapolated(chosen: Sequence[Any], of: int, make: Callable[[Any], str | None]) -> Cost:
    """Cost of all `of` mutants from the time of the chosen; what is None or fails is paid, not counted."""
    if not chosen:
        return Cost()
    made = 0
    started = time.process_time()
    for one in chosen:
        # a tool that breaks on a mutant has not produced it: its time counts, the mutant does not
        with contextlib.suppress(Exception):
            made += make(one) is not None
    scale = of / len(chosen)
    return Cost((time.process_time() - started) * scale, made * scale)


# --- mutmut ---------------------------------------------------------------------------------------


def load_mutmut() -> dict[str, Way]:
    """mutmut's two ways, restricted to the five kinds; none where it is not installed."""
    if importlib.util.find_spec("mutmut") is None:
        return {}
    with mutmut_project():
        configuration = importlib.import_module("mutmut.configuration")
        configuration.config()  # read once and kept: from now on the current directory does not matter
        file_mutation = importlib.import_module("mutmut.mutation.file_mutation")
        mutators = importlib.import_module("mutmut.mutation.mutators")
    swapped = (libcst.UnaryOperation, libcst.BooleanOperation, libcst.ComparisonTarget)
    operators = [
        (libcst.BaseNumber, mutators.operator_number),
        (libcst.Name, mutators.operator_name),  # True and False; its one other word is "deepcopy"
        (libcst.UnaryOperation, mutators.operator_remove_unary_ops),
        ((libcst.Is, libcst.IsNot, libcst.In, libcst.NotIn), mutators.operator_keywords),
        (swapped, mutators.operator_swap_op),
    ]
    file_mutation.__dict__["mutation_operators"] = operators

    def texts(text: str) -> int:
        return len(file_mutation.mutate_file_contents("file.py", text).mutant_names)

    def nodes(text: str) -> int:
        return len(file_mutation.create_mutations("file.py", text)[1])

    return {"mutmut": stopwatch(texts), "mutmut, nodes only": stopwatch(nodes)}


@contextlib.contextmanager
def mutmut_project() -> Iterator[None]:
    """A current directory in which mutmut finds the configuration it insists on."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "setup.cfg").write_text("[mutmut]\nsource_paths=.\n", encoding="utf-8")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


# --- cosmic-ray -----------------------------------------------------------------------------------


def load_cosmic_ray(sample: int) -> dict[str, Way]:
    """cosmic-ray's way, restricted to the five kinds; none where it is not installed."""
    if importlib.util.find_spec("cosmic_ray") is None:
        return {}
    trees = importlib.import_module("cosmic_ray.ast")
    mutating = importlib.import_module("cosmic_ray.mutating")
    comparison = importlib.import_module("cosmic_ray.operators.comparison_operator_replacement")
    boolean = importlib.import_module("cosmic_ray.operators.boolean_replacer")
    number = importlib.import_module("cosmic_ray.operators.number_replacer")
    unary = importlib.import_module("cosmic_ray.operators.unary_operator_replacement")
    flips = [boolean.ReplaceTrueWithFalse, boolean.ReplaceFalseWithTrue]
    words = [boolean.ReplaceAndWithOr, boolean.ReplaceOrWithAnd]
    kinds = [*comparison.operators(), *flips, *words, number.NumberReplacer, *unary.operators()]
    operators = [kind() for kind in kinds]
    known: dict[str, list[tuple[Any, int]]] = {}

    def occurrences(text: str) -> list[tuple[Any, int]]:
        """Every (operator, occurrence), as `cosmic-ray init` counts them."""
        if text not in known:
            counts = dict.fromkeys(operators, 0)
            for node in trees.ast_nodes(trees.get_ast(text)):
                for operator in operators:
                    counts[operator] += sum(1 for _ in operator.mutation_positions(node))
            known[text] = [(operator, i) for operator, n in counts.items() for i in range(n)]
        return known[text]

    def way(batch: Batch) -> Cost:
        (text,) = batch
        found = occurrences(text)
        chosen = random.Random(SEED).sample(found, min(sample, len(found)))
        return extrapolated(chosen, len(found), lambda one: mutating.mutate_code(text, *one))

    return {"cosmic-ray": way}


# --- what is mutated ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A file of the standard library: its path inside it, and its text."""

    name: str
    text: str


def standard_library() -> list[tuple[int, str, Path]]:
    """Size, name and path of every file of this interpreter's standard library but its tests."""
    root = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
    paths = [p for p in root.rglob("*.py") if not left_out.intersection(p.relative_to(root).parts)]
    return sorted((p.stat().st_size, p.relative_to(root).as_posix(), p) for p in paths)


def chosen_files(count: int, at_least: int, at_most: int) -> list[Source]:
    """A seeded choice: the files of these sizes in order of size, cut in `count` classes, one of each.

    A file that libcst cannot parse or does not print back as it was is passed over for another of its class.
    """
    files = [entry for entry in standard_library() if at_least <= entry[0] <= at_most]
    rng = random.Random(SEED)
    chosen = []
    for i in range(count):
        candidates = files[i * len(files) // count : (i + 1) * len(files) // count]
        rng.shuffle(candidates)
        read = (Source(name, text) for _, name, path in candidates if (text := readable(path)) is not None)
        chosen.extend([next(read)])
    return chosen


def readable(path: Path) -> str | None:
    """The text of a file that libcst parses and prints back without a change, else None."""
    try:
        with tokenize.open(path) as file:
            text = file.read()
        return text if libcst.parse_module(text).code == text else None
    except (SyntaxError, ValueError, RecursionError, libcst.ParserSyntaxError):
        return None


def one_file_of(size: int) -> str:
    """One file of about `size` characters: files of the standard library, one after the other."""
    entries = standard_library()
    random.Random(SEED).shuffle(entries)
    parts: list[str] = []
    for bytes_, _, path in entries:
        text = readable(path) if 5_000 <= bytes_ <= 150_000 else None
        # a future import must stand first, so such a file cannot be joined
        if text is None or "from __future__" in text:
            continue
        parts.append(text.rstrip() + "\n")
        if sum(map(len, parts)) >= size:
            break
    whole = "".join(parts)
    compile(whole, "joined", "exec", dont_inherit=True)
    return whole


def snippets(count: int) -> tuple[str, list[str]]:
    """Where they come from, and `count` one-line snippets that ast and libcst both parse."""
    if CONALA.exists():
        with gzip.open(CONALA, "rt", encoding="utf-8") as lines:
            codes = [json.loads(line)["code"].strip() for line in lines]
        return "CoNaLa training pairs", list(one_liners(codes, count))
    codes = [line for source in chosen_files(40, 2_000, 250_000) for line in statements(source.text)]
    random.Random(SEED).shuffle(codes)
    return "statements of the standard library", list(one_liners(codes, count))


def one_liners(codes: Sequence[str], count: int) -> Iterator[str]:
    """The first `count` of one line that parse."""
    for code in codes:
        if count == 0:
            return
        if not code or "\n" in code:
            continue
        try:
            ast.parse(code)
            libcst.parse_module(code)
        except (SyntaxError, ValueError, libcst.ParserSyntaxError):
            continue
        count -= 1
        yield code


def statements(text: str) -> Iterator[str]:
    """Every simple statement of a file that stands on one line of at most 100 characters."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Assert, ast.Delete)):
            code = ast.get_source_segment(text, node)
            if code and len(code) <= 100:
                yield code


def described(sources: Sequence[Source]) -> dict[str, Any]:
    """Which files these are, so that another run can tell whether it measured the same."""
    digest = hashlib.sha256("".join(source.text for source in sources).encode()).hexdigest()[:16]
    size = sum(len(source.text.encode()) for source in sources)
    return {"count": len(sources), "bytes": size, "sha256": digest, "files": [s.name for s in sources]}


# --- the sections ---------------------------------------------------------------------------------

Section = tuple[dict[str, Any], list[Bar]]


def per_round(costs: Sequence[Cost]) -> dict[str, Any]:
    """What the result file keeps of one way."""
    return {"made": costs[0].count, "seconds_in_each_round": [cost.seconds for cost in costs]}


def measure_files(size: Size, astmut: Astmut | None) -> Section:
    """Whole files in multiples of libcst's parse."""
    sources = chosen_files(size.files, 2_000, 250_000)
    ways: dict[str, Way] = {
        "libcst.parse_module": stopwatch(parse),
        "the same, gc off": stopwatch(parse_without_gc),
        "ast.parse": stopwatch(parse_with_ast),
    }
    if astmut:
        ways["astmut: all sites, edits ready"] = with_rules(astmut.sites, RULES)
        ways["astmut: every text, unchecked"] = with_rules(astmut.texts, RULES)
        ways["astmut: every text, checked"] = with_rules(astmut.checked, RULES)
    costs = in_turns(ways, [[source.text] for source in sources], size.rounds)
    unit = costs["libcst.parse_module"]
    multiples = {name: times(cost, unit) for name, cost in costs.items()}
    rows = [[name, f"{multiples[name]:.2f}", f"{costs[name][0].count:.0f}"] for name in costs]
    print(table(f"files: {len(sources)} of the standard library", ("way", "x parse", "made"), rows))
    bars = [
        Bar("files: all sites, edits ready, x parse", multiples.get("astmut: all sites, edits ready"), 1.3),
        Bar("files: every text, x parse", multiples.get("astmut: every text, unchecked"), 1.6),
        Bar("files: every text checked, x parse", multiples.get("astmut: every text, checked"), 4.0),
    ]
    ways_json = {name: {"x_parse": multiples[name], **per_round(cost)} for name, cost in costs.items()}
    return {"input": described(sources), "rules": RULES, "ways": ways_json}, bars


def measure_tools(size: Size, astmut: Astmut | None) -> Section:
    """Mutants a second, like for like, beside other tools."""
    sources = chosen_files(size.tool_files, 4_000, 40_000)
    tools = {**load_mutmut(), **load_cosmic_ray(size.tool_sample)}
    ways: dict[str, Way] = {**tools, "ast + deepcopy + unparse": ast_sampled(size.tool_sample)}
    if astmut:
        ways["astmut, unchecked"] = with_rules(astmut.texts, FIVE_KINDS)
        ways["astmut, checked"] = with_rules(astmut.checked, FIVE_KINDS)
    with contextlib.redirect_stdout(io.StringIO()):  # the tools print
        costs = in_turns(ways, [[source.text] for source in sources], size.tool_rounds)

    def against(ours: str, theirs: str) -> float | None:
        return faster(costs[ours], costs[theirs]) if ours in costs and theirs in costs else None

    header = ("way", "mutants/s", "made", "x mutmut", "x cosmic-ray")
    rows = []
    for name, cost in costs.items():
        ratios = (against(name, tool) for tool in ("mutmut", "cosmic-ray"))
        shown = ("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        rows.append([name, f"{rate(cost):.1f}", f"{cost[0].count:.0f}", *shown])
    missing = [name for name in ("mutmut", "cosmic-ray") if name not in costs]
    rows.extend([name, "not installed", "-", "-", "-"] for name in missing)
    print(table(f"tools: {len(sources)} files, five kinds of mutants", header, rows))
    bars = [
        Bar("tools: unchecked, x mutmut", against("astmut, unchecked", "mutmut"), 15, at_most=False),
        Bar("tools: unchecked, x cosmic-ray", against("astmut, unchecked", "cosmic-ray"), 80, at_most=False),
        Bar("tools: checked, x mutmut unchecked", against("astmut, checked", "mutmut"), 8, at_most=False),
    ]
    ways_json = {name: {"mutants_per_second": rate(cost), **per_round(cost)} for name, cost in costs.items()}
    extra = {"rules": FIVE_KINDS, "not_installed": missing, "sampled_per_file": size.tool_sample}
    return {"input": described(sources), **extra, "ways": ways_json}, bars


def measure_snippets(size: Size, astmut: Astmut | None) -> Section:
    """One-line snippets: checked astmut beside unchecked ast, each with the five kinds and with all."""
    origin, codes = snippets(size.snippets)
    theirs = {rules: f"ast + deepcopy + unparse, {rules}" for rules in ("five kinds", "all rules")}
    ways: dict[str, Way] = {
        "ast.parse": stopwatch(parse_with_ast),
        "libcst.parse_module": stopwatch(parse),
        "the same, gc off": stopwatch(parse_without_gc),
        theirs["five kinds"]: stopwatch(ast_way.mutants_of_five_kinds),
        theirs["all rules"]: stopwatch(ast_way.mutants_of_all_kinds),
    }
    if astmut:
        ways["astmut, five kinds, unchecked"] = with_rules(astmut.texts, FIVE_KINDS)
        ways["astmut, five kinds, checked"] = with_rules(astmut.checked, FIVE_KINDS)
        ways["astmut, all rules, checked"] = with_rules(astmut.checked, RULES)
    costs = in_turns(ways, [codes[i : i + 200] for i in range(0, len(codes), 200)], size.rounds)
    ratios = {
        name: faster(cost, costs[theirs[rules]]) for name, cost in costs.items() for rules in theirs if rules in name
    }
    each = {name: times(cost, [Cost(len(codes) / 1e6)] * len(cost)) for name, cost in costs.items()}
    rows = []
    for name, cost in costs.items():
        made = (f"{cost[0].count:.0f}", f"{rate(cost):.0f}", f"{ratios[name]:.2f}") if name in ratios else "---"
        rows.append([name, f"{each[name]:.1f}", *made])
    mean = sum(map(len, codes)) / len(codes)
    title = f"snippets: {len(codes)} of {origin}, {mean:.0f} characters on average"
    print(table(title, ("way", "us a snippet", "mutants", "mutants/s", "x ast"), rows))
    bars = [
        Bar(
            f"snippets: {rules}, checked, x ast unchecked",
            ratios.get(f"astmut, {rules}, checked"),
            1,
            at_most=False,
        )
        for rules in theirs
    ]
    ways_json = {
        name: {
            "us_a_snippet": each[name],
            "x_ast": ratios.get(name),
            "made_per_second": rate(cost),
            **per_round(cost),
        }
        for name, cost in costs.items()
    }
    info = {"origin": origin, "count": len(codes), "mean_characters": mean}
    return {"input": info, "ways": ways_json}, bars


def measure_memory(size: Size, astmut: Astmut | None) -> Section:
    """Peak memory of fresh processes."""
    text = one_file_of(size.memory_bytes)
    peaks = {"libcst.parse_module": peak_of_child("parse", text)}
    if astmut:
        peaks["astmut, every text, checked"] = peak_of_child("checked", text)
    unit = peaks["libcst.parse_module"]
    bytes_ = len(text.encode())
    rows = [[n, f"{p / 2**20:.0f}", f"{p / bytes_:.0f}", f"{p / unit:.2f}"] for n, p in peaks.items()]
    header = ("way", "MiB", "x source", "x parse")
    print(table(f"memory: peak on {bytes_:,} bytes of source, above the imports", header, rows))
    ours = peaks.get("astmut, every text, checked")
    bars = [Bar("memory: checked run, x parse", ours and ours / unit, 1.6)]
    return {"source_bytes": bytes_, "peak_bytes": peaks}, bars


def peak_of_child(what: str, text: str) -> int:
    """Run this file again with nothing to do but one thing, and read its peak."""
    # -X utf8: the text goes through the pipe as it is, whatever the locale
    started = [sys.executable, "-X", "utf8", __file__, "--child", what]
    done = subprocess.run(started, input=text, capture_output=True, encoding="utf-8", check=True)
    return int(done.stdout)


def child(what: str) -> None:
    """In the fresh process: do one thing to the text on stdin, print the peak above what the imports took."""
    astmut = load_astmut() if what == "checked" else None
    text = sys.stdin.read()
    parse("x = 1\n")
    if astmut:
        astmut.checked("x = 1\n", RULES)
    before = peak_memory()
    if astmut:
        astmut.checked(text, RULES)
    else:
        parse(text)
    print(peak_memory() - before)


def peak_memory() -> int:
    """Largest resident size of this process in bytes so far.

    Not ru_maxrss where it can be helped: a child on Linux inherits that from the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_help(_size: Size, astmut: Astmut | None) -> Section:
    """How long a user waits for `astmut --help`."""
    nothing = best_wall([sys.executable, "-c", "pass"])
    ours = best_wall([*astmut_command(), "--help"]) if astmut else None
    rows = [["python -c pass", f"{nothing:.3f}", "1.00"]]
    if ours:
        rows.append(["astmut --help", f"{ours:.3f}", f"{ours / nothing:.2f}"])
    print(table("help: best of five", ("command", "seconds", "x nothing"), rows))
    return {"python_seconds": nothing, "astmut_seconds": ours}, [Bar("astmut --help", ours, 0.3, unit="s")]


def astmut_command() -> list[str]:
    """The installed script beside this interpreter, else the module."""
    script = shutil.which("astmut", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "astmut"]


def best_wall(started: list[str], runs: int = 5) -> float:
    """Shortest wall time of a few runs of a command."""
    best = float("inf")
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run(started, stdout=subprocess.DEVNULL, check=True)
        best = min(best, time.perf_counter() - begun)
    return best


# In this order whatever is asked for. The tools come last: what they import would change the price of garbage
# collection for the unit of the files.
SECTIONS: dict[str, Callable[[Size, Astmut | None], Section]] = {
    "files": measure_files,
    "snippets": measure_snippets,
    "memory": measure_memory,
    "help": measure_help,
    "tools": measure_tools,
}


# --- the command ----------------------------------------------------------------------------------


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The speed bars of astmut.")
    parser.add_argument("--rounds", type=int, default=5, help="of each section, default 5; of the tools at most 3")
    parser.add_argument("--quick", action="store_true", help="a smoke test, nothing written")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this section (repeatable)")
    parser.add_argument("--out", type=result_file, help="result file, default results/<date>-mutate-speed.json")
    parser.add_argument("--report-only", action="store_true", help="exit status 0 even where a bar fails")
    parser.add_argument("--child", choices=("parse", "checked"), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def size_of(options: argparse.Namespace) -> Size:
    """How much to measure."""
    if options.quick:
        return Size(1, 1, files=8, tool_files=3, tool_sample=4, snippets=200, memory_bytes=100_000)
    return Size(options.rounds, min(options.rounds, 3))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where a bar fails, 2 where astmut is not there to be measured."""
    options = arguments(argv)
    if options.child:
        child(options.child)
        return 0
    astmut = load_astmut()
    if astmut is None:
        print("astmut is not installed: its rows are left out and no bar is measured\n")
    sections: dict[str, Any] = {}
    bars: list[Bar] = []
    for name in [name for name in SECTIONS if name in (options.section or SECTIONS)]:
        sections[name], more = SECTIONS[name](size_of(options), astmut)
        bars.extend(more)
    print(table("bars", ("bar", "value", "must be", "verdict"), [bar.as_row() for bar in bars]))
    partial = options.quick or options.section
    if options.out or not partial:
        content = {"bars": [bar.as_json() for bar in bars], "sections": sections}
        path = write_result("mutate-speed", content, PACKAGES, options.out)
        print(f"written: {path.name}")
    if options.report_only:
        return 0
    if astmut is None:
        return 2
    return 1 if any(bar.holds is False for bar in bars) else 0


if __name__ == "__main__":
    sys.exit(main())
