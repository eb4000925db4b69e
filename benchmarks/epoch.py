"""What an epoch costs: soft triplets, SYNC, DNS and the preset best, and sentence-transformers' trainer beside them.

    python benchmarks/epoch.py --encoder roberta-base --precision bf16      on a GPU; writes results/<date>-epoch.json
    python benchmarks/epoch.py --pairs 200                                  a try, on any machine

Functions of the standard library with their docstrings, each pair once with one negative, texts of at most 128 tokens.
Each way runs in a fresh process, which says what it took to read the pairs, to make mutants and tokens (nothing is
cached), to train and to validate. The encoder roberta-base has that model's size and random weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import in_child, result_file, sized_model, steps_in, table, write_result

PACKAGES = ("synctrain", "astmut", "torch", "transformers", "accelerate", "sentence-transformers")
BATCH, LENGTH = 48, 128
PEER = "sentence-transformers MNRL"
PRESETS = {"soft": "soft", "sync": "sync", "dns": "dns", "best": "best", PEER: "soft"}
SOFT = ("negatives.soft=1",)
SETTINGS = {"soft": SOFT, "sync": (*SOFT, "curriculum.warmup=0"), "dns": (), "best": SOFT, PEER: SOFT}


def config_of(way: str, form: Sequence[str]) -> Any:
    """The settings of a way: its preset, at equal pairs and batches."""
    from synctrain import config

    common = ["data.train=stdlib", f"optim.batch={BATCH}", "optim.epochs=1.0", f"encoder.max_length={LENGTH}"]
    common += ["evaluation.every=1000000", "evaluation.checkpoint=1000000", "optim.clip=1.0", *form]
    return config.load(PRESETS[way], (), [*common, *SETTINGS[way]])


def child(way: str, form: Sequence[str], out: Path) -> dict[str, Any]:
    """In a fresh process: one epoch, and where its seconds went."""
    from synctrain import build, inputs, loop
    from synctrain.types import nothing

    chosen = config_of(way, form)
    begun = time.perf_counter()
    sets = inputs.read_sets(chosen, nothing)
    read = time.perf_counter()
    if way == PEER:
        return {"read": read - begun, **theirs(sets.train, chosen, out)}
    parts = build.build(chosen, sets, nothing)
    ready = time.perf_counter()
    loop.fit(parts, chosen, out, quiet=True)
    whole = time.perf_counter() - ready
    rows = steps_in(out)
    trained = sum(row["seconds"] for row in rows)
    return {
        "read": read - begun,
        "prepare": ready - read,
        "train": trained,
        "validate_and_save": whole - trained,
        "steps": len(rows),
        "pairs": len(sets.train),
        "tokens": sum(row["tokens"] for row in rows),
        "hard": sum(row["seen.hard"] for row in rows),
    }


def theirs(pairs: Sequence[Any], chosen: Any, out: Path) -> dict[str, Any]:
    """The same pairs in sentence-transformers' trainer, with in-batch negatives, as its users would."""
    import peer

    begun = time.perf_counter()
    trainer = peer.trainer(
        chosen.encoder.name,
        [{"anchor": pair.query, "positive": pair.code} for pair in pairs],
        out,
        length=LENGTH,
        batch=BATCH,
        num_train_epochs=1,
        learning_rate=1e-5,
        bf16=chosen.optim.precision == "bf16",
    )
    ready = time.perf_counter()
    done = trainer.train()
    return {
        "prepare": ready - begun,
        "train": time.perf_counter() - ready,
        "steps": done.global_step,
        "pairs": len(pairs),
    }


def run(way: str, form: Sequence[str]) -> dict[str, Any]:
    """One way in a fresh process, with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        given = [part for one in form for part in ("--form", one)]
        return in_child(__file__, "--child", way, "--folder", folder, *given, SYNCTRAIN_CACHE=f"{folder}/cache")  # type: ignore[no-any-return]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What an epoch costs.")
    parser.add_argument("--encoder", choices=["minilm", "roberta-base"], default="minilm")
    parser.add_argument("--precision", choices=["no", "bf16"], default="no")
    parser.add_argument("--pairs", type=int, default=0, help="at most so many; 0 is all")
    parser.add_argument("--out", type=result_file)
    parser.add_argument("--child", choices=PRESETS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--form", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.form, options.folder / "run")))
        return
    runs = {}
    with sized_model(options.encoder) as encoder:
        form = [f"encoder.name={encoder}", f"optim.precision={options.precision}", f"data.limit={options.pairs}"]
        for way in PRESETS:
            runs[way] = run(way, form)
    keys = ("read", "prepare", "train", "validate_and_save")
    rows = [
        [way, *(f"{one.get(key, 0):.1f}" for key in keys), str(one["steps"]), f"{one['pairs'] / one['train']:.0f}"]
        for way, one in runs.items()
    ]
    print(table("one epoch, seconds", ("way", *keys, "steps", "pairs a second"), rows))
    content = {"encoder": options.encoder, "precision": options.precision, "batch": BATCH, "ways": runs}
    print(f"written: {write_result('epoch', content, PACKAGES, options.out).name}")


if __name__ == "__main__":
    main()
