"""The re-formatted twin: another text, the same program."""

import ast
import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from synctrain.cli import main
from synctrain.evaluate import mutants
from synctrain.evaluate.twin import reformatted
from synctrain.types import Pair, RetrievalSet


@pytest.mark.parametrize(
    ("code", "twin"),
    [
        ("x=foo( a,b )", "x = foo(a, b)"),
        ("x = foo(a, b)", "x=foo(a,b)"),
        ("if x :\n  y()", "if x:\n    y()"),
        ('print("a b", x)', "print('a b', x)"),
        ("a if b else c", None),
        ("x", None),
        ("not a in b", None),
        ("a < b and not c", "a < b and (not c)"),
        ("f( lambda : 0 )", "f(lambda: 0)"),
        ("a - -b", "a- -b"),
        ("1 .real", None),
        ("f( '\\d')", "f('\\\\d')"),  # an escape that Python warns of, from 3.12 on for everyone to see
        ("def f(:", None),
        ("", None),
        ("x = '\\ud800'\x00", None),
        ("(" * 400 + ")" * 400, None),
    ],
)
def test_twins(code: str, twin: str | None) -> None:
    assert reformatted(code) == twin


def test_twins_of_real_code_are_the_same_program(real_pairs: list[Pair]) -> None:
    twins = [(pair.code, other) for pair in real_pairs if (other := reformatted(pair.code)) is not None]
    assert len(twins) > len(real_pairs) / 2
    for code, other in twins:
        assert code.strip() != other.strip()
        assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(other))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab01 .,()[]{}:=+-*/<>'\"#\n\tifnotlambda\\é", max_size=40))
def test_any_text_gives_a_twin_or_none(code: str) -> None:
    other = reformatted(code)
    assert other is None or ast.dump(ast.parse(other)) == ast.dump(ast.parse(code))


def test_the_control_counts_code_that_outscores_its_twin() -> None:
    def embed(texts: list[str], _kind: str) -> torch.Tensor:
        """Blanks are good: code with more of them is nearer to every query."""
        return torch.tensor([[float(text.count(" ")), 1.0] for text in texts])

    documents = {"a": "x = foo(a, b)", "b": "y=bar(c)", "c": "def f(:", "d": "z = 1", "e": 'f("a")', "g": "e (b, c)"}
    relevant = {"q": frozenset({"a", "e"}), "r": frozenset({"b"}), "s": frozenset({"c", "g"})}
    one = RetrievalSet("s", {"q": "w w", "r": "w w", "s": "w w"}, documents, relevant)
    found = mutants.control(embed, one, "dot")  # type: ignore[arg-type]
    # `a` and `g` have more blanks than their twins, `b` fewer, `e` as many; `c` has no twin, `d` answers nothing.
    assert found == (2, 1, 4)
    assert found.value == (2 + 0.5) / 4
    assert math.isnan(mutants.control(embed, RetrievalSet("s", {"q": "w"}, {"c": "("}, {"q": frozenset("c")})).value)  # type: ignore[arg-type]


def test_evaluate_reports_the_control(retrieval_folder: Path, bert_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    given_ = ["evaluate", str(bert_folder), "--data", str(retrieval_folder), "--distractors", "all", "--most", "3"]
    refused = CliRunner().invoke(main, given_)  # of mutants that are one a rule there are no fewer
    assert (refused.exit_code, "--most goes with --mode each" in refused.stderr) == (2, True)
    given_ += ["--mode", "each"]
    done = CliRunner().invoke(main, [*given_, "--without", "sync", "-o", str(output)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert "(re-formatted)" in done.stdout
    among = json.loads(output.read_text("utf-8"))["among_mutants"][str(bert_folder)]["ten"]
    assert among["twin"]["total"] > 3
    assert "call-to-name" not in among["accuracy"]["rules"]
    assert among["accuracy"]["overall"]["total"] <= 3 * 10
