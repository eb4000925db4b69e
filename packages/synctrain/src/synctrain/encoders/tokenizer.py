"""The tokenizer of the encoders that learn from nothing: byte pairs, learnt from the texts to train on."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

UNKNOWN = "[UNK]"  # its id is 0


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Return a lower-casing byte-pair tokenizer learnt from texts: words, digits and signs apart, white space dropped.

    ``size`` is the most entries that its vocabulary may have. Identifiers are split at underscores and humps,
    since their parts are the words of queries.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    humps = normalizers.Replace(Regex(r"(?<=[a-z0-9])(?=[A-Z])"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), humps, normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(r"[^\W\d_]+|\d|[^\w\s]"), "removed", invert=True)
    tokenizer.pre_tokenizer = words
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[UNKNOWN],
        show_progress=False,
        min_frequency=2,
        initial_alphabet=[chr(code) for code in range(33, 127)],
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
