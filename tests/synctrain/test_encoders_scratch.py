"""CNN and RNN: each text as a naive loop makes it, whatever stands beside it, saved and loaded, and able to learn."""

import json
import math
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from synctrain import build, config, data, inputs, loop
from synctrain.encoders import SCRATCH, Bow, Cnn, ModelError, Rnn, Scratch, embedder, load, train_tokenizer
from synctrain.evaluate.retrieval import Validation
from synctrain.types import Pair, Ragged

Runs = Any  # tests/synctrain/conftest.py, which no test imports

TEXTS = ["sort a list in place", "def f(x):\n    return x + 1", "x", "how do I read a file line by line", "f(a)[0]" * 9]
DIMENSION = 12


def ragged(rows: list[list[int]]) -> Ragged:
    return Ragged(torch.tensor([i for row in rows for i in row]), torch.tensor([len(row) for row in rows]))


def vectors(encoder: Scratch, rows: list[list[int]]) -> Tensor:
    encoder.eval()
    with torch.no_grad():
        found: Tensor = encoder(ragged(rows))
    return found


def made(kind: type[Scratch], pairs: list[Pair], **named: Any) -> Scratch:
    """An encoder with larger weights than it begins with, so that all of them count."""
    tokenizer = train_tokenizer([text for pair in pairs for text in (pair.query, pair.code)], 400)
    torch.manual_seed(5)
    encoder = kind(tokenizer, DIMENSION, max_length=40, **named)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(2.0)
    return encoder


@pytest.fixture(scope="module")
def encoders(real_pairs: list[Pair]) -> dict[str, Scratch]:
    return {name: made(kind, real_pairs) for name, kind in SCRATCH.items()}


@pytest.fixture(params=["cnn", "rnn"])
def encoder(request: pytest.FixtureRequest, encoders: dict[str, Scratch]) -> Scratch:
    return encoders[request.param].eval()


# --- by hand


def naive_attention(positions: list[Tensor], score: Tensor) -> Tensor:
    parts = [torch.exp(score @ one) for one in positions]
    return sum((part * one for part, one in zip(parts, positions, strict=True)), torch.zeros(())) / sum(parts)


def naive_cnn(encoder: Any, row: list[int]) -> Tensor:
    """Token by token and tap by tap; what lies behind the last token adds nothing."""
    at = [encoder.embedding.weight[i] for i in row]
    for layer in encoder.layers:
        sums = [
            layer.bias + sum(layer.weight[:, :, tap] @ at[i + tap] for tap in range(16) if i + tap < len(at))
            for i in range(len(at))
        ]
        at = [torch.tanh(one + before) for one, before in zip(sums, at, strict=True)]
    return naive_attention(at, encoder.attention.score.weight[0])


def naive_lstm(at: list[Tensor], layer: Any) -> list[Tensor]:
    """One direction, from a state of zeros; gates in torch's order: in, forget, cell, out."""
    names = (f"{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    from_input, from_state, bias, other_bias = (getattr(layer, name) for name in names)
    state = cell = torch.zeros(DIMENSION // 2)
    found = []
    for one in at:
        gates = from_input @ one + bias + from_state @ state + other_bias
        enter, forget, new, leave = gates.chunk(4)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        state = torch.sigmoid(leave) * torch.tanh(cell)
        found.append(state)
    return found


def naive_rnn(encoder: Any, row: list[int]) -> Tensor:
    at = [encoder.embedding.weight[i] for i in row]
    for layer in encoder.layers:
        ahead, back = naive_lstm(at, layer.onward), naive_lstm(at[::-1], layer.back)[::-1]
        at = [torch.cat(both) for both in zip(ahead, back, strict=True)]
    return naive_attention(at, encoder.attention.score.weight[0])


NAIVE: dict[str, Callable[[Any, list[int]], Tensor]] = {"cnn": naive_cnn, "rnn": naive_rnn}


def test_vectors_are_those_of_a_naive_loop(encoder: Scratch) -> None:
    rows = encoder.tokenize(TEXTS, "code")
    assert min(map(len, rows)) == 1  # shorter than the kernel, and one that is longer
    assert max(map(len, rows)) > 16
    with torch.no_grad():
        expected = torch.stack([functional.normalize(NAIVE[encoder.NAME](encoder, row), dim=-1) for row in rows])
    torch.testing.assert_close(vectors(encoder, rows), expected, atol=1e-5, rtol=1e-4)


def test_sizes_are_those_of_the_paper(encoders: dict[str, Scratch]) -> None:
    tokenizer = encoders["cnn"].tokenizer
    cnn: Any = Cnn(tokenizer)
    rnn: Any = Rnn(tokenizer)
    assert cnn.dimension == rnn.dimension == 128
    assert [tuple(layer.weight.shape) for layer in cnn.layers] == [(128, 128, 16)] * 3
    assert [(layer.onward.hidden_size, layer.back.hidden_size) for layer in rnn.layers] == [(64, 64)] * 2
    assert cnn.dropout.p == rnn.dropout.p == 0.2
    with pytest.raises(ModelError, match=r"^dimension = 15: that of an rnn is even"):
        Rnn(tokenizer, 15)


def test_order_says_something(encoder: Scratch) -> None:
    one, other = vectors(encoder, [[40, 41, 42], [42, 41, 40]])
    assert (one - other).abs().max() > 0.01


def test_length_1_or_as_it_comes(real_pairs: list[Pair], encoder: Scratch) -> None:
    plain, rows = made(type(encoder), real_pairs, normalize=False), encoder.tokenize(TEXTS, "query")
    torch.testing.assert_close(vectors(encoder, rows), functional.normalize(vectors(plain, rows), dim=-1))
    assert (vectors(plain, rows).norm(dim=-1) - 1).abs().min() > 0.01


# --- a text is alone


@pytest.mark.parametrize("name", ["bow", "cnn", "rnn"])
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=9), seed=st.integers(0, 99))
def test_a_vector_does_not_depend_on_the_batch(
    encoders: dict[str, Scratch], name: str, lengths: list[int], seed: int
) -> None:
    """Not on padding either: texts longer and shorter than the kernel of 16, each alone and all together."""
    ids = torch.Generator().manual_seed(seed)
    rows = [torch.randint(0, 400, (length,), generator=ids).tolist() for length in lengths]
    together = vectors(encoders[name], rows)
    alone = torch.cat([vectors(encoders[name], [row]) for row in rows])
    assert together.shape == (len(lengths), DIMENSION)
    assert (together - alone).abs().max() <= 1e-6


def test_no_text_leaks_into_another(encoder: Scratch) -> None:
    rows = [[10, 11, 12], [20, 21], [30] * 40, [40, 41, 42, 43]]
    before, after = vectors(encoder, rows), vectors(encoder, [rows[0], [99] * 30, *rows[2:]])
    assert (before - after)[[0, 2, 3]].abs().max() <= 1e-6
    assert (before - after)[1].abs().max() > 0.01


def test_gradients_are_those_of_texts_alone_and_reach_every_weight(encoder: Scratch) -> None:
    rows = encoder.tokenize(TEXTS, "code")
    grads = []
    for batches in ([rows], [[row] for row in rows]):
        encoder.zero_grad()
        sum(encoder(ragged(batch)).pow(3).sum() for batch in batches).backward()
        grads.append({name: weight.grad for name, weight in encoder.named_parameters()})
    encoder.zero_grad()
    for name, grad in grads[0].items():
        assert grad is not None
        assert grad.abs().max() > 1e-6, name
        torch.testing.assert_close(grad, grads[1][name], atol=1e-5, rtol=1e-3)
    touched = grads[0]["embedding.weight"].abs().sum(1) > 0  # type: ignore[union-attr]
    assert set(touched.nonzero()[:, 0].tolist()) == {i for row in rows for i in row}


def test_only_dropout_is_chance(encoder: Scratch) -> None:
    rows = encoder.tokenize(TEXTS, "code")
    assert torch.equal(vectors(encoder, rows), vectors(encoder, rows))
    encoder.train()
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(encoder(ragged(rows)))
    assert torch.equal(found[0], found[1])
    assert (found[0] - found[2]).abs().max() > 0.01


def test_places_are_counted(encoders: dict[str, Scratch]) -> None:
    for name, empty in (("bow", 0), ("cnn", 2 * 15), ("rnn", 2)):
        vectors(encoders[name], [[1, 2, 3], [4]])
        assert encoders[name].filled == (4, 4 + empty)


def test_groups_of_texts_are_read_as_each_alone(encoders: dict[str, Scratch]) -> None:
    rows = [[1 + (number * step) % 50 for step in range(1, 2 + number * 7 % 40)] for number in range(150)]
    expected = torch.cat([vectors(encoders["rnn"], [row]) for row in rows])
    torch.testing.assert_close(vectors(encoders["rnn"], rows), expected, atol=1e-6, rtol=1e-5)


def test_a_training_step_takes_time_by_the_tokens(encoder: Scratch) -> None:
    def seconds(texts: int) -> float:
        tokens = ragged([[1 + (number + step) % 50 for step in range(100)] for number in range(texts)])
        begun = time.process_time()
        encoder(tokens).sum().backward()
        return time.process_time() - begun

    seconds(20)
    assert min(seconds(160) for _ in range(2)) < 30 * max(seconds(20) for _ in range(3))  # 8 times, were there no noise


@pytest.mark.parametrize("similarity", ["cos", "dot", "neg_l2"])
def test_texts_without_tokens_do_not_break_a_run(runs: Runs, tmp_path: Path, similarity: str) -> None:
    """Two questions and two answers of nothing but underscores, which n-BOW has no vector for but zeros."""
    lines = runs.pairs.read_text("utf-8").splitlines()[:24]
    rows = [json.loads(line) for line in lines]
    for n, row in enumerate(rows[:4]):
        row["query" if n % 2 else "code"] = "_" * (n + 1)
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    asked = [f"data.train={tmp_path / 'pairs.jsonl'}", f"objective.similarity={similarity}", "data.held_out=0.0"]
    chosen = runs.config(*asked, "encoder.normalize=false", "optim.batch=24")
    parts = runs.parts(chosen)
    assert (parts.store.lengths == 0).sum() == 4
    loop.fit(parts, chosen, tmp_path, quiet=True)
    assert all(math.isfinite(line["loss"]) for line in runs.lines(tmp_path, "step"))
    assert all(weights.isfinite().all() for weights in runs.weights(tmp_path).values())
    again = runs.parts(chosen)  # from the cache
    assert again.store.lengths.tolist() == parts.store.lengths.tolist()


def test_embedder_and_an_empty_text(encoder: Scratch) -> None:
    assert encoder.tokenize(["", " \n"], "query") == [[0], [0]]
    assert encoder.tokenize(TEXTS, "query") == encoder.tokenize(TEXTS, "code")
    found = embedder(encoder, tokens=20)([*TEXTS, "", TEXTS[0]], "query")
    expected = vectors(encoder, encoder.tokenize([*TEXTS, "", TEXTS[0]], "code"))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


# --- saved models


@pytest.mark.parametrize("normalize", [True, False])
def test_a_saved_encoder_is_the_same(encoder: Scratch, real_pairs: list[Pair], tmp_path: Path, normalize: bool) -> None:
    one = made(type(encoder), real_pairs, normalize=normalize)
    one.max_length = 9
    one.save(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "model.safetensors",
        "tokenizer.json",
        "synctrain.json",
    }
    again = load(str(tmp_path / "model"))
    assert type(again) is type(encoder)
    assert (again.max_length, again.normalize, again.dimension) == (9, normalize, DIMENSION)
    assert again.fingerprint == one.fingerprint
    rows = one.tokenize(TEXTS, "code")
    assert again.tokenize(TEXTS, "code") == rows
    assert torch.equal(vectors(again, rows), vectors(one, rows))
    other = load(str(tmp_path / "model"), max_length=5, normalize=not normalize)
    assert (other.max_length, other.normalize) == (5, not normalize)
    assert max(map(len, other.tokenize(TEXTS, "code"))) == 5


def cut(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-9])


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def written(name: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(content, "utf-8")

    return write


def changed(change: Callable[[dict[str, Tensor]], Any]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return write


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights cut": (cut, "no {name} model that can be read: SafetensorError: "),
    "no weights": (without("model.safetensors"), "no {name} model that can be read: FileNotFoundError: "),
    "no tokenizer": (without("tokenizer.json"), "no {name} model that can be read: "),
    "tokenizer": (written("tokenizer.json", "{}"), "no {name} model that can be read: "),
    "no json": (written("synctrain.json", "{"), "synctrain.json does not say which encoder it is: JSONDecodeError"),
    "a list": (written("synctrain.json", "[]"), "synctrain.json does not say which encoder it is: TypeError"),
    "unknown": (
        written("synctrain.json", '{"encoder": "gru"}'),
        "synctrain.json does not say which encoder it is: KeyError('gru')",
    ),
    "a weight gone": (
        changed(lambda weights: weights.pop("attention.score.weight")),
        "no {name} model that can be read: RuntimeError: Error(s) in loading state_dict for {title}: Missing key",
    ),
    "no vectors": (
        changed(lambda weights: weights.pop("embedding.weight")),
        "no {name} model that can be read: KeyError: 'embedding.weight'",
    ),
    "fewer vectors": (
        changed(lambda weights: weights.update({"embedding.weight": weights["embedding.weight"][:-1].clone()})),
        "no {name} model that can be read: RuntimeError: Error(s) in loading state_dict for {title}: size mismatch",
    ),
    "a weight more": (
        changed(lambda weights: weights.update(more=torch.zeros(1))),
        "no {name} model that can be read: RuntimeError: Error(s) in loading state_dict for {title}: Unexpected key",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_one_clear_error(encoder: Scratch, tmp_path: Path, damage: str) -> None:
    encoder.save(tmp_path)
    break_it, message = DAMAGE[damage]
    break_it(tmp_path)
    with pytest.raises(ModelError) as caught:
        load(str(tmp_path))
    expected = message.format(name=encoder.NAME, title=type(encoder).__name__)
    assert str(caught.value).startswith(f"{tmp_path}: {expected}")
    assert "\n" not in str(caught.value)


def test_an_encoder_says_what_it_is(encoder: Scratch, tmp_path: Path) -> None:
    """One network's weights are not another's, and the description must say how vectors are scaled."""
    encoder.save(tmp_path)
    other = {"cnn": "rnn", "rnn": "cnn"}[encoder.NAME]
    about = {"encoder": other, "normalize": True}
    (tmp_path / "synctrain.json").write_text(json.dumps(about), "utf-8")
    with pytest.raises(ModelError, match=f"no {other} model that can be read: RuntimeError: .*Missing key"):
        load(str(tmp_path))
    (tmp_path / "synctrain.json").write_text(json.dumps({"encoder": encoder.NAME}), "utf-8")
    with pytest.raises(ModelError, match=f"no {encoder.NAME} model that can be read: KeyError: 'normalize'"):
        load(str(tmp_path))


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self.marker), "w"))


def test_a_pickle_is_never_opened(encoder: Scratch, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    shutil.move(tmp_path / "model.safetensors", tmp_path / "kept")
    for name in ("model.safetensors", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    with pytest.raises(ModelError, match=f"no {encoder.NAME} model that can be read"):
        load(str(tmp_path))
    assert not (tmp_path / "boom").exists()


# --- runs


@pytest.mark.parametrize(("name", "kind", "dimension"), [("bow", Bow, 512), ("cnn", Cnn, 128), ("rnn", Rnn, 128)])
def test_settings_make_it(real_pairs: list[Pair], name: str, kind: type[Scratch], dimension: int) -> None:
    texts = [text for pair in real_pairs for text in (pair.query, pair.code)]
    asked = [f"encoder.name={name}", "encoder.vocabulary=300", "encoder.max_length=20", "encoder.normalize=false"]
    one = build.make_encoder(config.load(settings=asked), texts, lambda _: None)
    assert type(one) is kind
    assert (one.dimension, one.max_length, one.normalize) == (dimension, 20, False)
    assert one.tokenizer.get_vocab_size() == 300
    other = build.make_encoder(config.load(settings=[*asked, "encoder.dimension=64"]), texts, lambda _: None)
    assert vectors(other, [[1, 2]]).shape == (1, 64)
    again = build.make_encoder(config.load(settings=asked), texts, lambda _: None)
    assert all(torch.equal(weight, again.state_dict()[key]) for key, weight in one.state_dict().items())


@pytest.mark.parametrize("name", ["bow", "cnn", "rnn"])
def test_it_learns_from_nothing(runs: Runs, tmp_path: Path, name: str) -> None:
    """Forty steps of in-batch contrast on real pairs: recall@5 of their code among a hundred, and the model kept."""
    asked = runs.config(
        f"encoder.name={name}", "encoder.dimension=32", "encoder.vocabulary=1000", "negatives.groups=[]",
        "optim.steps=40", "optim.batch=24", "evaluation.every=40", "evaluation.checkpoint=40", preset="scratch",
    )  # fmt: skip
    sets = inputs.read_sets(asked, lambda _: None)
    parts = build.build(asked, sets, lambda _: None)
    measure = Validation(data.retrieval_of(sets.train[:100], "trained on"), parts.objective.similarity)
    before = measure(parts.embed)["recall@5"]
    loop.fit(parts, asked, tmp_path, quiet=True)
    after = measure(parts.embed)
    assert after["recall@5"] > before + 0.3
    kept = load(str(tmp_path / "model"))
    assert type(kept) is SCRATCH[name]
    assert measure(embedder(kept)) == after
