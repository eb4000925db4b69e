"""No mutant of variable-misuse meets a name without a value where the original does not.

Programs are generated, run, and each of their mutants is run too. All values are alike, and chance decides what is
true, by the order in which it is asked: a mutant takes the paths of its original.
"""

import random
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import astmut
from astmut.variables import variables

NAMES = "abcdwxyz"
PROGRAMS = 40
CALLS = 60  # functions that call each other soon come to an end


class Value:
    """Whatever a program does with it works, and gives another value."""

    def __init__(self, run: "Run", made: Callable[[], Any] | None = None) -> None:
        self.run, self.made = run, made

    def __bool__(self) -> bool:
        return self.run.chance.random() < 0.6

    def __iter__(self) -> Iterator["Value"]:
        return iter([Value(self.run)] * 2)

    def __call__(self, *_: object) -> "Value":
        if self.made is not None:
            self.run.called(self.made)
        return self

    def __add__(self, _: object) -> "Value":
        return self

    __iadd__ = __add__

    def __enter__(self) -> "Value":  # noqa: PYI034 - `Self` is not in 3.10
        if self.run.chance.random() < 0.3:
            raise PlannedError(self.run)
        return self

    def __exit__(self, *_: object) -> bool:
        return True


class PlannedError(Value, Exception):
    """The exception that programs raise and catch, a value like others."""


class Run:
    """One run of a program: its chance, and the names that had no value, each with its line."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.calls = 0
        self.missing: set[tuple[str, int]] = set()

    def called(self, function: Callable[[], Any]) -> None:
        self.calls += 1
        if self.calls > CALLS:
            return
        try:
            function()
        except NameError as error:
            line = traceback.extract_tb(error.__traceback__)[-1].lineno or 0
            self.missing.add((re.findall(r"'(\w+)'", str(error))[0], line))
        except (RuntimeError, TypeError, AttributeError, PlannedError):
            pass

    def of(self, text: str, elsewhere: set[str]) -> set[tuple[str, int]]:
        def fail() -> None:
            if self.chance.random() < 0.5:
                raise PlannedError(self)

        def tick() -> bool:
            return self.chance.random() < 0.5

        def use(*values: object) -> None:
            for value in values:
                if isinstance(value, Value):
                    value()
                elif isinstance(value, list | set | dict) or hasattr(value, "gi_frame"):
                    list(value)  # type: ignore[call-overload]

        names = {"E": PlannedError, "V": lambda made=None: Value(self, made), "call": self.called, "fail": fail,
                 "tick": tick, "use": use, "__name__": "program"}  # fmt: skip
        names |= {name: Value(self) for name in elsewhere - names.keys()}
        code = compile(text, "<program>", "exec", dont_inherit=True)
        self.called(lambda: exec(code, names))  # noqa: S102 - generated above, and harmless
        return self.missing


class Program:
    """A random program, line by line. Most of what it reads it has bound before, somewhere."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.lines: list[str] = []
        self.functions = 0
        self.block(0, "module", ["a", "b"], 4)
        self.text = "a = V()\nb = V()\n" + "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def bound(self, names: list[str]) -> str:
        names.append(name := self.chance.choice(NAMES))
        return name

    def read(self, names: list[str]) -> str:
        return self.chance.choice(names[-6:]) if self.chance.random() < 0.95 else self.chance.choice(NAMES)

    def value(self, names: list[str], kind: str) -> str:
        one, two, three = self.read(names), self.read(names), self.read(names)
        free, other = self.chance.sample(NAMES, 2)
        left, right = self.chance.choice([("[", "]"), ("{", "}"), ("(", ")")])
        values = [
            one, f"{one} + {two}", f"V(lambda: {one})", f"V(lambda {free}={one}: {self.read([free, two])})",
            f"{left}{self.read([free, one])} for {free} in {two}{right}",
            f"{left}{self.read([free, one])} for {free} in {two} if {self.read([free, three])}{right}",
            f"{left}{self.read([free, other])} for {free} in {one} if {two} for {other} in V({three}){right}",
            f"{{{self.read([free, one])}: {two} for {free} in {three}}}",
            f"[[{self.read([free, other])} for {other} in {self.read([free, one])}] for {free} in {two}]",
            f"{one} if {two} else {three}", "V()", "V()",
        ]  # fmt: skip
        if kind != "class":
            values += [f"({free} := V())", f"[V(lambda: {self.read([free, one])}) for {free} in {two}]"]
        return self.chance.choice(values)

    def block(self, depth: int, kind: str, names: list[str], size: int) -> None:
        for _ in range(size):
            self.statement(depth, kind, names)

    def inner(self, depth: int, kind: str, names: list[str]) -> None:
        self.block(depth + 1, kind, names, self.chance.randint(1, 2))

    def statement(self, depth: int, kind: str, names: list[str]) -> None:
        chance = self.chance
        simple = [self.assign] * 6 + [self.show] * 6 + [self.fail, self.delete]
        nested = [self.choose, self.loop, self.attempt, self.attempt, self.manage, self.match]
        scopes = [self.function, self.function, self.class_]
        pick = simple if depth > 2 or chance.random() < 0.5 else nested + scopes * (2 if kind == "module" else 1)
        chance.choice(pick)(depth, kind, names)

    def assign(self, depth: int, kind: str, names: list[str]) -> None:
        value = self.value(names, kind)
        wrapped = f"V({value})" if value.startswith("V(lambda") else value
        form = self.chance.choice(["{0} = {1}", "{0} = {1}", "{0}: int = {1}", "({0}, *{2}) = V()", "{0} = {2} = V()"])
        self.line(depth, form.format(self.bound(names), wrapped, self.bound(names)))

    def show(self, depth: int, kind: str, names: list[str]) -> None:
        self.line(depth, f"use({self.value(names, kind)}, {self.read(names)})")

    def fail(self, depth: int, _kind: str, _names: list[str]) -> None:
        self.line(depth, "fail()")

    def delete(self, depth: int, _kind: str, names: list[str]) -> None:
        if self.chance.random() < 0.4:
            self.line(depth, f"del {self.read(names)}")
        else:
            self.fail(depth, "", names)

    def choose(self, depth: int, kind: str, names: list[str]) -> None:
        self.line(depth, f"if {self.read(names)}:")
        self.inner(depth, kind, names)
        if self.chance.random() < 0.6:
            self.line(depth, "else:")
            self.inner(depth, kind, names)

    def loop(self, depth: int, kind: str, names: list[str]) -> None:
        source = self.read(names)
        head = self.chance.choice([f"for {self.bound(names)} in {source}:", "while tick():"])
        self.line(depth, head)
        self.inner(depth, kind, names)
        if self.chance.random() < 0.5:
            self.line(depth + 1, f"if {self.read(names)}: {self.chance.choice(['break', 'continue'])}")
            self.inner(depth, kind, names)
        if self.chance.random() < 0.4:
            self.line(depth, "else:")
            self.inner(depth, kind, names)

    def attempt(self, depth: int, kind: str, names: list[str]) -> None:
        self.line(depth, "try:")
        self.inner(depth, kind, names)
        self.line(depth + 1, "fail()")
        caught = self.chance.random() < 0.8
        if caught:
            self.line(depth, f"except E as {self.bound(names)}:")
            self.inner(depth, kind, names)
            if self.chance.random() < 0.4:
                self.line(depth, "else:")
                self.inner(depth, kind, names)
        if not caught or self.chance.random() < 0.3:
            self.line(depth, "finally:")
            self.inner(depth, kind, names)

    def manage(self, depth: int, kind: str, names: list[str]) -> None:
        one, two = self.read(names), self.read(names)
        forms = ["{0} as {1}", "{0} as {1}, {2} as {3}", "{0}, {2} as {1}", "{0} as ({1}, {3})"]
        self.line(depth, f"with {self.chance.choice(forms).format(one, self.bound(names), two, self.bound(names))}:")
        self.inner(depth, kind, names)

    def match(self, depth: int, kind: str, names: list[str]) -> None:
        one, two = self.chance.sample(NAMES, 2)
        subject, pattern = self.chance.choice(
            [("V(), V()", f"[{one}, *{two}]"), ("{'k': V()}", f"{{'k': {one}, **{two}}}"), ("V()", f"E() as {one}")]
        )
        names += [one, two]
        self.line(depth, f"match {subject}:")
        self.line(depth + 1, f"case {pattern} if {self.read(names)}:")
        self.inner(depth + 1, kind, names)
        self.line(depth + 1, f"case {one}:")
        self.inner(depth + 1, kind, names)

    def function(self, depth: int, _kind: str, names: list[str]) -> None:
        self.functions += 1
        name, default, parameter = f"f{self.functions}", self.read(names), self.chance.choice(NAMES)
        mine = [*names, parameter]
        generic = f"[{self.chance.choice('ST')}]" if sys.version_info >= (3, 12) and self.chance.random() < 0.2 else ""
        self.line(depth, f"def {name}{generic}({parameter}={default}):")
        if generic:
            mine.append(generic[1])
        if self.chance.random() < 0.3 and (others := sorted(set(NAMES) - {parameter})):
            self.line(depth + 1, f"global {self.chance.choice(others)}")
        self.inner(depth, "function", mine)
        self.inner(depth, "function", mine)
        self.line(depth + 1, f"return {self.read(mine)}")
        self.line(depth, f"call({name})")

    def class_(self, depth: int, _kind: str, names: list[str]) -> None:
        self.functions += 1
        self.line(depth, f"class C{self.functions}:")
        self.inner(depth, "class", [*names])


def valid(seed: int) -> str | None:
    """A program that Python compiles: a name may be global behind its use, or deleted where it is not known."""
    text = Program(seed).text
    try:
        compile(text, "<program>", "exec")
    except SyntaxError:
        return None
    return text


def unbound(text: str, seed: int) -> Iterator[str]:
    """The mutants that meet the name that they write without a value, in the line where they write it."""
    source = astmut.Source(text)
    elsewhere = {name for start, _, name in variables(source).module.bindings if start < 0}
    failing = {line for _, line in Run(seed).of(text, elsewhere)}
    for mutant in astmut.mutate(source, rules=["variable-misuse"]):
        new = mutant.text
        here = {(edit.text, source.text.position(edit.span.start).line) for edit in mutant.edits}
        if missing := {each for each in Run(seed).of(new, elsewhere) & here if each[1] not in failing}:
            yield f"{sorted(missing)} in\n{new}"


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_what_is_offered_has_a_value(seed: int) -> None:
    text = valid(seed)
    assert text is None or next(unbound(text, seed), None) is None


def offered(text: str) -> list[str]:
    """What the rule writes for the names ``y`` of a text, in its order."""
    source = astmut.Source(text)
    sites = [site for site in astmut.sites(source, rules=["variable-misuse"]) if "paper" not in site.tags]
    return [site.edits[0].text for site in sites if source.text.cut(*site.span) == "y"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What a class binds is not seen in a comprehension, but for its first iterable.
        ("class C:\n    a = 1\n    b = [y for y in f(y)]\n", ["a"]),
        ("class C:\n    a = 1\n    b = {y: x for x in f() if y}\n", ["x", "x"]),
        ("class C:\n    a = 1\n    b = f((lambda: y) for x in f())\n", []),
        ("class C:\n    a = 1\n    b = [[y for z in y] for x in y]\n", ["z", "x", "a"]),
        ("class C:\n    a = 1\n    b = y\n", ["a"]),
        # A variable of a comprehension has no value before its own loop.
        ("def f(x, y): return [1 for z in y if y for x in y]\n", ["x", "z", "z"]),
        # A handler deletes its name.
        ("def f(y):\n    e = 1\n    try: pass\n    except OSError as e: pass\n    return y\n", []),
        ("def f(y):\n    try: pass\n    except OSError as e: return y\n", ["e"]),
        ("def f(y):\n    try: pass\n    except OSError as e: return lambda: y\n", []),
        ("def f(y):\n    try: pass\n    except OSError as e: return (y for x in y if y)\n", ["x", "e", "x"]),
        (
            "def f(y):\n    try: pass\n    except OSError as e:\n        try: pass\n        except OSError as e: pass\n        f = y\n",
            [],
        ),
        # Defaults are read where a function is made; a class's names are not taken for those of others.
        ("class C:\n    a = 1\n    f = lambda k=a: k\ndef g(y): return y\n", []),
        ("def f(a, k): return lambda k=y: 1\n", ["k"]),
        # Names that Python mangles in a class.
        ("__a = 1\nclass C:\n    def m(self, y): return y\n", ["self"]),
        ("class C:\n    def m(y): return __a or y\n", []),
        # What another function binds or deletes.
        ("def f():\n    global a\n    a = 1\ndef g(y): return y\nprint(a)\n", []),
        ("def f():\n    global a\n    a = 1\n    return y\n", ["a"]),
        ("a = 1\ndef f():\n    global a\n    del a\ndef g(y): return y\n", []),
        ("a = 1\ndef f():\n    global a\n    try: pass\n    except OSError as a: pass\ndef g(y): return y\n", []),
        ("def f(a, y):\n    def g():\n        nonlocal a\n        del a\n    g()\n    return y\n", []),
        ("def f(a, y):\n    def g():\n        nonlocal a\n        a = 2\n    g()\n    return y\n", ["a"]),
        # What decorates the first statement of a block is in the block.
        ("q = 1\ndef f(a, y):\n    @d(y)\n    def g(): pass\n", ["a"]),
        ("q = 1\nfor a in q:\n    @d(y)\n    class B: pass\n", ["a"]),
        ("q = 1\nwith f() as a:\n    @d(y)\n    class B: pass\n", ["a"]),
        ("q = 1\ntry: pass\nexcept OSError as a:\n    @d(y)\n    def g(): pass\n", ["a"]),
        # A manager may swallow what a later one raises.
        ("with f(), g() as a: z = y\nx = y\n", ["a"]),
        ("with f() as a: pass\nx = y\n", ["a"]),
        ("with f() as (a, b): x = y\nx = y\n", ["b"]),
        # What is written like a class, raised or caught is none from elsewhere; what the text binds is one.
        ("k(y, Foo, _FooBar, HTTPError)\n", []),
        ("k(y, X_train)\n", ["X_train"]),
        ("k(y, N)\n", ["N"]),
        ("Foo = k()\nk(y)\n", ["Foo"]),
        ("try: pass\nexcept (err, f().E): k(y, err)\nexcept bad: pass\n", []),
        ("raise err from y\n", []),
        ("def f(err):\n    if y: raise err\n", ["err"]),
    ],
)
def test_which_variable_is_offered(text: str, expected: list[str]) -> None:
    assert offered(text) == expected


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters")
@pytest.mark.parametrize(
    "head", ["def f[T](x: T): return (T, x)", "class A[*T]: t = T", "def f[**T](): return T", "type T = int"]
)
def test_names_of_types_are_not_offered(head: str) -> None:
    assert offered(f"def g(y): return y\n{head}\nprint(T)\n") == []


def test_names_are_compared_as_python_does() -> None:
    assert offered("def f(\ufb01, y): return y, fi, \ufb01\n") == ["fi"]
    assert list(astmut.mutate("def f(\ufb01): return fi\n", rules=["variable-misuse"])) == []
