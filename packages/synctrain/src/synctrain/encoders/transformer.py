"""Any encoder of Hugging Face's transformers, with its pooling and its own form of input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import torch
from pydantic import ConfigDict, NonNegativeInt, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoTokenizer

from synctrain.encoders import dataflow, graph
from synctrain.encoders.packing import pack, padded, summed
from synctrain.types import Kind, Ragged

Pooling: TypeAlias = Literal["mean", "cls", "pooler"]
Form: TypeAlias = Literal["plain", "unixcoder", "graphcodebert"]
GRAPH: Form = "graphcodebert"
PUBLISHED = "graphcodebert-base"  # a model of this name takes its code with data flow, where nothing else is said of it
MODE = "<encoder-only>"  # UniXcoder's token for how it is to read
SPECIAL = ("<s>", MODE, "</s>")  # that stand around its texts
LENGTH = 128  # tokens of a text, where nobody says otherwise
DATA_FLOW = 64  # nodes of a text, as published
AGREE = 1e-4  # packed and padded vectors of a probe may differ by this part of their length
OWN = "synctrain.json"  # in a saved folder: what no file of transformers or sentence-transformers holds
MODULES = ("Transformer", "Pooling", "Normalize")  # of sentence-transformers, that are understood
PROBE = (11, 4, 3)  # tokens of the texts that packing is tried out with, beside one as long as texts may be
PROBED = 512 - sum(PROBE)  # tokens of that one at most, which takes a while as it is; all of them share a row then
WINDOWS = (
    "local_attention",
    "sliding_window",
    "attention_window",
)  # the part of a text that a token sees


@dataclass(frozen=True, config=ConfigDict(strict=True))
class _Said:
    """What ``OWN`` says of how a model is to be used."""

    pooling: Pooling
    form: Form
    max_length: PositiveInt
    normalize: bool
    flatten: bool
    data_flow: NonNegativeInt = DATA_FLOW  # earlier versions did not write it


ABOUT = tuple(field.name for field in fields(_Said))


class ModelError(ValueError):
    """A model that cannot be loaded: the message names it and says why."""


class Transformer(nn.Module):
    """A pretrained encoder: text to one vector, (texts, tokens) to (texts, dimension).

    ``pooling`` is the mean of all tokens' vectors, the first token's (``cls``), or what the model's own pooler
    makes of that. ``form`` is how a text is dressed up: ``plain`` as the tokenizer does, ``unixcoder`` with the
    mode token ``<encoder-only>`` (UniXcoder's encoder; specification 1.2), ``graphcodebert`` code as its words and the
    ``data_flow`` first nodes of its data flow (see ``graph``), and queries plainly. ``flatten`` writes all white space
    as one blank first, as the paper's code does. ``normalize`` scales vectors to length 1.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        *,
        pooling: Pooling = "mean",
        form: Form = "plain",
        max_length: int = LENGTH,
        normalize: bool = False,
        flatten: bool = False,
        data_flow: int = DATA_FLOW,
    ) -> None:
        """Take a model and its tokenizer, and try out whether the model can be packed.

        Raises ``ModelError`` for a pooling or a form that it cannot have.
        """
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.pooling, self.form, self.max_length = pooling, form, max_length
        self.normalize, self.flatten, self.data_flow = normalize, flatten, data_flow
        if pooling == "pooler" and getattr(model, "pooler", None) is None:
            raise ModelError("this model has no pooler; there are mean and cls")
        if form == "unixcoder" and (lacking := sorted(set(SPECIAL) - set(tokenizer.get_vocab()))):
            raise ModelError(f"unixcoder: this form needs {', '.join(SPECIAL)}; the tokenizer lacks {lacking[0]}")
        if pooling != "pooler" and isinstance(pooler := getattr(model, "pooler", None), nn.Module):
            pooler.requires_grad_(requires_grad=False)  # no gradient reaches it, which several processes would wait for
        self.dimension: int = model.config.hidden_size  # type: ignore[union-attr,assignment]
        self.pad: int = tokenizer.pad_token_id or 0
        self.first_position: int | None = None
        self.filled: tuple[int, int] = (0, 0)  # tokens and places of the last batch
        self.first_position = self._try_packing()
        if form == GRAPH:
            self._refuse_graph()

    @classmethod
    def load(
        cls,
        name: str,
        *,
        pooling: Pooling | None = None,
        form: Form | None = None,
        max_length: int | None = None,
        normalize: bool | None = None,
        flatten: bool | None = None,
        data_flow: int | None = None,
    ) -> Transformer:
        """Load by a name on the Hugging Face hub or from a folder; weights from safetensors alone.

        What is None is taken from the folder: as ``save`` wrote it, else from its sentence-transformers files (which
        may have no other modules than ``MODULES`` and no default prompt), else mean pooling, 128 tokens, no scaling.
        GraphCodeBERT, known by its published name, has its form and its pooler. Raises ``ModelError`` for what is no
        model, lacks weights, or has them in a pickle only, and for a ``max_length`` beyond the model's positions.
        """
        refuse_pickles(name)
        about = _about(Path(name), pooling)
        form = form or _form(name, about)
        pooling = pooling or about.get("pooling", "pooler" if form == GRAPH else "mean")
        try:
            config = AutoConfig.from_pretrained(name, trust_remote_code=False)
            config.is_decoder = False  # UniXcoder's says true, which would be silently causal
            model, info = AutoModel.from_pretrained(
                name, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
            tokenizer: Any = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        except Exception as error:  # what is broken in a folder comes out as anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(f"{name}: cannot be loaded: {reason}") from error
        needed = sorted(key for key in info["missing_keys"] if pooling == "pooler" or not key.startswith("pooler."))
        files = list(getattr(tokenizer, "vocab_files_names", {}).values())
        if files and Path(name).is_dir() and not any((Path(name) / file).is_file() for file in files):
            raise ModelError(f"{name}: no tokenizer there, no {' or '.join(files)}")
        if needed:
            raise ModelError(f"{name}: {len(needed)} of the model's weights are not there, {needed[0]} among them")
        if form is None:
            form = "unixcoder" if MODE in tokenizer.get_vocab() else "plain"
        room = room_of(model)
        if max_length and room and max_length > room:
            raise ModelError(f"{name}: max_length = {max_length:,}: the model has positions for {room:,} tokens")
        wanted = max_length or int(about.get("max_length", LENGTH))
        return cls(
            model.float(),
            tokenizer,
            pooling=pooling,
            form=form,
            max_length=longest_of(model, wanted),
            normalize=about.get("normalize", False) if normalize is None else normalize,
            flatten=bool(about.get("flatten", False) if flatten is None else flatten),
            data_flow=int(about.get("data_flow", DATA_FLOW) if data_flow is None else data_flow),
        )

    @property
    def fingerprint(self) -> str:
        """What token ids depend on, as a hash: tokenizer, form, length."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        state = backend.to_str() if backend else json.dumps(sorted(self.tokenizer.get_vocab().items()))
        form = f"{GRAPH} {self.data_flow} {dataflow.RULES} {dataflow.GRAMMAR}" if self.form == GRAPH else self.form
        return hashlib.sha256(f"{form} {self.max_length} {self.flatten} {state}".encode()).hexdigest()

    def tokenize(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:
        """Return the token ids of each text, special tokens included, cut to ``max_length``.

        In the form ``graphcodebert``, nodes and edges of code follow, as numbers below 0.
        """
        if self.form == GRAPH and kind == "code":
            most = {"max_length": self.max_length, "data_flow": self.data_flow}
            found = graph.rows(texts, self.tokenizer, **most, flatten=self.flatten)
            return [row or [self.pad] for row in found]
        given = [" ".join(text.split()) for text in texts] if self.flatten else list(texts)
        if not given:
            return []
        if self.form != "unixcoder":
            rows = self.tokenizer(given, truncation=True, max_length=self.max_length)["input_ids"]
            return [row or [self.pad] for row in rows]  # no text is no row, in a tokenizer without special tokens
        special = self.tokenizer.convert_tokens_to_ids
        first, mode, last = (special(token) for token in SPECIAL)
        room = self.max_length - 4
        bodies: Any = self.tokenizer(given, truncation=True, max_length=room, add_special_tokens=False)["input_ids"]
        return [[first, mode, last, *body, last] for body in bodies]

    def forward(self, tokens: Ragged) -> Tensor:
        """Return one vector a text, (texts, dimension). Tokens are laid out on the CPU, wherever they come from."""
        device = next(self.parameters()).device
        tokens = Ragged(tokens.ids.cpu(), tokens.lengths.cpu())  # processes on several GPUs move a model's input there
        counts = tokens.lengths
        if self.first_position is not None and graph.has_nodes(tokens):
            laid = graph.lay_out(tokens, self.pad, self.first_position)
            self.filled = (len(laid.rows.flat), laid.rows.ids.numel())
            found = graph.hidden(self.model, laid.to(device))
            counts = laid.lengths
        elif self.first_position is None:
            ids, mask = (part.to(device) for part in padded(tokens, self.pad))
            self.filled = (int(tokens.lengths.sum()), ids.numel())
            hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            found = hidden[mask.bool()]
        else:
            rows = pack(tokens, self.pad, self.first_position)
            self.filled = (len(rows.flat), rows.ids.numel())
            moved = rows._replace(
                ids=rows.ids.to(device), positions=rows.positions.to(device), segments=rows.segments.to(device)
            )
            hidden = self.model(
                input_ids=moved.ids, position_ids=moved.positions, attention_mask=moved.mask
            ).last_hidden_state
            found = hidden.flatten(0, 1)[rows.flat.to(device)]
        lengths = counts.to(device)
        if self.pooling == "mean":
            vectors = summed(found.float(), lengths) / lengths[:, None]
        else:
            vectors = found[torch.cumsum(lengths, 0) - lengths]
            if self.pooling == "pooler":
                vectors = self.model.pooler(vectors[:, None])  # type: ignore[operator]
            vectors = vectors.float()
        return functional.normalize(vectors, dim=-1) if self.normalize else vectors

    def _try_packing(self) -> int | None:
        """Return the position of a first token under which packed and padded vectors agree; None if none does.

        A layer whose tokens see so many neighbours only forgets that under a mask of ours, which nothing but a text
        longer than its window shows.
        """
        longest = longest_of(self.model, self.max_length)
        reach = reach_of(self.model.config)
        if reach is not None and reach < longest:
            return None
        training = self.training
        self.eval()
        short, long = self._probe(PROBE), self._probe([min(longest, PROBED)])
        tokens = Ragged(*(torch.cat(parts) for parts in zip(short, long, strict=True)))
        try:
            with torch.no_grad():
                plain = torch.cat([self(short), self(long)])  # apart, or the short ones would be padded a long way
                for first in (0, self.pad + 1):
                    self.first_position = first
                    try:
                        together = self(tokens)
                    except (TypeError, ValueError, RuntimeError, IndexError):
                        continue  # a model without position ids, or with another idea of masks
                    if bool(((plain - together).norm(dim=-1) <= AGREE * plain.norm(dim=-1)).all()):
                        return first
        finally:
            self.first_position = None
            self.train(training)
        return None

    def _probe(self, lengths: Sequence[int]) -> Ragged:
        """Return texts of so many tokens, always the same ones: all different, or context would hardly matter."""
        special, config = set(self.tokenizer.all_special_ids), cast("Any", self.model.config)
        known = [i for i in range(min(len(self.tokenizer), config.vocab_size)) if i not in special]
        chosen = np.random.default_rng(0).choice(known or [self.pad], sum(lengths))
        return Ragged(torch.from_numpy(chosen.astype(np.int64)), torch.tensor(lengths))

    def _refuse_graph(self) -> None:
        """Raise ``ModelError`` where code cannot be read with its data flow, or the model cannot take it."""
        if not dataflow.GRAMMAR:
            raise ModelError(f"{GRAPH}: this form reads code with tree-sitter: pip install 'synctrain[graph]'")
        if not self.first_position:
            raise ModelError(
                f"{GRAPH}: this form is for RoBERTa models, whose first position leaves room for the nodes'"
            )
        if not getattr(self.tokenizer, "is_fast", False):
            raise ModelError(f"{GRAPH}: this form needs a tokenizer that says which characters a token stands for")
        if max(self.max_length, self.data_flow) >= graph.BASE:
            raise ModelError(f"{GRAPH}: there may be {graph.BASE - 1:,} tokens and nodes of a text at most")

    def save(self, folder: Path) -> None:
        """Write a folder that ``transformers.AutoModel`` and ``SentenceTransformer`` load, with the same vectors."""
        self.model.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]
        self.tokenizer.save_pretrained(folder)
        about = {name: getattr(self, name) for name in ABOUT}
        (folder / OWN).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        mark_as_sentence_transformer(folder, self)


def room_of(model: nn.Module) -> int | None:
    """Return how many tokens a model has positions for, None where nothing limits them.

    RoBERTa's kin begin to count behind the position of padding, which its table of positions names; BERT's do not.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions:
        return None
    tables = (each for name, each in model.named_modules() if name.endswith("position_embeddings"))
    padding: int | None = next((each.padding_idx for each in tables if hasattr(each, "padding_idx")), None)
    return int(positions) if padding is None else int(positions) - padding - 1


def longest_of(model: nn.Module, wanted: int) -> int:
    """Return how many tokens a text may have: those wanted, or as many as the model has positions for."""
    return min(wanted, room_of(model) or wanted)


def reach_of(config: Any) -> int | None:
    """Return how far a token surely sees in all layers, None where nothing limits it.

    Some call the whole window by a name by which others call one side of it: this takes half of any.
    """
    found = [getattr(config, name, None) for name in WINDOWS]
    return min((size // 2 for size in found if isinstance(size, int) and size > 0), default=None)


def refuse_pickles(name: str) -> None:
    """Raise ``ModelError`` for a folder that holds no weights, or such as could only be unpickled."""
    folder = Path(name)
    if not folder.is_dir():
        return
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json there, so it is no model")
    if not list(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl") for path in folder.glob(pattern))
        if not pickles and (folder / "model" / "config_sentence_transformers.json").is_file():
            raise ModelError(f"{folder}: a run, not a model; its model is {folder / 'model'}")
        has = f"its weights are in {pickles[0]}, a pickle, which can run code" if pickles else "it has no weights"
        raise ModelError(f"{folder}: {has}; convert them to model.safetensors")


def _about(folder: Path, pooling: Pooling | None) -> dict[str, Any]:
    """Return how a folder's model is to be used: as ``save`` wrote it, else what sentence-transformers' files say.

    Raises ``ModelError`` for files that cannot be read, for what sentence-transformers would do with a text or a vector
    and this class does not, and for a way of pooling that there is not, unless another ``pooling`` is given.
    """
    try:
        if (folder / OWN).is_file():
            own = json.loads((folder / OWN).read_text("utf-8"))
            return asdict(_Said(**{name: own[name] for name in ABOUT if name in own or name != "data_flow"}))
        if not (folder / "modules.json").is_file():
            return {}
        found = _modules(folder)
        prompt = _default_prompt(folder)
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(f"{folder / OWN}: {first['loc'][0]} = {first['input']!r}: {first['msg']}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder}: its description cannot be read: {error!r}") from None
    if unknown := found.pop("unknown"):
        raise ModelError(
            f"{folder}: has a module {unknown[0]}, which is not applied here, so its vectors would be other ones;"
            f" there are {', '.join(MODULES)}"
        )
    if prompt:
        raise ModelError(f"{folder}: puts the prompt {prompt!r} before each text, which is not done here")
    if pooling is None and found.get("pooling", "mean") not in get_args(Pooling):
        raise ModelError(f"{folder}: pools by {found['pooling']}; there are {', '.join(get_args(Pooling))}")
    return found


def _form(name: str, about: dict[str, Any]) -> Form | None:
    """Return the form that a folder or a published name says, None where the tokenizer decides: unixcoder or plain."""
    said: Form | None = about.get("form")
    return said or (GRAPH if not about and Path(name).name.lower() == PUBLISHED else None)


def has_data_flow(name: str, form: Form | None = None) -> bool:
    """Say whether a pretrained model takes code with its data flow, by the form asked for, or what its folder says.

    Raises ``ModelError`` for a folder whose description cannot be read.
    """
    return (form or _form(name, _about(Path(name), "mean"))) == GRAPH


def _modules(folder: Path) -> dict[str, Any]:
    """Return what the modules of a sentence-transformers folder say, and which of them are ``unknown``."""
    found: dict[str, Any] = {"unknown": []}
    for module in json.loads((folder / "modules.json").read_text("utf-8")):
        kind, place = str(module["type"]).rsplit(".", 1)[-1], folder / module["path"]
        if kind not in MODULES:
            found["unknown"].append(kind)
        elif kind == "Normalize":
            found["normalize"] = True
        elif kind == "Pooling":
            found["pooling"] = _pooling(json.loads((place / "config.json").read_text("utf-8")))
        else:
            for file in place.glob("sentence_*_config.json"):  # bert, or what kind of model it is
                if longest := json.loads(file.read_text("utf-8")).get("max_seq_length"):
                    found["max_length"] = int(longest)
    return found


def _default_prompt(folder: Path) -> str:
    """Return what sentence-transformers puts before each text unless told otherwise."""
    file = folder / "config_sentence_transformers.json"
    about = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    name = about.get("default_prompt_name")
    return str(about["prompts"][name]) if name else ""


def _pooling(settings: Any) -> str:
    """Return how a sentence-transformers folder pools, in the words of its newer or its older files."""
    if "pooling_mode" in settings:
        return str(settings["pooling_mode"])
    modes = [str(name) for name, on in settings.items() if name.startswith("pooling_mode_") and on]
    mode = ", ".join(modes) or "nothing"
    return {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}.get(mode, mode)


def mark_as_sentence_transformer(folder: Path, encoder: Transformer) -> None:
    """Write the files by which sentence-transformers knows how to pool; it has no counterpart of the other ways."""
    if encoder.pooling == "pooler" or encoder.form != "plain" or encoder.flatten:
        return
    names = ["Transformer", "Pooling", *(["Normalize"] if encoder.normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": paths[i], "type": f"sentence_transformers.models.{name}"}
        for i, name in enumerate(names)
    ]
    for path in paths[1 : len(names)]:
        (folder / path).mkdir(exist_ok=True)
    pooling = {
        "word_embedding_dimension": encoder.dimension,
        "pooling_mode_mean_tokens": encoder.pooling == "mean",
        "pooling_mode_cls_token": encoder.pooling == "cls",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", {"max_seq_length": encoder.max_length, "do_lower_case": False}),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
