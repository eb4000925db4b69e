"""sentence-transformers' trainer, as its users would set it up: what synctrain is measured beside.

To be imported by the process that trains with it, before it takes the time: this loads all that a trainer needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import sentence_transformers as st
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss, TripletLoss

from synctrain import encoders


def trainer(
    name: str,
    rows: Sequence[Mapping[str, str]],
    out: Path,
    *,
    length: int,
    batch: int,
    margin: float | None = None,
    callbacks: Sequence[Any] = (),
    **arguments: Any,
) -> Any:
    """A trainer on all of these rows that saves and reports nothing; its ``model`` is then the one trained.

    Args:
        name: the model to begin with, as synctrain names it.
        rows: texts by ``anchor``, ``positive`` and, for triplets, ``negative``.
        out: a folder for what it may want to write.
        length: tokens of a text, at most.
        batch: rows of a step.
        margin: of the loss of triplets; without, the loss has the batch's other answers for negatives.
        callbacks: told of the steps.
        arguments: further ones of training, such as ``max_steps``.
    """
    model = st.SentenceTransformer(encoders.find(name))
    model.max_seq_length = length
    loss = MultipleNegativesRankingLoss(model) if margin is None else TripletLoss(model, triplet_margin=margin)
    chosen = st.SentenceTransformerTrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=batch,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **arguments,
    )
    return st.SentenceTransformerTrainer(
        model, chosen, train_dataset=datasets.Dataset.from_list(rows), loss=loss, callbacks=list(callbacks)
    )
