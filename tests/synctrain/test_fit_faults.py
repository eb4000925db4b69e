"""What goes wrong: runs killed, interrupted, out of disk, out of numbers, over damaged files and bad data."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from synctrain import build, checkpoint, draw, inputs, loop
from synctrain.checkpoint import CheckpointError
from synctrain.cli import main
from synctrain.config import ConfigError
from synctrain.config import load as load_config
from synctrain.encoders import ModelError, Transformer
from synctrain.loop import TrainingError
from synctrain.negatives import MutantStore, make_mutants
from synctrain.objectives import Triplet
from synctrain.order import Order
from synctrain.train import RunError, train
from synctrain.types import Embedded, Loss

Runs = Any  # tests/synctrain/conftest.py, which no test imports


def silent(_text: str) -> None:
    pass


def fit(runs: Runs, out: Path, *more: str) -> Result:
    """The command, in this process: an error that is not meant for the user comes through."""
    settings = [part for one in runs.settings(*more) for part in ("--set", one)]
    return CliRunner().invoke(
        main, ["fit", "--preset", "sync", *settings, "--out", str(out), "--quiet"], catch_exceptions=False
    )


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False)


def resume(out: Path) -> Result:
    return CliRunner().invoke(main, ["fit", "--resume", "--out", str(out), "--quiet"], catch_exceptions=False)


def error_of(result: Result) -> str:
    """The one line that an error is."""
    assert result.exit_code == 2
    assert result.stdout == ""
    last = [line for line in result.stderr.splitlines() if line.startswith("synctrain: ")]
    assert len(last) == 1
    assert result.stderr.endswith(last[0] + "\n")
    assert "Traceback" not in result.stderr
    return last[0]


def same(runs: Runs, one: Path, other: Path) -> None:
    """Both runs have the same log, step for step, the same last weights and the same best model."""
    assert runs.lines(one) == runs.lines(other)
    a, b = runs.weights(one), runs.weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    models = [sorted(path for path in (out / "model").rglob("*") if path.is_file()) for out in (one, other)]
    assert [path.relative_to(one) for path in models[0]] == [path.relative_to(other) for path in models[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*models, strict=True))


STEPS = 100
LONG = (f"optim.steps={STEPS}", "evaluation.checkpoint=10", "evaluation.every=15", "curriculum.warmup=2")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, runs: Runs) -> Path:
    """A run that nothing happened to."""
    out: Path = tmp_path_factory.mktemp("unbroken") / "run"
    assert fit(runs, out, *LONG).exit_code == 0
    return out


# --- killed


class Process:
    """The command in a process of its own."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self.out = out
        preset = [] if "--resume" in arguments else ["--preset", "sync"]
        command = [sys.executable, "-m", "synctrain", "fit", *preset, *arguments, "--out", str(out), "--quiet"]
        self.popen = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=out.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def when(self, true: Callable[[], bool], number: int) -> tuple[int, str]:
        """Send a signal as soon as something is true; return exit status and stderr."""
        end = time.monotonic() + 60
        while not true():
            assert self.popen.poll() is None, self.popen.communicate()
            assert time.monotonic() < end
            time.sleep(0.0005)
        self.popen.send_signal(number)
        _, said = self.popen.communicate(timeout=60)
        return self.popen.returncode, said

    def steps(self) -> int:
        try:
            return (self.out / "log.jsonl").read_text("utf-8").count('"event": "step"')
        except OSError:
            return 0


def test_killed_three_times_as_if_never_stopped(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    """SIGKILL at some step, when a checkpoint was begun (each step writes one), and when its weights were."""
    out = tmp_path / "run"
    settings = [part for one in runs.settings(*LONG, "evaluation.checkpoint=1") for part in ("--set", one)]
    moments: list[Callable[[Process], bool]] = [
        lambda one: one.steps() >= 5,
        lambda one: one.steps() >= 20 and any((out / "checkpoints").glob(".new-*")),
        lambda one: one.steps() >= 50 and any((out / "checkpoints").glob(".new-*/weights.safetensors")),
    ]
    reached = 0
    for n, moment in enumerate(moments):
        process = Process(out, *(["--resume"] if n else settings))
        status, _ = process.when(lambda process=process, moment=moment: moment(process), signal.SIGKILL)  # type: ignore[misc]
        assert status == -signal.SIGKILL
        found = checkpoint.load(out / "checkpoints", silent)
        assert found is not None
        assert reached < found.step < STEPS
        reached = found.step
    assert resume(out).exit_code == 0
    same(runs, out, unbroken)
    assert not list(out.rglob(".new-*"))
    results = [json.loads((one / "report.json").read_text("utf-8")) for one in (out, unbroken)]
    assert results[0]["results"] == results[1]["results"]
    assert results[0]["best_step"] == results[1]["best_step"]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test may run."""


@pytest.mark.parametrize("at", [0, 1, 9, 10, 12, 14, 20, 29, 47])
def test_killed_at_any_change_of_the_disk(runs: Runs, tmp_path: Path, at: int) -> None:
    """Eight steps, a checkpoint each third, a validation each fourth: some fifty changes, the so-many-th is fatal."""
    left = [at]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*args, **named)

        return instead

    config = runs.config()
    with pytest.MonkeyPatch.context() as patch:
        parts = runs.parts(config)
        for where, name in (
            (Path, "replace"), (Path, "mkdir"), (Path, "write_text"), (shutil, "rmtree"),
            (checkpoint, "save_file"), (os, "fsync"),
        ):  # fmt: skip
            patch.setattr(where, name, counted(getattr(where, name)))
        with pytest.raises(Killed):
            loop.fit(parts, config, tmp_path / "killed", quiet=True)
    runs.fit(tmp_path / "killed", resume=True)
    runs.fit(tmp_path / "whole")
    same(runs, tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize("model", ["bert", "cnn", "rnn"])
def test_a_resumed_network_in_half_precision(
    runs: Runs, tmp_path: Path, bert_folder: Path, fresh_accelerate: Any, model: str
) -> None:
    """Moments, rate and chance: a run of two halves is the run."""
    settings = (
        f"encoder.name={bert_folder if model == 'bert' else model}",
        "optim.precision=bf16",
        "optim.rate=0.001",
        "optim.schedule=linear",
    )
    fresh_accelerate()
    runs.fit(tmp_path / "whole", *settings)
    config = runs.config(*settings)
    parts = runs.parts(config)
    stop_after(5, pytest.MonkeyPatch(), lambda: loop.fit(parts, config, tmp_path / "halves", quiet=True))
    assert len(runs.lines(tmp_path / "halves", "step")) == 5
    runs.fit(tmp_path / "halves", *settings, resume=True)
    same(runs, tmp_path / "halves", tmp_path / "whole")


def stop_after(steps: int, patch: pytest.MonkeyPatch, run: Callable[[], Any], number: int = signal.SIGINT) -> Any:
    """Interrupt this process while so many steps are done, and one more is at work."""
    seen = [0]

    def counted(*args: Any) -> Any:
        seen[0] += 1
        if seen[0] == steps:
            os.kill(os.getpid(), number)
        return draw.draw(*args)

    with patch.context() as inner:
        inner.setattr(loop, "draw", counted)
        return run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_taken_at_the_end_of_a_step(runs: Runs, tmp_path: Path, number: int) -> None:
    config = runs.config()
    parts, before = runs.parts(config), signal.getsignal(number)
    ended = stop_after(5, pytest.MonkeyPatch(), lambda: loop.fit(parts, config, tmp_path, quiet=True), number)
    assert (ended.step, ended.interrupted) == (5, True)
    assert checkpoint.latest(tmp_path / "checkpoints") == tmp_path / "checkpoints" / "step-00000005"
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(*_args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    config = runs.config()
    parts = runs.parts(config)
    monkeypatch.setattr(loop, "draw", twice)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(parts, config, tmp_path, quiet=True)


def test_ctrl_c_saves_and_says_how_to_go_on(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    out = tmp_path / "run"
    process = Process(out, *[part for one in runs.settings(*LONG) for part in ("--set", one)])
    status, said = process.when(lambda: process.steps() >= 3, signal.SIGINT)
    assert status == 130
    last = checkpoint.load(out / "checkpoints", silent)
    assert last is not None
    assert 3 <= last.step < STEPS
    assert said.splitlines()[-1] == (
        f"stopped after step {last.step} and saved; go on with: synctrain fit --resume --out {out}"
    )
    assert "Traceback" not in said
    assert resume(out).exit_code == 0
    same(runs, out, unbroken)


# --- refused


def test_a_run_is_not_started_over(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    assert "there is a run already; go on with --resume, or choose another --out" in error_of(fit(runs, unbroken))
    assert "there is no run to resume" in error_of(resume(tmp_path))
    result = CliRunner().invoke(main, ["fit", "--resume", "--set", "seed=1", "--out", str(unbroken)])
    assert result.exit_code == 2
    assert "a resumed run keeps its settings" in result.stderr


@pytest.mark.parametrize("name", ["model", "report.json"])
def test_what_a_run_left_is_not_replaced(runs: Runs, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").write_text("weights")
    assert error_of(fit(runs, tmp_path)).startswith(f"synctrain: {tmp_path / name}: is there already")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "precious").read_text() == "weights"


def test_what_cannot_be_written_is_refused_before_anything_is_read(
    runs: Runs, tmp_path: Path, unbroken: Path, retrieval_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    (tmp_path / "file").touch()
    place = tmp_path / "file" / "out"
    shutil.copytree(unbroken, tmp_path / "run")
    for reader in ("read_pairs", "read_retrievals", "harvest"):
        monkeypatch.setattr(f"synctrain.data.{reader}", never)
    monkeypatch.setattr("synctrain.encoders.opened", never)
    one = ("--data", runs.pairs)
    both = ("--train", runs.pairs, "--test", retrieval_folder, "--encoder", "bow")
    for given in (
        ("fit", "--set", "encoder.name=bow", "--out", place),
        ("evaluate", "model", "--data", retrieval_folder, "-o", place),
        ("baselines", *both, "--out", place),
        ("baselines", *both, "--out", tmp_path / "new", "-o", place),
        ("mine", "model", *one, "-o", place),
        ("difficulty", "model", *one, "-o", place),
        ("analogies", "model", *one, "-o", place),
    ):
        told = error_of(cli(*given))
        assert told == f"synctrain: {place}: cannot be written: Not a directory"
    assert error_of(cli("harvest", "stdlib", "-o", f"{place}.jsonl")).startswith(
        f"synctrain: {place}.jsonl: cannot be "
    )
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert (
        error_of(resume(tmp_path / "run"))
        == f"synctrain: {tmp_path / 'run'}: cannot be written: No space left on device"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]


def test_a_folder_whose_name_is_no_text_is_refused_at_once(runs: Runs, tmp_path: Path) -> None:
    assert "choose another --out" in error_of(fit(runs, tmp_path / "\udcff"))


def test_two_processes_do_not_train_in_one_folder(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    hold = "import sys, time, pathlib\nfrom synctrain import checkpoint\n"
    hold += "with checkpoint.alone(pathlib.Path(sys.argv[1])):\n    print(1, flush=True)\n    time.sleep(600)\n"
    with subprocess.Popen([sys.executable, "-c", hold, str(out)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        try:
            assert error_of(resume(out)).startswith(f"synctrain: {out}: another process is training in this folder")
        finally:
            other.kill()
    assert resume(out).exit_code == 0  # the one that was killed has left it free
    same(runs, out, unbroken)


def test_a_run_that_began_meanwhile_keeps_its_settings(
    runs: Runs, tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, make = tmp_path / "run", build.build

    def slow(*given: Any, **more: Any) -> Any:
        shutil.copytree(unbroken, out)  # another process, which has read its data by now
        return make(*given, **more)

    monkeypatch.setattr(build, "build", slow)
    assert error_of(fit(runs, out)).startswith(f"synctrain: {out}: there is a run already")
    monkeypatch.undo()
    same(runs, out, unbroken)
    assert (out / "config.json").read_bytes() == (unbroken / "config.json").read_bytes()


def test_a_run_keeps_its_settings(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    with pytest.raises(RunError, match="was begun with other settings"):
        train(runs.config("seed=9"), unbroken, resume=True, say=silent)
    shutil.copytree(unbroken, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text('{"sed": 1}', "utf-8")
    assert "no setting named 'sed'" in error_of(resume(tmp_path / "run"))
    (tmp_path / "run" / "config.json").write_text("{", "utf-8")
    assert "config.json: " in error_of(resume(tmp_path / "run"))


def test_settings_changed_by_hand_are_refused(tmp_path: Path, unbroken: Path) -> None:
    out = shutil.copytree(unbroken, tmp_path / "run")
    file, log = out / "config.json", (out / "log.jsonl").read_bytes()
    changed = json.loads(file.read_text("utf-8"))
    changed["optim"]["rate"] /= 2
    file.write_text(json.dumps(changed), "utf-8")
    assert error_of(resume(out)) == (
        f"synctrain: {file}: differs from the settings that checkpoint step-{STEPS:08d} was made with; "
        "a resumed run keeps its own"
    )
    assert (out / "log.jsonl").read_bytes() == log


CHANGED = "the data has changed since the run began; bring it back, or begin in another --out"


@pytest.mark.parametrize(
    ("old", "new"), [('"code": "', '"code": "x = '), ('"query": "', '"query": "How to '), ("", "")]
)
def test_a_run_keeps_its_pairs(runs: Runs, tmp_path: Path, old: str, new: str) -> None:
    """Other code or another question in as many rows, and fewer rows; with the old ones back it goes on."""
    file = tmp_path / "pairs.jsonl"
    shutil.copy(runs.pairs, file)
    assert fit(runs, tmp_path / "run", f"data.train={file}").exit_code == 0
    before = file.read_text("utf-8")
    lines = before.splitlines(keepends=True)
    file.write_text(
        "".join([*lines[:20], *(line.replace(old, new) for line in lines[20:])] if old else lines[:-20]), "utf-8"
    )
    assert f"{tmp_path / 'run'}: {CHANGED}" in error_of(resume(tmp_path / "run"))
    file.write_text(before, "utf-8")
    assert resume(tmp_path / "run").exit_code == 0


def test_a_run_keeps_its_test_sets(runs: Runs, tmp_path: Path, retrieval_folder: Path) -> None:
    tests = shutil.copytree(retrieval_folder, tmp_path / "ten")
    assert fit(runs, tmp_path / "run", f"data.test={tests}").exit_code == 0
    (tests / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n0\t0\t1\n1\t0\t1\n", "utf-8")
    assert CHANGED in error_of(resume(tmp_path / "run"))


def test_a_run_keeps_its_mutants(unbroken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another version of astmut makes others."""

    def others(*given: Any, **named: Any) -> MutantStore:
        return make_mutants(*given, **named | {"groups": ("disco",)})

    monkeypatch.setattr(build, "make_mutants", others)
    assert CHANGED in error_of(resume(unbroken))


@pytest.mark.parametrize("stopped", [True, False])
def test_a_run_keeps_the_model_that_it_began_with(
    runs: Runs, tmp_path: Path, bert_folder: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """One of whose first weights no checkpoint is there yet, and one that keeps a share of them."""
    model, out = shutil.copytree(bert_folder, tmp_path / "bert"), tmp_path / "run"
    settings = [f"encoder.name={model}", "optim.initial=0.5"]
    if stopped:
        with monkeypatch.context() as patch:
            patch.setattr(
                "synctrain.train.fit", lambda *_, **__: loop.Ended(0, interrupted=True, best=0.0, best_step=-1)
            )
            assert fit(runs, out, *settings).exit_code == 130
    else:
        assert fit(runs, out, *settings).exit_code == 0
    file = model / "model.safetensors"
    before = file.read_bytes()
    weights = load_file(file)
    weights["embeddings.word_embeddings.weight"][5, 5] += 1
    save_file(weights, file, {"format": "pt"})
    assert error_of(resume(out)) == (
        f"synctrain: {out}: the model of encoder.name has changed since the run began; "
        "bring it back, or begin in another --out"
    )
    file.write_bytes(before)
    assert resume(out).exit_code == 0


def test_a_run_with_a_checkpoint_needs_no_first_weights(runs: Runs, tmp_path: Path, bert_folder: Path) -> None:
    """Which are another model's now, and no random weights that nothing trains: they differ between processors."""
    model, out = shutil.copytree(bert_folder, tmp_path / "bert"), tmp_path / "run"
    assert fit(runs, out, f"encoder.name={model}").exit_code == 0
    file = model / "model.safetensors"
    weights = load_file(file)
    save_file({name: weight for name, weight in weights.items() if "pooler" not in name}, file, {"format": "pt"})
    assert "has changed" not in resume(out).stderr
    weights["embeddings.word_embeddings.weight"][5, 5] += 1
    save_file(weights, file, {"format": "pt"})
    done = resume(out)
    assert done.exit_code == 0
    assert f"{out}: the model of encoder.name has changed since the run began; it goes on" in done.stderr


def test_a_run_from_before_its_data_was_noted_goes_on(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    out = shutil.copytree(unbroken, tmp_path / "run")
    (out / "data.json").unlink()
    result = resume(out)
    assert result.exit_code == 0
    unsaid = f"{out / 'data.json'}: cannot be read, or does not say whether"
    assert f"{unsaid} the data changed since the run began" in result.stderr
    same(runs, out, unbroken)


def test_a_finished_run_resumed_is_measured_again(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    shutil.copytree(unbroken, tmp_path / "run")
    for name in ("report.json", "before.json"):
        (tmp_path / "run" / name).write_text("{", "utf-8")
    assert resume(tmp_path / "run").exit_code == 0
    same(runs, tmp_path / "run", unbroken)
    for name in ("report.json", "before.json"):
        assert json.loads((tmp_path / "run" / name).read_text("utf-8")) == json.loads(
            (unbroken / name).read_text("utf-8")
        )


@pytest.mark.parametrize("initial", ["0.0", "0.25"])
def test_a_model_that_is_gone_is_written_again_where_its_weights_are_there(
    runs: Runs, tmp_path: Path, initial: str
) -> None:
    """The best step is the last one, whose checkpoint is kept."""
    out = tmp_path / "run"
    assert fit(runs, out, "evaluation.every=8", f"optim.initial={initial}").exit_code == 0
    shutil.copytree(out, tmp_path / "copy")
    shutil.rmtree(out / "model")
    assert resume(out).exit_code == 0
    same(runs, out, tmp_path / "copy")


@pytest.mark.parametrize("content", ["[]", "null", "{}", '"x"', '{"held out": 1}', "cut", "[" * 100_000])
def test_scores_from_before_that_are_damaged_are_measured_again(
    runs: Runs, tmp_path: Path, unbroken: Path, content: str
) -> None:
    out = shutil.copytree(unbroken, tmp_path / "run")
    whole = json.loads((out / "before.json").read_text("utf-8"))
    if content == "cut":
        changed = json.loads((out / "before.json").read_text("utf-8"))
        changed["held out"]["measures"]["standard"]["mrr"] = None
        content = json.dumps(changed)
    (out / "before.json").write_text(content, "utf-8")
    assert resume(out).exit_code == 0
    assert json.loads((out / "before.json").read_text("utf-8")) == whole
    same(runs, out, unbroken)


# --- out of disk


def full(*_args: Any, **_named: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("full_at", [("synctrain.checkpoint", 3), ("synctrain.encoders.scratch", 0)])
def test_a_full_disk_loses_nothing(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: Path, full_at: tuple[str, int]
) -> None:
    """Full after the weights of the second checkpoint (step 20), or before the first model (step 15)."""
    where, most = full_at
    true_save, written = save_file, []

    def first_only(tensors: Any, path: Path) -> None:
        written.append(path)
        if len(written) > most:
            full()
        true_save(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(f"{where}.save_file", first_only)
        message = error_of(fit(runs, tmp_path, *LONG))
    assert (
        "cannot be written: [Errno 28] No space left on device; the last checkpoint, step-00000010, is as it was"
        in message
    )
    assert not list(tmp_path.rglob(".new-*"))
    assert resume(tmp_path).exit_code == 0
    same(runs, tmp_path, unbroken)


# --- out of numbers


def poisoned(at: int) -> Callable[..., Any]:
    """The loop's own draw, which breaks the weights before batch number ``at`` (from 0)."""
    seen = [0]

    def breaks(parts: Any, *rest: Any) -> Any:
        seen[0] += 1
        if seen[0] == at + 1:
            parts.encoder.embedding.weight.data.fill_(float("nan"))
        return draw.draw(parts, *rest)

    return breaks


@pytest.mark.parametrize("soft", ["1.0", "0.0"])
def test_a_loss_that_is_no_number(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soft: str) -> None:
    """The 8th step breaks; checkpoints are at 3 and 6. With hard negatives, broken scores come before the loss."""
    settings = ("curriculum.kind=fixed", f"curriculum.soft={soft}", "curriculum.warmup=0", "optim.steps=9")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "draw", poisoned(7))
        message = error_of(fit(runs, tmp_path / "run", *settings))
    config = runs.config(*settings)
    parts = runs.parts(config)
    rows = Order(3 * len(parts.material.query), 8, config.seed).batch(7)
    first = ", ".join(parts.material.ids[row % len(parts.material.query)] for row in rows[:5])
    assert message.startswith("synctrain: step 8: the loss or the weights are no numbers any more")
    assert f"rows {first}, ...; the last checkpoint, step-00000006, is from before; try a lower" in message
    assert len(runs.lines(tmp_path / "run", "step")) == 7
    assert resume(tmp_path / "run").exit_code == 0
    assert fit(runs, tmp_path / "whole", *settings).exit_code == 0
    same(runs, tmp_path / "run", tmp_path / "whole")


class Exploding(Triplet):
    """A loss that is a number, with a gradient that is none: the root of 0 times the query."""

    def __call__(self, embedded: Embedded) -> Loss:
        loss = super().__call__(embedded)
        return Loss(loss.value + (0 * embedded.query).sqrt().sum(), loss.parts)


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        (("evaluation.checkpoint=1",), 1),
        (("evaluation.every=1",), 1),
        ((), 2),  # found by the next loss, long before it would have been saved
    ],
)
def test_broken_weights_are_not_saved(runs: Runs, tmp_path: Path, settings: tuple[str, ...], step: int) -> None:
    config = runs.config(*settings)
    parts = dataclasses.replace(runs.parts(config), objective=Exploding())
    with pytest.raises(TrainingError, match=f"step {step}: .* there is no checkpoint yet"):
        loop.fit(parts, config, tmp_path, quiet=True)
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "model").exists()


def test_vectors_that_cannot_be_ranked_are_not_kept(runs: Runs, tmp_path: Path) -> None:
    """Weights may be numbers and their vectors too large."""

    class Overflown:
        deciding: tuple[str, ...] = ("mrr",)

        def __call__(self, embed: Any) -> dict[str, float]:
            vectors = embed(["a"], "query") * torch.inf
            raise ValueError(f"the vectors hold {vectors.max()}")

    config = runs.config()
    parts = dataclasses.replace(runs.parts(config), validate=Overflown())
    with pytest.raises(TrainingError, match=r"step 4: .* the last checkpoint, step-00000003, .* the vectors hold inf"):
        loop.fit(parts, config, tmp_path, quiet=True)


def test_accumulated_losses_name_the_batch_that_broke(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = runs.config("optim.accumulation=2")
    parts = runs.parts(config)
    rows = Order(3 * len(parts.material.query), 8, config.seed).batch(4)
    monkeypatch.setattr(loop, "draw", poisoned(4))
    first = parts.material.ids[rows[0] % len(parts.material.query)]
    with pytest.raises(TrainingError, match=f"step 3: .* rows {first}, "):
        loop.fit(parts, config, tmp_path, quiet=True)


# --- damaged files


def test_a_damaged_checkpoint_is_passed_over(runs: Runs, tmp_path: Path, unbroken: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    last = out / "checkpoints" / f"step-{STEPS:08d}"
    (last / "optimizer.safetensors").write_bytes(b"x")
    result = resume(out)
    assert result.exit_code == 0
    assert f"{last}: cannot be read: optimizer.safetensors is not what was written" in result.stderr
    same(runs, out, unbroken)
    for place in (out / "checkpoints").iterdir():
        (place / "state.json").write_text("[]", "utf-8")
    assert f"{last}: cannot be read: " in error_of(resume(out))


def test_damaged_caches_are_made_again(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(tmp_path / "cache"))
    runs.fit(tmp_path / "a")
    (mutants,) = (tmp_path / "cache").glob("mutants-*")
    (tokens,) = (tmp_path / "cache").glob("tokens-*/ids.npy")
    for file in (mutants, tokens):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 255
        file.write_bytes(content)
    runs.fit(tmp_path / "b")
    assert "is damaged" in caplog.text
    assert runs.lines(tmp_path / "a") == runs.lines(tmp_path / "b")


def test_a_cache_that_cannot_be_written_is_done_without(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(tmp_path / "file"))
    runs.fit(tmp_path / "a")
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(runs.cache))
    runs.fit(tmp_path / "b")
    assert runs.lines(tmp_path / "a") == runs.lines(tmp_path / "b")


# --- bad data


def with_rows(runs: Runs, file: Path, *rows: bytes) -> str:
    file.write_bytes(runs.pairs.read_bytes() + b"".join(row + b"\n" for row in rows))
    return f"data.train={file}"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b'{"id": "n", "code": "f()"}', "row 161: no field 'query'"),
        (b'{"id": "n", "query": "q", "code": "\xff"}', "row 161: not UTF-8 (byte 0xff)"),
        (b'{"id": "n", "query": 3, "code": "f()"}', "row 161: 'query' is a number, not text"),
        (b'{"id": "n", "query"', "row 161: broken JSON"),
        (b"[]", "row 161: a list, not an object"),
    ],
)
def test_a_bad_row_is_named(runs: Runs, tmp_path: Path, row: bytes, message: str) -> None:
    file = tmp_path / "pairs.jsonl"
    said = error_of(fit(runs, tmp_path / "run", with_rows(runs, file, row)))
    assert said.startswith(f"synctrain: {file}, {message}")
    assert not (tmp_path / "run").exists()  # so the next attempt needs no other folder
    assert fit(runs, tmp_path / "run", with_rows(runs, file)).exit_code == 0


def test_rows_of_no_use_are_counted(runs: Runs, tmp_path: Path) -> None:
    """Without a query; of 10 MB; and of 100,001 characters, which can be read but are not trained on."""
    rows = [
        b'{"id": "a", "query": " ", "code": "f()"}',
        b'{"id": "b", "query": null, "code": "f()"}',
        b'{"id": "c", "query": "a dump", "code": "%s"}' % (b"x" * 10_000_000),
        b'{"id": "d", "query": "a long one", "code": "%s"}' % (b"y" * 100_001),
    ]
    result = fit(runs, tmp_path / "run", with_rows(runs, tmp_path / "pairs.jsonl", *rows), "optim.steps=2")
    assert result.exit_code == 0
    assert "2 without query" in result.stderr
    assert "1 with code of more than 1,000,000 characters" in result.stderr
    assert "1 pairs with more than 100000 characters of code" in result.stderr
    counts = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))["left_out"]
    assert counts["without query"] == 2


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz", "nowhere.jsonl"])
def test_an_empty_or_missing_file(runs: Runs, tmp_path: Path, name: str) -> None:
    if name != "nowhere.jsonl":
        (tmp_path / name).write_bytes(b"")
    said = error_of(fit(runs, tmp_path / "run", f"data.train={tmp_path / name}"))
    assert said.startswith(f"synctrain: {tmp_path / name}: ")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_pairs(runs: Runs, tmp_path: Path, count: int) -> None:
    lines = runs.pairs.read_bytes().splitlines(keepends=True)[:count]
    (tmp_path / "few.jsonl").write_bytes(b"".join(lines))
    result = fit(runs, tmp_path / "run", f"data.train={tmp_path / 'few.jsonl'}", "data.held_out=0.0")
    if count == 1:
        assert "1 pairs to train on; there must be at least 2" in error_of(result)
    else:
        assert result.exit_code == 0
        assert "nothing was held out" in result.stderr


@pytest.mark.parametrize("source", ["static", "nearest"])
def test_pairs_that_have_no_negative(runs: Runs, tmp_path: Path, source: str) -> None:
    file = tmp_path / "alike.jsonl"
    settings = (f"data.train={file}", "data.held_out=0.0", f"negatives.source={source}", "optim.steps=2")

    def written(codes: list[str]) -> None:
        rows = [{"id": str(n), "query": f"how to do {n}", "code": code} for n, code in enumerate(codes)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    why = "all others have the same question or the same code"
    written(["pass"] * 6)
    assert error_of(fit(runs, tmp_path / "run", *settings)).startswith(
        f"synctrain: {file}: no pair has a negative: {why}"
    )
    written(["f(x, True)"] * 6)
    result = fit(runs, tmp_path / "run", *settings)
    assert result.exit_code == 0
    assert f"6 of 6 pairs have no soft negative: {why}" in result.stderr


# --- settings that only a run can judge


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("negatives.rules=['no-such-rule']", "no "),
        ("negatives.groups=['nope']", "no "),
        ("curriculum.bias=[0.5, 0.4]", "curriculum.bias = [0.5, 0.4]: the shares must sum to 1"),
        ("negatives.soft=0", "negatives.soft = 0: the objective triplet needs a negative"),
        ("encoder.pooling=cls", "encoder.pooling = 'cls': the encoder bow has no such setting; leave it out"),
        ("encoder.data_flow=0", "encoder.data_flow = 0: the encoder bow has no such setting; leave it out"),
        ("data.split=module", "data.split = 'module' needs harvested pairs"),
        ("data.test=/no/such/folder", "/no/such/folder: no such folder"),
    ],
)
def test_a_setting_that_cannot_be(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, message: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert error_of(fit(runs, tmp_path / "run", setting)).startswith(f"synctrain: {message}")


def test_settings_that_an_encoder_does_not_read_are_refused(
    tmp_path: Path, unbroken: Path, bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: object, setting: str) -> str:
        return error_of(cli("fit", "--out", tmp_path / "run", "--set", f"encoder.name={name}", "--set", setting))

    assert refused(bert_folder, "encoder.vocabulary=400").startswith(
        f"synctrain: encoder.vocabulary = 400: the encoder {bert_folder} has no such setting"
    )
    for more in ("encoder.form=plain", "optim.steps=1"):  # its form is plain unless asked for
        given = ("--set", f"encoder.name={bert_folder}", "--set", "encoder.data_flow=8", "--set", more)
        told = error_of(cli("fit", "--out", tmp_path / "run", *given))
        assert told.startswith(
            f"synctrain: encoder.data_flow = 8: the encoder {bert_folder} takes no data flow, which "
        )
    saved = unbroken / "model"  # whose dimension and tokenizer are what they are
    for setting in ("encoder.dimension=32", "encoder.flatten=true"):
        assert f"the encoder {saved} has no such setting" in refused(saved, setting)
    monkeypatch.setattr("synctrain.encoders.find", without_minilm)
    assert "the encoder bow, which auto is here, has no such setting" in refused("auto", "encoder.form=plain")


def test_data_flow_is_a_setting_of_what_has_the_form(roberta_folder: Path, tmp_path: Path) -> None:
    """Where it is asked for, where a saved folder says it, and of the published model; a model of none is refused."""

    def check(*settings: str) -> None:
        build.check(load_config(None, (), ["encoder.data_flow=8", *settings]))

    check(f"encoder.name={roberta_folder}", "encoder.form=graphcodebert")
    check("encoder.name=microsoft/graphcodebert-base")
    Transformer.load(str(roberta_folder), form="graphcodebert").save(tmp_path / "graph")
    check(f"encoder.name={tmp_path / 'graph'}")
    for settings in (
        [f"encoder.name={tmp_path / 'graph'}", "encoder.form=plain"],
        ["encoder.name=microsoft/graphcodebert-base", "encoder.form=unixcoder"],
        ["encoder.name=microsoft/codebert-base"],
        [f"encoder.name={roberta_folder}"],
    ):
        with pytest.raises(ConfigError, match=r"^encoder\.data_flow = 8: the encoder \S+ takes no data flow"):
            check(*settings)


def without_minilm(name: str) -> str:
    raise ModelError(f"{name}: not here")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.test=/no/such/set", "/no/such/set: no such folder"),
        ("negatives.rules=['no-such-rule']", "no rule named 'no-such-rule'"),
        ("optim.precision=fp16", "optim.precision = fp16: needs a GPU; bf16 does not"),
        ("negatives.soft=0", "negatives.soft = 0: "),
    ],
)
def test_what_can_be_seen_before_the_pairs_are_read_is(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, message: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    monkeypatch.setattr("synctrain.data.harvest", never)
    told = error_of(fit(runs, tmp_path / "run", "data.train=['stdlib', '/no/such.jsonl']"))
    assert told == "synctrain: /no/such.jsonl: No such file or directory"
    told = error_of(fit(runs, tmp_path / "run", "data.train=['stdlib', 'harvest:json']", "data.top=5"))
    assert told == "synctrain: data.top = 5: pairs that are harvested have no probability; leave it out"
    told = error_of(fit(runs, tmp_path / "run", "data.train=['stdlib', 'harvest:/no/such']"))
    assert told.startswith("synctrain: /no/such: no file or folder of this name")
    monkeypatch.setattr("synctrain.data.read_pairs", never)
    for source in (runs.pairs, "stdlib"):
        told = error_of(fit(runs, tmp_path / "run", f"data.train={source}", setting))
        assert told.startswith(f"synctrain: {message}")
    assert not (tmp_path / "run").exists()


def test_a_warm_up_to_the_last_step_is_said(runs: Runs, tmp_path: Path) -> None:
    """Where mutants are made for nothing; not where one step is left for them, or none is asked for."""
    told = "curriculum.warmup = 8, and the run has 8 steps: none of them sees a mutant\n"
    assert told in fit(runs, tmp_path / "a", "curriculum.warmup=8").stderr
    for name, settings in (("b", ["curriculum.warmup=7"]), ("c", ["curriculum.warmup=8", "negatives.groups=[]"])):
        done = fit(runs, tmp_path / name, *settings)
        assert done.exit_code == 0
        assert "sees a mutant" not in done.stderr
    assert sum(line["seen.hard"] for line in runs.lines(tmp_path / "a", "step")) == 0


def test_a_test_set_is_not_called_as_the_part_held_out(runs: Runs, tmp_path: Path, retrieval_folder: Path) -> None:
    """Reports know sets by name; without a part held out there is no other."""
    place = shutil.copytree(retrieval_folder, tmp_path / "held out")
    told = error_of(fit(runs, tmp_path / "run", f"data.test={place}"))
    assert (
        told
        == "synctrain: data.test: a set is named 'held out', as the part held out of the pairs is; rename its folder"
    )
    assert not (tmp_path / "run").exists()
    assert fit(runs, tmp_path / "run", f"data.test={place}", "data.held_out=0").exit_code == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert (list(report["results"]["after"]), report["validation"], report["best_step"]) == (["held out"], None, None)


def test_a_model_is_loaded_before_mutants_are_made(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retrieval_folder: Path
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(build, "make_mutants", never)
    for name, fault in (("nobody/nothing", "cannot be loaded: "), (tmp_path / "nowhere", "there is no such folder")):
        for told in (
            cli("fit", "--set", f"data.train={runs.pairs}", "--set", f"encoder.name={name}", "--out", tmp_path / "run"),
            cli("evaluate", name, "--data", retrieval_folder, "--distractors", "sync"),
            cli("mine", name, "--data", runs.pairs, "-o", tmp_path / "m.parquet"),
            cli("difficulty", name, "--data", runs.pairs),
            cli("analogies", name, "--data", runs.pairs),
        ):
            assert f"{name}: {fault}" in error_of(told)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("./model", "./model: there is no such folder"),
        ("a/folder/of/mine", "a/folder/of/mine: there is no such folder"),
        ("file", "file: there is no such folder"),
        ("empty", "empty: no config.json there, so it is no model"),
    ],
)
def test_what_is_no_model_is_refused_before_pairs_are_read(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("synctrain.data.read_pairs", never)
    assert error_of(fit(runs, tmp_path / "run", f"encoder.name={name}")) == f"synctrain: {fault}"
    assert not (tmp_path / "run").exists()


def test_mutants_that_no_process_makes_are_one_clear_error(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("synctrain.negatives.workers.BOOT", "raise SystemExit(3)")
    message = error_of(fit(runs, tmp_path / "run"))
    assert message == "synctrain: a process that makes mutants does not start: see its message above"


def test_a_checkpoint_of_another_model_is_refused(runs: Runs, tmp_path: Path, bert_folder: Path) -> None:
    runs.fit(tmp_path)
    other = runs.parts(runs.config(f"encoder.name={bert_folder}"))
    with pytest.raises(CheckpointError, match="its weights are another model's"):
        loop.fit(other, runs.config(), tmp_path, resume=True, quiet=True)


def test_sets_hold_what_was_left_out(runs: Runs) -> None:
    assert all(count > 0 for count in inputs.read_sets(runs.config(), silent).left_out.values())
