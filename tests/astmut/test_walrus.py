"""Rules that take text away, and names that `:=` binds in it."""

from typing import Any

import pytest

import astmut

KEPT = "n = 0\nif n := f(): g(n)\n"


def texts(program: str, rule: str, mode: Any = "each") -> list[str]:
    return [mutant.text for mutant in astmut.mutate(program, rules=[rule], mode=mode)]


@pytest.mark.parametrize(
    ("rule", "program"),
    [
        ("if-to-body", "if n := f(): g(n)\n"),
        ("if-to-body", "if (n := f()) and n.x:\n    g(n)\n"),
        ("if-to-body", "if (n := f()):\n    pass\ng(n)\n"),
        ("if-to-body", "def h():\n    if n := f():\n        return lambda: n\n"),
        ("if-to-body", "if n := f(): g(n)\nn = 1\n"),
        ("if-to-body", "if f'{(n := 1)}': n += 1\n"),
        ("if-to-body", "if n := f(): n()\n"),
        ("if-to-body", "if n := f(): del n\n"),
        ("if-to-body", "if n := f(): [n[0]] = g\n"),
        ("if-to-body", "def h(n): pass\ndef k():\n    if n := f(): g(n)\n"),
        ("if-to-body", "a.n = g(n=1)\nif n := f(): g(n)\n"),
        ("if-to-body", "x = n if (n := f()) else 0\n"),
        ("if-to-else", "if n := f():\n    pass\nelse:\n    g(n)\n"),
        ("if-to-else", "x = 0 if (n := f()) else n\n"),
        ("call-to-none", "if any((n := i) for i in x): n.x\n"),
        ("call-to-name", "if any((n := i) for i in x): n.x\n"),
        ("divide-by-zero", "x = 1 / (n := f()) + n\n"),
        # The name of another scope is not that of the walrus, whichever comes first.
        ("call-to-none", "key = lambda n: 0\nstr(n := 1)\nk + n\n"),
        ("call-to-none", "[0 for n in y]\nstr(n := 1)\nk + n\n"),
        ("call-to-none", "class A:\n    n = 1\nstr(n := 1)\nk + n\n"),
        ("call-to-none", "def h():\n    def k(*, n): pass\n    str(n := 1)\n    return n\n"),
        ("call-to-none", "import n.m as k\nfrom n import m\nstr(n := 1)\nk + n\n"),
        ("call-to-none", "n: int\nstr(n := 1)\nk + n\n"),
        ("call-to-none", "ｎ: int\nstr(n := 1)\nk + ｎ\n"),
        ("call-to-none", "def h():\n    str(n := 1)\n    return lambda m: n\n"),
        ("call-to-none", "def h(a=f(n := 1)): pass\nn.x\n"),
        ("call-to-none", "k + (lambda a=f(n := 1): a)\nn.x\n"),
        ("call-to-none", "f(n := 1)\n[n for n in n]\n"),
        ("call-to-none", "[f(n := i) for i in x]\nn.x\n"),
        # A value is worked out before it is given a name.
        ("if-to-body", "if n := f(): pass\nn = n.x\n"),
        ("if-to-body", "if n := f(): pass\n(a, [n, *b]) = n, a\n"),
        ("if-to-body", "if n := f(): pass\nn: int = n + 1\n"),
        ("if-to-body", "if n := f(): pass\nfor n in n: pass\n"),
        ("if-to-body", "if n := f(): pass\nfor a, *n in g(n): pass\n"),
        ("if-to-body", "if n := f(): pass\n(n := n + 1)\n"),
        ("if-to-body", "if n := f(): pass\ndef n(a=n): pass\n"),
        ("if-to-body", "if n := f(): pass\n@n\nclass n: pass\n"),
        ("if-to-body", "if n := f(): pass\nclass n: m = n\n"),
    ],
)
def test_a_name_that_would_have_no_value_leaves_the_place_alone(rule: str, program: str) -> None:
    assert texts(program, rule) == []


@pytest.mark.parametrize(
    ("rule", "program", "mutant"),
    [
        ("if-to-body", "if n := f(): pass\n", "pass\n"),
        ("if-to-body", KEPT, "n = 0\ng(n)\n"),
        ("if-to-body", "def h(n):\n    if n := f(): g(n)\n", "def h(n):\n    g(n)\n"),
        ("if-to-body", "for n, m in x:\n    if n := f(): g(n)\n", "for n, m in x:\n    g(n)\n"),
        ("if-to-body", "from a import n\nif n := f(): g(n)\n", "from a import n\ng(n)\n"),
        ("if-to-body", "def h():\n    global n\n    if n := f(): g(n)\n", "def h():\n    global n\n    g(n)\n"),
        ("if-to-body", "def h():\n    if n := f(): pass\nn = 1\ng(n)\n", "def h():\n    pass\nn = 1\ng(n)\n"),
        ("if-to-body", "if a:\n    if (n := f()): g(n)\n", "if (n := f()): g(n)\n"),
        ("if-to-body", "x = (n := f()) if a else 0\n", "x = (n := f())\n"),
        ("if-to-else", "if n := f(): g(n)\nelse: h()\n", "h()\n"),
        ("call-to-name", "x = (n := f).g(n)\n", "x = (n := f).g"),
        ("call-to-none", "f((n := 1)).n = g\n", "None.n = g\n"),
        ("if-to-body", "if n := f(): pass\nn = 1\nn + 1\n", "pass\nn = 1\nn + 1\n"),
        ("if-to-body", "if n := f(): pass\nfor n in x: n\n", "pass\nfor n in x: n\n"),
        ("if-to-body", "if n := f(): pass\ndef n(): n()\n", "pass\ndef n(): n()\n"),
        ("call-to-none", "[n for n in y]\nstr(n := 1)\n", "[n for n in y]\nNone\n"),
        ("call-to-none", "str(n := 1)\nlambda n: n\n", "None\nlambda n: n\n"),
        ("call-to-none", "str(n := 1)\nclass A:\n    n = 1\n    n\n", "None\nclass A:\n    n = 1\n    n\n"),
        ("call-to-none", "import n.m\nstr(n := 1)\nn.m\n", "import n.m\nNone\nn.m\n"),
        (
            "call-to-none",
            "match a:\n    case {1: 1, **n}: str(n := 1)\nn\n",
            "match a:\n    case {1: 1, **n}: None\nn\n",
        ),
        ("call-to-none", "match a:\n    case C(n=1): str(n := 1)\n", "match a:\n    case C(n=1): None\n"),
        ("divide-by-zero", "x = 1 / (n := f())\n", "x = 1 / 0\n"),
    ],
)
def test_a_name_that_has_a_value_all_the_same_is_no_reason(rule: str, program: str, mutant: str) -> None:
    found = texts(program, rule)
    assert found
    assert found[0].startswith(mutant)


def test_an_elif_below_its_walrus_is_changed() -> None:
    program = "if n := f():\n    g(n)\nelif n > m:\n    g(m)\n"
    assert texts(program, "if-to-body") == ["if n := f():\n    g(n)\nelse:\n    g(m)\n"]


def test_a_ladder_falls_through_only_where_its_names_have_values() -> None:
    program = "if a:\n    b\nelif n := f():\n    c\nelse:\n    g(n)\n"
    assert texts(program, "if-to-else") == ["if n := f():\n    c\nelse:\n    g(n)\n"]
    assert texts(program, "if-to-else", "together") == texts(program, "if-to-else")
    assert texts(program.replace("g(n)", "g"), "if-to-else", "together") == ["g\n"]
