"""Recipes side by side on MiniLM, and sentence-transformers' trainer on the same pairs, steps and texts.

    python benchmarks/baselines.py                       all rows, 3 seeds; writes results/<date>-baselines.json
    python benchmarks/baselines.py --row best --seed 0   some of it, added to what is there
    python benchmarks/baselines.py --stop-after 3000     seconds after which no new run begins; the same command goes on

Trained on CoNaLa of ../shared/data (else there is nothing to do), measured on CoNaLa (in domain) and on PyDocs, CoSQA
and docstrings (out of domain; cut to 1,000 documents and the relevant ones), and among mutants of CoNaLa's answers, by
SYNC's rules and by all others. Every run is kept in --work, so what was stopped goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import result_file, write_result

DATA = Path(__file__).parents[2] / "shared" / "data"
TEST = ("conala", "pydocs", "cosqa", "docstrings")
DOCUMENTS = 1_000
STEPS, BATCH, RATE = 130, 48, 2e-5
PEER = "sentence-transformers MNRL"
PACKAGES = ("synctrain", "astmut", "torch", "transformers", "accelerate", "sentence-transformers")
COMMON = (
    f"optim.steps={STEPS}",
    f"optim.batch={BATCH}",
    "data.limit=0",
    f"evaluation.every={STEPS}",
    f"evaluation.checkpoint={STEPS}",
)
WARMUP = "[curriculum]\nwarmup = 88\n"  # the same share of all steps as the paper's 17,000 of 25,000
VARIANTS = {
    "sync": 'preset = "sync"\n' + WARMUP,
    "sync-fixed": 'preset = "sync-fixed"\n' + WARMUP,
    "best-without-mutants": 'preset = "best"\n[negatives]\nsoft = 0\ngroups = []\n',
}
ROWS = ("best", "best-without-mutants", "soft", "sync", "sync-fixed", "dns", "coderetriever", "disco")


def train_peer(seed: int, folder: Path, precision: str, train_on: str, test_on: Sequence[str]) -> str:
    """Train with MultipleNegativesRankingLoss as its users would: linear schedule, clipping at 1, cosine, scale 20."""
    import peer

    from synctrain import config, encoders, inputs
    from synctrain.types import nothing

    chosen = config.load("best", (), [*COMMON, f"data.train={train_on}", f"data.test={list(test_on)}"])
    pairs = inputs.read_sets(replace(chosen, seed=seed), nothing).train
    trainer = peer.trainer(
        "minilm",
        [{"anchor": pair.query, "positive": pair.code} for pair in pairs],
        folder / "trainer",
        length=encoders.load("minilm").max_length,
        batch=BATCH,
        max_steps=STEPS,
        learning_rate=RATE,
        seed=seed,
        use_cpu=encoders.best_device().type == "cpu",
        bf16=precision == "bf16",
    )
    trainer.train()
    trainer.model.save(str(folder / "model"))
    return str(folder / "model")


def main() -> None:
    """Train what is missing, measure, print, write."""
    parser = argparse.ArgumentParser(description="Recipes side by side on MiniLM.")
    parser.add_argument("--row", action="append", help="one of the rows, or 'peer'")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--precision", choices=["no", "bf16"], default="no", help="of all rows' training")
    parser.add_argument("--work", type=Path, default=Path("baselines"))
    parser.add_argument("--stop-after", type=float, metavar="SECONDS")
    parser.add_argument("--out", type=result_file)
    options = parser.parse_args()
    from synctrain import baselines, report

    train_on, test_on = str(DATA / "conala" / "pairs.jsonl.gz"), [str(DATA / name) for name in TEST]
    if not Path(train_on).is_file():
        parser.exit(message=f"{train_on} is not there\n")
    chosen = options.row or [*ROWS, "peer"]
    options.work.mkdir(parents=True, exist_ok=True)
    named = {}
    for name, content in VARIANTS.items():
        file = options.work / f"{name}.toml"
        file.write_text(content, "utf-8")
        named[name] = f"{name}={file}"
    recipes, protocol = baselines.plan(
        [named.get(row, row) for row in chosen if row != "peer"],
        train_on=[train_on],
        test_on=test_on,
        encoder="minilm",
        settings=[*COMMON, f"optim.precision={options.precision}"],
        seeds=options.seed or (0, 1, 2),
        against=baselines.ZERO_SHOT,
        documents=DOCUMENTS,
        say=print,
    )
    if "peer" in chosen:
        about: dict[str, Any] = {"steps": STEPS, "batch": BATCH, "rate": RATE, "precision": options.precision}

        def make(seed: int, folder: Path) -> str:
            return train_peer(seed, folder, options.precision, train_on, test_on)

        recipes.append(baselines.Recipe(PEER, about, make))
        protocol = replace(protocol, against=PEER)
    begun = time.monotonic()

    def go_on() -> bool:
        return options.stop_after is None or time.monotonic() - begun < options.stop_after

    compared = baselines.run(recipes, protocol, options.work, print, go_on=go_on)
    report.show(compared.table())
    result = {
        "steps": STEPS,
        "batch": BATCH,
        "documents": DOCUMENTS,
        "precision": options.precision,
        **compared.record(),
    }
    print(f"written: {write_result('baselines', result, PACKAGES, options.out).name}")


if __name__ == "__main__":
    main()
