"""Where every libcst node stands in the text, and which node is its parent: one pass over the tree.

`record` is fast because it leaves libcst's printer alone. `TABLE` says in a line or two how a class of node
is printed. It is compiled on first use into one Python function a class, and these functions note tokens,
positions and parents in plain lists. `record_plainly` gets the same answer out of libcst's printer, six times
slower: it is the fallback for what the table does not know, and the judge of the table in the tests.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import libcst as cst

# Private, but libcst's public position providers are made of it in just this way.
from libcst._nodes.internal import CodegenState


class Recording(NamedTuple):
    """All nodes but whitespace, in the order of the text and parents before children, and the text itself."""

    nodes: list[cst.CSTNode]
    starts: list[int]  # in utf-8 bytes; own parentheses are outside, as in libcst's position providers
    ends: list[int]
    parents: list[int]  # indices into nodes; -1 for the module
    numbers: dict[type[cst.CSTNode], list[int]]  # indices into nodes, by the type of the node
    printed: str


# How the table reads. A row is one or more names of classes, a colon, and what they print, in this order:
#
#   f           the node in field f                  'x'         the token x
#   f? f* f+    perhaps none; a sequence;            .f          the text in field f, if any
#               a sequence or a node                 $           the class's own SYMBOLS entry
#   < >         here the node's span starts, ends    ~f          whitespace_f, if any
#   ( )         the same, and outside of the span    :f /f       the rest of a line; whole lines
#               come the node's own parentheses      MARGIN      the indentation of the line
#   f! f?! f*!  the span ends where the node in f    INDENT      from here on it is a step deeper,
#               (the last one) ends                  DEDENT      and from here on no longer
#   f*^         the span starts where the first      [f ] [!f ]  what is inside only with (without) an f,
#               node in f starts                     [@C ] [!@C ]    with (without) a C as the parent
#
# A row without marks for the span is all span. What is missing (None, MaybeSentinel) prints nothing: libcst
# has a default, such as ", ", for some of it, but a tree that comes from the parser never needs one.
TABLE = """
Module:              /header body* /footer
SimpleStatementLine: /leading_lines MARGIN < body*! :trailing_whitespace
SimpleStatementSuite:
                     ~leading_whitespace < body*! :trailing_whitespace
IndentedBlock:       :header INDENT body*^! /footer DEDENT

Expr:                < value > semicolon?
Assign:              < targets* value > semicolon?
AssignTarget:        < target > ~before_equal '=' ~after_equal
AnnAssign:           < target annotation equal? value? > semicolon?
AugAssign:           < target operator value > semicolon?
Annotation:          ~before_indicator [@FunctionDef '->' ] [!@FunctionDef ':' ] ~after_indicator
                     < annotation >
Assert:              < 'assert' ~after_assert test comma? msg? > semicolon?
Break:               < 'break' > semicolon?
Continue:            < 'continue' > semicolon?
Pass:                < 'pass' > semicolon?
Del:                 < 'del' ~after_del target > semicolon?
Raise:               < 'raise' ~after_raise exc? cause? > semicolon?
Return:              < 'return' ~after_return value? > semicolon?
Global:              < 'global' ~after_global names* > semicolon?
Nonlocal:            < 'nonlocal' ~after_nonlocal names* > semicolon?
NameItem:            < name > comma?
Import:              < 'import' ~after_import names* > semicolon?
ImportFrom:          < 'from' ~after_from relative* module? ~before_import 'import' ~after_import lpar?
                     names+! rpar?! semicolon?
LazyImport:          < 'lazy' ~after_lazy 'import' ~after_import names* > semicolon?
LazyImportFrom:      < 'lazy' ~after_lazy 'from' ~after_from relative* module? ~before_import 'import'
                     ~after_import lpar? names+! rpar?! semicolon?
ImportAlias:         < name asname? > comma?
ImportStar:          '*'
AsName:              ~before_as 'as' ~after_as name
TypeAlias:           < 'type' ~after_type name ~after_name
                     [type_parameters type_parameters ~after_type_parameters ] '=' ~after_equals value
                     semicolon? >

If:                  /leading_lines MARGIN < [@If 'el' ] 'if' ~before_test test ~after_test ':' body!
                     orelse?!
Else:                /leading_lines MARGIN < 'else' ~before_colon ':' body!
For:                 /leading_lines MARGIN < asynchronous? 'for' ~after_for target ~before_in 'in' ~after_in
                     iter ~before_colon ':' body! orelse?!
While:               /leading_lines MARGIN < 'while' ~after_while test ~before_colon ':' body! orelse?!
With:                /leading_lines MARGIN < asynchronous? 'with' ~after_with lpar? items* rpar?
                     ~before_colon ':' body!
WithItem:            < item asname? > comma?
Try TryStar:         /leading_lines MARGIN < 'try' ~before_colon ':' body! handlers*! orelse?! finalbody?!
ExceptHandler:       /leading_lines MARGIN < 'except' ~after_except type? name? ~before_colon ':' body!
ExceptStarHandler:   /leading_lines MARGIN < 'except' ~after_except '*' ~after_star type? name? ~before_colon
                     ':' body!
Finally:             /leading_lines MARGIN < 'finally' ~before_colon ':' body!
FunctionDef:         /leading_lines decorators* /lines_after_decorators MARGIN < asynchronous? 'def'
                     ~after_def name ~after_name type_parameters? ~after_type_parameters '(' ~before_params
                     params ')' returns? ~before_colon ':' body!
ClassDef:            /leading_lines decorators* /lines_after_decorators MARGIN < 'class' ~after_class name
                     ~after_name type_parameters? ~after_type_parameters lpar? bases* keywords* rpar?
                     ~before_colon ':' body!
Decorator:           /leading_lines MARGIN < '@' ~after_at decorator > :trailing_whitespace
Asynchronous:        < 'async' > ~after
TypeParameters:      lbracket params* rbracket
TypeParam:           param equal? .star ~after_star default? comma?
TypeVar:             name colon? bound?
TypeVarTuple:        '*' ~after_star name
ParamSpec:           '**' ~after_star name

Parameters:          posonly_params* posonly_ind? params* star_arg? kwonly_params* star_kwarg?
Param:               < .star ~after_star name > annotation? equal? default? comma? ~after_param
ParamSlash:          '/' ~after comma?
ParamStar:           '*' comma
Lambda:              ( 'lambda' ~after_lambda params colon body )

Name Integer Float Imaginary SimpleString:   ( .value )
Ellipsis:            ( '...' )
ConcatenatedString:  ( left ~between right )
FormattedString TemplatedString:             ( .start parts* .end )
FormattedStringText TemplatedStringText:     .value
FormattedStringExpression TemplatedStringExpression:
                     '{' ~before_expression expression equal? ~after_expression [conversion '!' .conversion ]
                     [format_spec ':' format_spec* ] '}'
Attribute:           ( value dot attr )
Subscript:           ( value ~after_value lbracket slice* rbracket )
SubscriptElement:    < slice > comma?
Index:               .star ~after_star value
Slice:               lower? first_colon upper? second_colon? step?
Call:                ( func ~after_func '(' ~before_args args* ')' )
Arg:                 < .star ~after_star keyword? equal? value > comma? ~after_arg
UnaryOperation:      ( operator expression )
BinaryOperation BooleanOperation:            ( left operator right )
Comparison:          ( left comparisons* )
ComparisonTarget:    operator comparator
IfExp:               ( body ~before_if 'if' ~after_if test ~before_else 'else' ~after_else orelse )
NamedExpr:           ( target ~before_walrus ':=' ~after_walrus value )
Await:               ( 'await' ~after_await expression )
Yield:               ( 'yield' ~after_yield value? )
From:                ~before_from < 'from' ~after_from item >
Tuple:               ( elements* )
List:                ( lbracket elements* rbracket )
Set Dict:            ( lbrace elements* rbrace )
Element:             < value > comma?
StarredElement:      ( '*' ~before_value value ) comma?
DictElement:         < key ~before_colon ':' ~after_colon value > comma?
StarredDictElement:  < '**' ~before_value value > comma?
GeneratorExp:        ( elt for_in )
ListComp:            ( lbracket elt for_in rbracket )
SetComp:             ( lbrace elt for_in rbrace )
DictComp:            ( lbrace key ~before_colon ':' ~after_colon value for_in rbrace )
StarredDictComp:     ( lbrace '**' ~before_value value for_in rbrace )
CompFor:             ~before asynchronous? 'for' ~after_for target ~before_in 'in' ~after_in iter ifs*
                     inner_for_in?
CompIf:              ~before 'if' ~before_test test

Match:               /leading_lines MARGIN < 'match' ~after_match subject ~before_colon ':'
                     :whitespace_after_colon INDENT cases*! /footer DEDENT
MatchCase:           /leading_lines MARGIN < 'case' ~after_case pattern ~before_if [guard 'if' ] ~after_if
                     guard? ~before_colon ':' body!
MatchValue MatchSingleton:                   value
MatchSequenceElement:
                     value comma?
MatchStar:           '*' ~before_name name? [!name '_' ] comma?
MatchList:           ( lbracket? patterns* rbracket? )
MatchTuple:          ( patterns* )
MatchMapping:        ( lbrace elements* [rest '**' ~before_rest rest trailing_comma? ] rbrace )
MatchMappingElement: key ~before_colon ':' ~after_colon pattern comma?
MatchClass:          ( cls ~after_cls '(' ~before_patterns patterns* kwds* ~after_kwds ')' )
MatchKeywordElement: key ~before_equal '=' ~after_equal pattern comma?
MatchAs:             ( pattern? ~before_as [pattern 'as' ] ~after_as name? [!name '_' ] )
MatchOr:             ( patterns* )
MatchOrElement:      pattern separator?

LeftParen:           '(' ~after
RightParen:          ~before ')'
LeftSquareBracket:   '[' ~after
RightSquareBracket:  ~before ']'
LeftCurlyBrace:      '{' ~after
RightCurlyBrace:     ~before '}'
Comma:               ~before < ',' > ~after
Dot:                 ~before < '.' > ~after
Colon:               ~before < ':' > ~after
Semicolon:           ~before < ';' > ~after
AssignEqual:         ~before < '=' > ~after

Plus Minus BitInvert Not:                    $ ~after
NotEqual:            ~before < .value > ~after
IsNot:               ~before < 'is' ~between 'not' > ~after
NotIn:               ~before < 'not' ~between 'in' > ~after
"""

# What `$` stands for. Operators that have no row of their own in the table are printed as OPERATOR says.
SYMBOLS = """
Plus +  Minus -  BitInvert ~  Not not  And and  Or or  In in  Is is
LessThan <  LessThanEqual <=  GreaterThan >  GreaterThanEqual >=  Equal ==
Add +  Subtract -  Multiply *  Divide /  FloorDivide //  Modulo %  Power **  MatrixMultiply @
LeftShift <<  RightShift >>  BitOr |  BitAnd &  BitXor ^
AddAssign +=  SubtractAssign -=  MultiplyAssign *=  DivideAssign /=  FloorDivideAssign //=  ModuloAssign %=
PowerAssign **=  MatrixMultiplyAssign @=  LeftShiftAssign <<=  RightShiftAssign >>=
BitOrAssign |=  BitAndAssign &=  BitXorAssign ^=
"""
OPERATOR = "~before < $ > ~after"

CHILD = re.compile(r"(?P<field>[a-z_]+)(?P<many>[?*+]?)(?P<first>\^?)(?P<last>!?)")

# What every function takes besides a node, its parent's index and the position, and hands on to the next one:
# ten arguments cost a call less than a hundred closures, made anew for each module, cost a short snippet.
LISTS = "page, tokens, nodes, parents, starts, ends, numbers"
CALL = f"pos = PRINT[type(child)](child, index, pos, {LISTS})"
TEXT = "if text:\n tokens.append(text)\n pos += len(text)"
SPACE = "space.value if type(space) is SimpleWhitespace else wide(space, page)"

# The Python for an item that is no child, by the item or its first character.
CODE = {
    "'": "tokens.append({item})\npos += {length}",
    ".": f"text = node.{{field}}\n{TEXT}",
    "$": f"text = SYMBOLS[type(node)]\n{TEXT}",
    "~": f"space = node.{{space}}\ntext = {SPACE}\n{TEXT}",
    ":": f"text = rest_of_line(node.{{field}}, page)\n{TEXT}",
    "/": f"text = lines(node.{{field}}, page) if node.{{field}} else ''\n{TEXT}",
    "MARGIN": f"text = page.margin\n{TEXT}",
    "INDENT": "margin = page.margin\npage.margin += page.indent if node.indent is None else node.indent",
    "DEDENT": "page.margin = margin",
    "(": f"for child in node.lpar:\n {CALL}\n starts[index] = pos",
    ")": f"ends[index] = pos\nfor child in node.rpar:\n {CALL}",
    "<": "starts[index] = pos",
    ">": "ends[index] = pos",
}


class _Page:
    """What the lines of one module have in common, and the margin before the current one."""

    __slots__ = ("indent", "margin", "newline")

    def __init__(self, module: cst.Module) -> None:
        self.indent = module.default_indent
        self.newline = module.default_newline
        self.margin = ""


def _rest_of_line(rest: cst.TrailingWhitespace | cst.EmptyLine, page: _Page) -> str:
    newline = page.newline if rest.newline.value is None else rest.newline.value
    comment = "" if rest.comment is None else rest.comment.value
    return rest.whitespace.value + comment + newline


def _lines(lines: Iterable[cst.EmptyLine], page: _Page) -> str:
    return "".join([page.margin * line.indent + _rest_of_line(line, page) for line in lines])


def _wide(space: cst.BaseParenthesizableWhitespace | cst.MaybeSentinel | None, page: _Page) -> str:
    """Whatever is not SimpleWhitespace, which comes so often that it is dealt with in place."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return ""
    lines = _rest_of_line(space.first_line, page) + _lines(space.empty_lines, page)
    return lines + page.margin * space.indent + space.last_line.value


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f" {line}" for line in lines)


def _function(name: str, items: list[str]) -> Iterator[str]:
    """Spell out the function that prints a node and answers with the position after it."""
    if not any(item[0] in "<(" or "^" in item for item in items):
        items = ["<", *items, ">"]
    yield f"def print_{name}(node, parent, pos, {LISTS}):"
    if any(map(CHILD.fullmatch, items)):
        yield from _indented(_with_children(items))
    elif "(" not in items:
        yield from _indented(_leaf(items))
    else:  # names, numbers, strings, half of all nodes: parentheses are rare, so ask for them once
        yield " if node.lpar:"
        yield from _indented(_indented(_with_children(items)))
        yield " else:"
        yield from _indented(_indented(_leaf(items)))
    yield " return pos"


def _leaf(items: list[str]) -> Iterator[str]:
    """Nothing else is noted between start and end, so that both are just appended."""
    for item in items:
        if item in ("<", "("):
            yield from ("numbers[type(node)].append(len(nodes))", "nodes.append(node)", "parents.append(parent)")
            yield "starts.append(pos)"
        elif item in (">", ")"):
            yield "ends.append(pos)"
        else:
            yield from _code(item)


def _with_children(items: list[str]) -> Iterator[str]:
    """The node is noted where its span starts, or before the first child; its end is put right afterwards."""
    noted, pad = False, ""
    for item in items:
        child = CHILD.fullmatch(item)
        if not noted and (child or item in ("<", "(")):
            noted = True
            yield from ("index = len(nodes)", "numbers[type(node)].append(index)", "nodes.append(node)")
            yield from ("parents.append(parent)", "starts.append(pos)", "ends.append(pos)")
            if item == "<":
                continue
        if item[0] == "[":
            yield f"if {_condition(item[1:])}:"
            pad = " "
        elif item == "]":
            pad = ""
        else:
            yield from (pad + line for line in (_child(**child.groupdict()) if child else _code(item)))


def _code(item: str) -> list[str]:
    field = item[1:]
    space = field if "whitespace" in field else f"whitespace_{field}"
    code = CODE.get(item) or CODE[item[0]]
    return code.format(item=item, length=len(item) - 2, field=field, space=space).splitlines()


def _condition(item: str) -> str:
    is_not, name = item[0] == "!", item.lstrip("!")
    if name[0] == "@":
        return f"type(nodes[parent]) is {'not ' * is_not}{name[1:]}"
    return f"node.{name} is {'not ' * (not is_not)}None"


def _child(field: str, many: str, first: str, last: str) -> Iterator[str]:
    if many == "*":
        yield f"for child in node.{field}:"
    elif many == "+":
        yield f"for child in node.{field} if isinstance(node.{field}, (tuple, list)) else (node.{field},):"
    else:
        yield f"child = node.{field}"
        if many:
            yield "if child is not None and child is not DEFAULT:"
    lines = ["last = len(nodes)", CALL, "ends[index] = ends[last]"] if last else [CALL]
    yield from _indented(lines) if many else lines
    if first:  # before it there was only whitespace, so it is the very next node
        yield "starts[index] = starts[index + 1]"


# A node, its parent's index, the position, and the LISTS; the answer is the position after it.
_Print = Callable[..., int]


@functools.cache
def _printers() -> dict[type[cst.CSTNode], _Print]:
    """Compile the table; classes of one row share a function, and classes this libcst lacks are left out."""
    words = SYMBOLS.split()
    symbols = dict(zip(words[::2], words[1::2], strict=True))
    rows = dict.fromkeys(symbols, OPERATOR)
    for row in re.split(r"\n+(?! )", TABLE.strip()):
        names, _, items = row.partition(":")
        rows.update(dict.fromkeys(names.split(), items))
    function_of = {items: name for name, items in rows.items()}
    source = "\n".join(line for items, name in function_of.items() for line in _function(name, items.split()))
    printers: dict[type[cst.CSTNode], _Print] = {}
    namespace: dict[str, Any] = {
        **vars(cst),
        "DEFAULT": cst.MaybeSentinel.DEFAULT,
        "PRINT": printers,
        "SYMBOLS": {getattr(cst, name, None): symbol for name, symbol in symbols.items()},
        "lines": _lines,
        "rest_of_line": _rest_of_line,
        "wide": _wide,
    }
    exec(compile(source, "<astmut.spans.TABLE>", "exec"), namespace)  # noqa: S102 - source is the table above
    for name, items in rows.items():
        if hasattr(cst, name):
            printers[getattr(cst, name)] = namespace[f"print_{function_of[items]}"]
    return printers


def record(module: cst.Module, *, ascii_only: bool, origin: int = 0) -> Recording:
    """Note the span and the parent of each node of a tree that is as libcst's parser made it.

    `ascii_only` promises that the text is ASCII. `origin` is added to all positions, for a byte order mark.
    """
    tokens: list[str] = []
    nodes: list[cst.CSTNode] = []
    parents: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    numbers: defaultdict[type[cst.CSTNode], list[int]] = defaultdict(list)
    pos = origin if ascii_only else 0
    try:
        _printers()[type(module)](module, -1, pos, _Page(module), tokens, nodes, parents, starts, ends, numbers)
    except (KeyError, AttributeError):  # a libcst with classes or fields that the table does not know
        return record_plainly(module, ascii_only=ascii_only, origin=origin)
    if not tokens and module.has_trailing_newline:
        tokens.append(module.default_newline)
        ends[0] += len(module.default_newline)
    printed = "".join(tokens)
    if not ascii_only:
        offsets = _byte_offsets(printed, origin)
        starts = [offsets[start] for start in starts]
        ends = [offsets[end] for end in ends]
    if not module.has_trailing_newline:
        # libcst prints a newline and takes it back, but leaves it in the module's span.
        printed = printed.removesuffix(module.default_newline)
    return Recording(nodes, starts, ends, parents, dict(numbers), printed)


def _byte_offsets(text: str, origin: int) -> list[int]:
    """Where each character starts in utf-8, and the last ends: by runs of equal width, which are few."""
    offsets: list[int] = []
    for run in re.finditer(r"[\0-\x7f]+|[\x80-\u07ff]+|[\u0800-\uffff]+|[\U00010000-\U0010ffff]+", text):
        size = len(run[0].encode())
        offsets.extend(range(origin, origin + size, size // len(run[0])))
        origin += size
    offsets.append(origin)
    return offsets


WHITESPACE = frozenset(
    {
        cst.SimpleWhitespace,
        cst.TrailingWhitespace,
        cst.EmptyLine,
        cst.Comment,
        cst.Newline,
        cst.ParenthesizedWhitespace,
    }
)


class _Recorder(CodegenState):
    """Notes what libcst's printer says about the nodes and the tokens that it prints."""

    def __init__(self, module: cst.Module, pos: int, length: Callable[[str], int]) -> None:
        super().__init__(module.default_indent, module.default_newline)
        self.pos = pos
        self.length = length
        self.nodes: list[cst.CSTNode] = []
        self.parents: list[int] = []
        self.spans: dict[int, tuple[int, int]] = {}  # by id of the node; nodes are alive as long as the tree
        self.open: list[tuple[int, int]] = [(-1, pos)]  # index and position before, for each node being printed

    def add_token(self, value: str) -> None:
        self.tokens.append(value)
        self.pos += self.length(value)

    def add_indent_tokens(self) -> None:
        for token in self.indent_tokens:
            self.add_token(token)

    def before_codegen(self, node: cst.CSTNode) -> None:
        if type(node) not in WHITESPACE:
            self.parents.append(self.open[-1][0])
            self.open.append((len(self.nodes), self.pos))
            self.nodes.append(node)

    def after_codegen(self, node: cst.CSTNode) -> None:
        if type(node) not in WHITESPACE:
            _, start = self.open.pop()
            self.spans.setdefault(id(node), (start, self.pos))

    @contextmanager
    def record_syntactic_position(
        self, node: cst.CSTNode, *, start_node: cst.CSTNode | None = None, end_node: cst.CSTNode | None = None
    ) -> Iterator[None]:
        before = self.pos
        yield
        start = before if start_node is None else self.spans[id(start_node)][0]
        end = self.pos if end_node is None else self.spans[id(end_node)][1]
        self.spans[id(node)] = start, end


def record_plainly(module: cst.Module, *, ascii_only: bool, origin: int = 0) -> Recording:
    """Do what `record` does by means of libcst's printer: slower, and right for any class that libcst has."""
    recorder = _Recorder(module, origin, len if ascii_only else lambda token: len(token.encode()))
    module._codegen(recorder)  # noqa: SLF001 - what Module.code does, with another recorder
    starts, ends = zip(*(recorder.spans[id(node)] for node in recorder.nodes), strict=True)
    numbers: dict[type[cst.CSTNode], list[int]] = {}
    for number, node in enumerate(recorder.nodes):
        numbers.setdefault(type(node), []).append(number)
    return Recording(recorder.nodes, list(starts), list(ends), recorder.parents, numbers, "".join(recorder.tokens))
