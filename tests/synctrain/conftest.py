"""Tiny models and real pairs for the tests of training. Nothing is downloaded."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from synctrain import build, checkpoint, inputs, loop
from synctrain.config import Config, load
from synctrain.data import harvest, read_pairs, write_pairs
from synctrain.encoders import Bow, train_tokenizer
from synctrain.parts import Parts
from synctrain.types import Pair

CONALA = Path(__file__).parents[3] / "shared" / "data" / "conala" / "pairs.jsonl.gz"
WIDTH, LONGEST = 32, 64
BERT_SIGNS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA_SIGNS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<encoder-only>")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny models are slower on several threads, and tests share the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fresh_accelerate() -> Iterator[Callable[[], None]]:
    """Accelerate keeps one state a process; a test may want another precision than the one before it."""

    def reset() -> None:
        AcceleratorState._reset_state(reset_partial_state=True)

    yield reset
    reset()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 real pairs: of CoNaLa where it lies beside the repository, else of the standard library."""
    if CONALA.is_file():
        found = read_pairs(CONALA)[:160]
    else:
        modules = ["statistics", "textwrap", "heapq", "random", "fractions", "calendar", "ast", "difflib", "inspect"]
        found = harvest(modules).pairs[:160]
    assert len(found) == 160
    file = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_pairs(file, found)
    return file


@pytest.fixture(scope="session")
def real_pairs(pairs_file: Path) -> list[Pair]:
    return read_pairs(pairs_file)


@pytest.fixture(scope="session")
def retrieval_folder(tmp_path_factory: pytest.TempPathFactory, real_pairs: list[Pair]) -> Path:
    """Ten questions and the code that answers them, as a retrieval set."""
    folder = tmp_path_factory.mktemp("sets") / "ten"
    (folder / "qrels").mkdir(parents=True)
    chosen = {pair.code: pair for pair in real_pairs}
    ten = list(chosen.values())[:10]
    for name, texts in (("corpus", [one.code for one in ten]), ("queries", [one.query for one in ten])):
        rows = [json.dumps({"_id": str(i), "text": text}) for i, text in enumerate(texts)]
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n")
    judgements = "".join(f"{i}\t{i}\t1\n" for i in range(len(ten)))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judgements}", "utf-8")
    return folder


def texts_of(pairs: list[Pair]) -> list[str]:
    return [text for pair in pairs for text in (pair.query, pair.code)]


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory, real_pairs: list[Pair]) -> Path:
    """A random BERT with its own WordPiece tokenizer and a pooler; no dropout."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=BERT_SIGNS[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts_of(real_pairs),
        trainers.WordPieceTrainer(vocab_size=600, special_tokens=list(BERT_SIGNS), show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(sign, tokenizer.token_to_id(sign)) for sign in ("[CLS]", "[SEP]")],
    )
    roles = dict(zip(("pad", "unk", "cls", "sep", "mask"), BERT_SIGNS, strict=True))
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LONGEST,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return saved(BertModel, config, wrapped(tokenizer, roles), tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="session")
def roberta_folder(tmp_path_factory: pytest.TempPathFactory, real_pairs: list[Pair]) -> Path:
    """A random RoBERTa whose tokenizer has UniXcoder's mode token, and that calls itself a decoder, as UniXcoder."""
    tokenizer = Tokenizer(models.BPE(unk_token=ROBERTA_SIGNS[3]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.train_from_iterator(
        texts_of(real_pairs),
        trainers.BpeTrainer(
            vocab_size=800,
            special_tokens=list(ROBERTA_SIGNS),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    roles = {"bos": "<s>", "cls": "<s>", "pad": "<pad>", "eos": "</s>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LONGEST + 2,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        is_decoder=True,
    )
    return saved(RobertaModel, config, wrapped(tokenizer, roles), tmp_path_factory.mktemp("models") / "roberta")


def wrapped(tokenizer: Tokenizer, roles: dict[str, str]) -> Any:
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=tokenizer, **{f"{role}_token": sign for role, sign in roles.items()})


def saved(kind: Any, config: Any, tokenizer: Any, folder: Path) -> Path:
    """Save a random model. Larger weights than usual: position and context must count, or tests could not tell."""
    torch.manual_seed(7)
    config.initializer_range = 0.2
    model = kind(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, real_pairs: list[Pair]) -> Path:
    """An n-BOW that was never trained: random vectors of words still find the same words."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("model")
    Bow(train_tokenizer([text for pair in real_pairs for text in (pair.query, pair.code)], 500), 64).save(folder)
    return folder


class Runs:
    """Makes and trains tiny runs on the real pairs, in this process."""

    def __init__(self, pairs: Path, cache: Path) -> None:
        self.pairs, self.cache = pairs, cache

    def settings(self, *more: str) -> list[str]:
        """A tiny n-BOW, warm after 3 of 8 steps of 8 rows, validated every 4 and saved every 3 steps; then others.

        A model in a folder has its own dimension and tokenizer, and is given none.
        """
        tiny: dict[str, Any] = {
            "data.train": self.pairs,
            "encoder.name": "bow",
            "encoder.dimension": 16,
            "encoder.vocabulary": 400,
            "curriculum.warmup": 3,
            "optim.steps": 8,
            "optim.batch": 8,
            "optim.rate": 0.01,
            "evaluation.every": 4,
            "evaluation.checkpoint": 3,
        }
        if any(one.startswith("encoder.name=") and Path(one.partition("=")[2]).is_dir() for one in more):
            del tiny["encoder.dimension"], tiny["encoder.vocabulary"]
        return [f"{name}={value}" for name, value in tiny.items()] + list(more)

    def config(self, *more: str, preset: str | None = None) -> Config:
        return load(preset, settings=self.settings(*more))

    def parts(self, config: Config) -> Parts:
        return build.build(config, inputs.read_sets(config, silent), silent)

    def fit(self, out: Path, *more: str, preset: str | None = None, resume: bool = False) -> list[dict[str, Any]]:
        """Train, and return the lines of the log without the times."""
        config = self.config(*more, preset=preset)
        loop.fit(self.parts(config), config, out, resume=resume, quiet=True)
        return self.lines(out)

    def lines(self, out: Path, event: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
        timeless = [{name: one[name] for name in one if name not in {"seconds", "pairs_per_second"}} for one in found]
        return [one for one in timeless if event in {None, one["event"]}]

    def weights(self, out: Path) -> dict[str, torch.Tensor]:
        found = checkpoint.load(out / "checkpoints", silent)
        assert found is not None
        return found.weights


def silent(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def runs(pairs_file: Path, cache: Path) -> Iterator[Runs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNCTRAIN_CACHE", str(cache))
        yield Runs(pairs_file, cache)
