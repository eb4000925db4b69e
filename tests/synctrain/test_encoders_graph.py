"""GraphCodeBERT's form: edges by hand, and vectors against a naive model, a text at a time, written from the definition."""

import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from synctrain.encoders import ModelError, TokenStore, Transformer, dataflow, embedder, graph, load
from synctrain.types import Kind, Pair, Ragged

pytest.importorskip("tree_sitter_python")

Runs = Any  # tests/synctrain/conftest.py, which no test imports

# --- data flow

# Each edge is what comes from, `<`, and where from; `x#2` is the second `x` of the text.
EDGES = [
    ("", ""),
    ("pass", ""),
    ("f(x)", ""),
    ("import os\nx: int\n# y = x\n", ""),
    ("x = 1", "x<1"),
    ("x = 1\ny = x", "x<1 y<x#2 x#2<x"),
    ("x = 1  # x = 2\ny = \\\n  x", "x<1 y<x#2 x#2<x"),
    ("x = 0\nx += y\nx", "x<0 x#2<y x#3<x#2"),
    ("x: int = y", "x<y"),
    ("a = b = c", "b<c a<b a<c"),
    # several targets
    ("a, b = b, a", "a<b#2 b<a#2"),
    ("(a, b) = (c, d)", "a<c b<d"),
    ("a, *b = c", "a<c b<c"),
    ("a, b, c = f(x)", "a<f a<x b<f b<x c<f c<x"),
    ("self.x = y", "self<y x<y"),
    ("d['k'] = 1\nd['k']", "d<1 'k'<1 d#2<d 'k'#2<'k'"),
    # branches
    ("if c:\n    x = 1\nelse:\n    x = 2\ny = x", "x<1 x#2<2 x#3<x x#3<x#2 y<x#3"),
    ("x = 0\nif c:\n    x = 1\nx", "x<0 x#2<1 x#3<x x#3<x#2"),
    ("x = 0\nif c:\n    x = 1\nelse:\n    y = x", "x<0 x#2<1 y<x#3 x#3<x"),
    ("if a:\n    x = 1\nelif b:\n    x = 2\nelse:\n    x = 3\nx", "x<1 x#2<2 x#3<3 x#4<x x#4<x#2 x#4<x#3"),
    ("if a:\n    if b:\n        x = 1\n    y = x\nx", "x<1 y<x#2 x#2<x x#3<x"),
    # loops: what is met first in one comes from itself, the turn before
    ("for x in xs:\n    y = x", "xs<xs x<xs y<x#2 x#2<x"),
    ("s = 0\nfor x in xs:\n    s = s + x", "s<0 xs<xs x<xs s#2<s#3 s#2<x#2 s#3<s s#3<s#2 x#2<x"),
    ("for x in xs:\n    y = x\nelse:\n    z = y", "xs<xs x<xs y<x#2 x#2<x z<y#2 y#2<y"),
    ("for a, b in zip(c, d):\n    pass", "a<zip b<c b<d zip<zip c<c d<d"),
    ("while n:\n    n = n - 1", "n<n#2 n#2<n#3 n#2<1 n#3<n n#3<n#2"),
    ("async def f():\n    async for x in y:\n        x", "x<y y<y x#2<x"),
    # comprehensions
    ("[x + y for x in xs]", "x#2<xs x<x#2"),
    ("{k: v for k, v in d if v}", "k#2<d v#2<d k<k#2 v<v#2 v#3<v#2"),
    ("[y for x in z for y in x]", "x<z x#2<x y#2<x#2 y<y#2"),
    # parameters
    ("def f(a, b=c):\n    return a + b", "b<c a#2<a b#2<b"),
    ("def f(a: int = 1, *, b: str):\n    return a, b", "a<1 a#2<a b#2<b"),
    ("f = lambda x: x", "f<x f<x#2 x#2<x"),
    # names given on the way
    ("with open(p) as f, g() as (a, b):\n    f, a", "f<open f<p a<g b<g f#2<f a#2<a"),
    ("try:\n    g()\nexcept E as e:\n    raise e", "e<E e#2<e"),
    ("match p:\n    case A() as q:\n        q", "q<A q#2<q"),
    ("if (n := f(a)):\n    n", "n<f n<a n#2<n"),
    # a string is one word, and the parser counts bytes
    ('x = 1\ny = f"{x}"\ny', 'x<1 y<f"{x}" y#2<y'),
    ("größe = 1\n数 = größe", "größe<1 数<größe#2 größe#2<größe"),
    ("s = '😀é'\nt = s", "s<'😀é' t<s#2 s#2<s"),
    # broken code
    ("def f(:\n    x = 1\n    y = x", "x<1 y<x#2 x#2<x"),
    ("x = = 1\ny = x", "x<1 y<x#2 x#2<x"),
    ("a = 'abc\nb = a", "a<abc b<a#2 a#2<a"),
    ("if a:\nx = 1\ny = x", "x<1 y<x#2 x#2<x"),
    ("?? )", ""),
]


def numbered(words: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for word in words:
        seen[word] = seen.get(word, 0) + 1
        found.append(f"{word}#{seen[word]}" if seen[word] > 1 else word)
    return found


@pytest.mark.parametrize(("code", "expected"), EDGES)
def test_edges_by_hand(code: str, expected: str) -> None:
    flow = dataflow.read(code)
    names = numbered(flow.words)
    found = [f"{names[word]}<{names[source]}" for word, sources in flow.sources.items() for source in sources]
    assert sorted(found) == sorted(expected.split())


def test_words_are_leaves_without_comments() -> None:
    code = '@d\ndef f(a):  # one\n    return f"{a} b" \\\n        "c"'
    assert dataflow.read(code).words == ["@", "d", "def", "f", "(", "a", ")", ":", "return", 'f"{a} b"', '"c"']


def sound(text: str) -> dataflow.Flow:
    """What holds of any text."""
    flow = dataflow.read(text)
    assert all(word.strip() for word in flow.words)
    assert list(flow.sources) == sorted(flow.sources)
    used = {source for sources in flow.sources.values() for source in sources}
    for word, sources in flow.sources.items():
        assert sources == sorted(set(sources))
        assert sources or word in used
        assert 0 <= word < len(flow.words)
    assert used <= set(flow.sources)
    return flow


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_read(text: str) -> None:
    sound(text)


PIECES = [
    "x", "y", "é", "1", "'s'", "f'{x}'", " = ", " += ", ":=", ", ", "(", ")", "[", "]", "{", "}", ":", "\n", "\n    ", "\n\t",
    "if ", "else:", "elif ", "for ", " in ", "while ", "with ", " as ", "def ", "lambda ", "async ", "match ", "case ",
    "*", ".", "'", '"""', ";", "?", "$", "\0", "\ufeff", "\u2028", "return ", "class ", "try:", "except ", "not ",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_nothing_but_blanks_is_lost_of_broken_code(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert "".join("".join(sound(text).words).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000,
        "(" * 9_000 + "x" + ")" * 9_000,
        "a+" * 30_000 + "a",
        "a." * 30_000,
        "not " * 30_000,
        "lambda: " * 20_000,
        "[x for x in " * 10_000,
        "x=" * 30_000 + "1",
        "if a:\n" * 5_000,
        "".join(" " * depth + "for x in y:\n" for depth in range(300)),
        "if a: b\n" + "elif a: b\n" * 5_000,
        "if c: x = x\n" * 5_000,
        "".join(f"if c{n}: x{n} = x\n" for n in range(5_000)),
        "x = '" * 20_000,
    ],
    ids=lambda text: text[:12],
)
def test_depth_and_width_take_no_recursion_and_little_time(text: str) -> None:
    begun = time.process_time()
    flow = sound(text)
    assert time.process_time() - begun < 20
    assert len(flow.words) > 100


def test_code_that_ends_the_process_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "run"
    dataflow.read(f"open({str(marker)!r}, 'w')\nimport sys\nsys.exit(3)")
    assert not marker.exists()


# --- the encoder, against a model written out

CODE = [
    "x = 1\ny = x",
    "def total(prices, rate=0.2):\n    found = 0\n    for price in prices:\n        found += price * rate\n    return found",
    "if a:\n    value = 1\nelse:\n    value = 2\nprint(value)",
    "pass",
    "",
    "größe = 'ü'  # ä\nprint(größe)",
    "s = '</s>' + s\nreturn [s for s in s if s != '<mask>']",
    "def f(:\n    x = = 1\n",
    "value_of_item = get_value_of_item(item, default=None)\nreturn value_of_item\n" * 6,
]
QUERIES = ["sort a list in place", "x = 1\ny = x"]
LENGTH, NODES = 48, 9


@pytest.fixture(scope="module")
def graphs(roberta_folder: Path) -> Transformer:
    return loaded(roberta_folder)


def loaded(folder: Path, **changed: Any) -> Transformer:
    chosen = {"form": "graphcodebert", "pooling": "pooler", "max_length": LENGTH, "data_flow": NODES, **changed}
    return Transformer.load(str(folder), **chosen).eval()


def ragged(rows: list[list[int]]) -> Ragged:
    return Ragged(torch.tensor([i for row in rows for i in row]), torch.tensor([len(row) for row in rows]))


def together(encoder: Transformer, texts: list[tuple[Kind, str]]) -> Tensor:
    return encoder(ragged([encoder.tokenize([text], kind)[0] for kind, text in texts]))  # type: ignore[no-any-return]


def by_hand(encoder: Transformer, kind: Kind, text: str) -> tuple[Tensor, int, int]:
    """A text's vector, its tokens and nodes: the input by the published rules, and the model without transformers' code."""
    tokenizer: Any = encoder.tokenizer
    flow = dataflow.read(text) if kind == "code" else dataflow.Flow([text], {})
    ids: list[int] = [0]
    spans: dict[int, range] = {}
    for number, text_ in enumerate(flow.words):
        pieces = tokenizer(text_ if number == 0 else f" {text_}", add_special_tokens=False)["input_ids"]
        spans[number] = range(len(ids), len(ids) + len(pieces))
        ids += pieces
    ids = [*ids[: encoder.max_length - 1], 2]
    nodes = [word for word in flow.sources if spans[word].stop < len(ids)][: encoder.data_flow]
    tokens, size = len(ids), len(ids) + len(nodes)
    model: Any = encoder.model
    words = model.embeddings.word_embeddings.weight
    embedded = [words[i] for i in ids] + [words[[ids[at] for at in spans[word]]].mean(0) for word in nodes]
    positions = [2 + at for at in range(tokens)] + [0] * len(nodes)
    sees = torch.zeros(size, size, dtype=torch.bool)
    for left in range(tokens):
        for right in range(tokens):
            sees[left, right] = True
    for at, word in enumerate(nodes):
        for end in (0, tokens - 1):
            sees[end, tokens + at] = True
        for token in spans[word]:
            sees[tokens + at, token] = True
            sees[token, tokens + at] = True
        for source in flow.sources[word]:
            if source in nodes:
                sees[tokens + at, tokens + nodes.index(source)] = True
    return naive_model(model, torch.stack(embedded), positions, sees), tokens, len(nodes)


def naive_model(model: Any, embedded: Tensor, positions: list[int], sees: Tensor) -> Tensor:
    """RoBERTa as its paper has it: what is not seen has no weight in the softmax; then the pooler."""
    first = model.embeddings
    state = first.LayerNorm(
        embedded + first.position_embeddings.weight[positions] + first.token_type_embeddings.weight[0]
    )
    heads = model.config.num_attention_heads
    for layer in model.encoder.layer:
        own, out = layer.attention.self, layer.attention.output
        query, key, value = (
            part(state).view(len(state), heads, -1).transpose(0, 1) for part in (own.query, own.key, own.value)
        )
        scores = query @ key.transpose(1, 2) / key.shape[-1] ** 0.5
        weights = scores.masked_fill(~sees, -torch.inf).softmax(-1)
        seen = (weights @ value).transpose(0, 1).flatten(1)
        state = out.LayerNorm(out.dense(seen) + state)
        inner = torch.nn.functional.gelu(layer.intermediate.dense(state))
        state = layer.output.LayerNorm(layer.output.dense(inner) + state)
    return model.pooler.dense(state[0]).tanh()  # type: ignore[no-any-return]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_vectors_are_those_of_a_naive_model_a_text_at_a_time(
    roberta_folder: Path, real_pairs: list[Pair], attention: str
) -> None:
    encoder = loaded(roberta_folder)
    encoder.model.set_attn_implementation(attention)  # type: ignore[operator]
    texts: list[tuple[Kind, str]] = [("code", code) for code in CODE] + [("query", query) for query in QUERIES]
    texts += [(kind, text) for pair in real_pairs[:30] for kind, text in (("query", pair.query), ("code", pair.code))]  # type: ignore[misc]
    random.Random(0).shuffle(texts)
    with torch.no_grad():
        found = together(encoder, texts)
        expected = [by_hand(encoder, kind, text) for kind, text in texts]
    assert (found - torch.stack([vector for vector, _, _ in expected])).abs().max() <= 1e-5
    assert encoder.filled[0] == sum(tokens + nodes for _, tokens, nodes in expected)
    assert max(nodes for _, _, nodes in expected) == NODES
    assert max(tokens for _, tokens, _ in expected) == LENGTH


def test_the_graph_counts(roberta_folder: Path) -> None:
    """Nodes change a vector, and so do edges: 1e-5 above tells a wrong mask from a right one."""
    encoder = loaded(roberta_folder)
    row = encoder.tokenize([CODE[1]], "code")[0]
    fewer = [[i for i in row if i >= -graph.EDGES], [i for i in row if i >= 0]]
    assert len(row) > len(fewer[0]) > len(fewer[1])
    with torch.no_grad():
        whole, edgeless, plain = encoder(ragged([row, *fewer]))
    assert (whole - edgeless).abs().max() > 1e-3
    assert (edgeless - plain).abs().max() > 1e-3


def test_gradients_are_those_of_the_naive_model(roberta_folder: Path) -> None:
    grads = []
    for naive in (True, False):
        encoder = loaded(roberta_folder)
        vectors = torch.stack([by_hand(encoder, "code", code)[0] for code in CODE])
        if not naive:
            vectors = together(encoder, [("code", code) for code in CODE])
        vectors.pow(3).sum().backward()  # type: ignore[no-untyped-call]
        grads.append({name: weight.grad for name, weight in encoder.named_parameters() if weight.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, atol=1e-4, rtol=1e-3)


def test_no_text_leaks_into_another(graphs: Transformer) -> None:
    texts: list[tuple[Kind, str]] = [("code", CODE[0]), ("code", CODE[1]), ("query", QUERIES[0]), ("code", CODE[2])]
    other = [texts[0], ("code", CODE[1].replace("price", "other")), *texts[2:]]
    with torch.no_grad():
        before, after = together(graphs, texts), together(graphs, other)
        alone = torch.cat([together(graphs, [one]) for one in texts])
    torch.testing.assert_close(before[[0, 2, 3]], after[[0, 2, 3]], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(before, alone, atol=1e-5, rtol=1e-4)
    assert (before[1] - after[1]).abs().max() > 0.01


def test_the_mean_is_that_of_tokens(roberta_folder: Path) -> None:
    encoder = loaded(roberta_folder, pooling="mean")
    rows = encoder.tokenize(CODE[:3], "code")
    laid = graph.lay_out(ragged(rows), encoder.pad, 2)
    with torch.no_grad():
        states = torch.split(graph.hidden(encoder.model, laid), laid.lengths.tolist())
        torch.testing.assert_close(encoder(ragged(rows)), torch.stack([one.mean(0) for one in states]))
    assert laid.lengths.tolist() == [sum(i >= 0 for i in row) for row in rows]


def test_a_row_by_hand(graphs: Transformer) -> None:
    """`y` comes from the second `x`, that from the first, and that from `1`: four nodes, three edges."""
    (row,) = graphs.tokenize(["x = 1\ny = x"], "code")
    tokens = graphs.tokenizer("x = 1 y = x")["input_ids"]
    pieces = [
        graphs.tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("x", " =", " 1", " y", " =", " x")
    ]
    begins = [1 + sum(len(one) for one in pieces[:n]) for n in range(7)]
    nodes = [-1 - (begins[word] * graph.BASE + begins[word + 1]) for word in (0, 2, 3, 5)]
    edges = [-1 - graph.EDGES - (to * graph.BASE + source) for to, source in ((0, 1), (2, 3), (3, 0))]
    assert row == [*tokens, *nodes, *edges]


def test_without_nodes_it_is_the_plain_form(roberta_folder: Path, real_pairs: list[Pair]) -> None:
    """Of code written as its words with blanks between, cut off at the same place."""
    none, plain = loaded(roberta_folder, data_flow=0), loaded(roberta_folder, form="plain")
    codes = [*CODE, *(pair.code for pair in real_pairs)]
    words = [" ".join(dataflow.read(code).words) for code in codes]
    assert none.tokenize(codes, "code") == plain.tokenize(words, "code")
    assert loaded(roberta_folder).tokenize(codes, "query") == plain.tokenize(codes, "query")
    with torch.no_grad():
        torch.testing.assert_close(embedder(none)(codes, "code"), embedder(plain)(words, "code"))


def test_flat_code_keeps_its_data_flow(roberta_folder: Path) -> None:
    flat, other = (loaded(roberta_folder, flatten=on) for on in (True, False))
    code = "x = '''a\n   b'''\ny = x"
    assert flat.tokenize([code], "code") == other.tokenize([code.replace("\n   b", " b")], "code")
    assert flat.tokenize([code], "code") != other.tokenize([code], "code")


def test_what_is_cut_off_has_no_nodes(graphs: Transformer) -> None:
    (row,) = graphs.tokenize(["a = b\n" * 40], "code")
    ends = [(-1 - i) % graph.BASE for i in row if -graph.EDGES <= i < 0]
    assert sum(i >= 0 for i in row) == LENGTH
    assert len(ends) == NODES
    assert max(ends) <= LENGTH - 1
    assert graphs.tokenize([], "code") == []


# --- store, batches, folders


def test_store_and_embedder_count_places(graphs: Transformer, tmp_path: Path) -> None:
    """A token is a place and a node is one; an edge is none."""
    texts: list[tuple[Kind, str]] = [("code", code) for code in CODE] + [("query", query) for query in QUERIES]
    for _ in range(2):  # made, and read again
        store = TokenStore.open(tmp_path, graphs.tokenize, graphs.fingerprint, texts)
        rows = [graphs.tokenize([text], kind)[0] for kind, text in texts]
        assert store.lengths.tolist() == [sum(i >= -graph.EDGES for i in row) for row in rows]
        got = store.gather([3, 1, 0])
        assert got.ids.tolist() == rows[3] + rows[1] + rows[0]
        assert got.lengths.tolist() == [len(rows[n]) for n in (3, 1, 0)]
    with torch.no_grad():
        expected = graphs(store.gather(range(len(CODE))))
    for budget in (20, 10_000):
        torch.testing.assert_close(embedder(graphs, tokens=budget)(CODE, "code"), expected, atol=1e-5, rtol=1e-4)


def test_the_fingerprint_knows_form_and_lengths(roberta_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[dict[str, Any]] = [{}, {"form": "plain"}, {"data_flow": 8}, {"max_length": 47}, {"flatten": True}]
    prints = [loaded(roberta_folder, **one).fingerprint for one in changed]
    monkeypatch.setattr(dataflow, "RULES", dataflow.RULES + 1)
    prints.append(loaded(roberta_folder).fingerprint)
    assert len(set(prints)) == len(prints)
    plain = [loaded(roberta_folder, form="plain", data_flow=nodes).fingerprint for nodes in (8, 9)]
    assert plain[0] == plain[1]


def test_a_saved_model_loads_the_same(graphs: Transformer, tmp_path: Path) -> None:
    graphs.save(tmp_path)
    again = load(str(tmp_path))
    assert isinstance(again, Transformer)
    for name in ("pooling", "form", "max_length", "normalize", "flatten", "data_flow"):
        assert getattr(again, name) == getattr(graphs, name)
    assert torch.equal(embedder(again)(CODE, "code"), embedder(graphs)(CODE, "code"))
    assert not (tmp_path / "modules.json").exists()
    about = json.loads((tmp_path / "synctrain.json").read_text("utf-8"))
    del about["data_flow"]  # as releases wrote it that had no such form
    (tmp_path / "synctrain.json").write_text(json.dumps({**about, "form": "plain"}), "utf-8")
    assert load(str(tmp_path)).form == "plain"


def test_the_published_name_has_the_form(roberta_folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "GraphCodeBERT-base"
    shutil.copytree(roberta_folder, place)
    for given_, expected in (
        ({}, ("graphcodebert", "pooler", 64)),
        ({"pooling": "mean", "data_flow": 3}, ("graphcodebert", "mean", 3)),
        ({"form": "plain"}, ("plain", "mean", 64)),
    ):
        encoder: Any = load(str(place), **given_)
        assert (encoder.form, encoder.pooling, encoder.data_flow) == expected
    load(str(place), form="plain").save(place)
    assert load(str(place)).form == "plain"


def test_what_cannot_have_the_form(roberta_folder: Path, bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="graphcodebert: this form is for RoBERTa models"):
        loaded(bert_folder)
    with pytest.raises(ModelError, match="32,767 tokens and nodes"):
        loaded(roberta_folder, data_flow=2**15)
    monkeypatch.setattr(dataflow, "GRAMMAR", "")
    with pytest.raises(ModelError, match=r"pip install 'synctrain\[graph\]'"):
        loaded(roberta_folder)
    loaded(roberta_folder, form="plain")


def test_a_run_trains_and_resumes(runs: Runs, roberta_folder: Path, tmp_path: Path) -> None:
    """Three steps at once are two and one more, hard negatives and their scoring included."""
    chosen = [
        f"encoder.name={roberta_folder}", "encoder.form=graphcodebert", "encoder.data_flow=12", "curriculum.kind=fixed",
        "curriculum.soft=0.5", "curriculum.warmup=0", "optim.rate=0.001", "optim.by_length=true", "evaluation.every=3",
    ]  # fmt: skip
    chosen += ["optim.steps=3", "evaluation.checkpoint=2"]
    whole = runs.fit(tmp_path / "whole", *chosen)
    runs.fit(tmp_path / "halves", *chosen)
    shutil.rmtree(tmp_path / "halves" / "checkpoints" / "step-00000003")
    halves = runs.fit(tmp_path / "halves", *chosen, resume=True)
    steps = [[one for one in lines if one["event"] == "step"] for lines in (whole, halves)]
    assert [one["loss"] for one in steps[0]] == [one["loss"] for one in steps[1]]
    assert len(steps[0]) == 3
    assert sum(one["seen.hard"] for one in steps[0]) > 0
    for name, weight in runs.weights(tmp_path / "whole").items():
        assert torch.equal(weight, runs.weights(tmp_path / "halves")[name])
    model = load(str(tmp_path / "whole" / "model"))
    assert isinstance(model, Transformer)
    assert (model.form, model.data_flow, model.pooling) == ("graphcodebert", 12, "pooler")
