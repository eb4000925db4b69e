"""Settings: what is unknown or of a wrong type is refused with a suggestion, and what is written reads back."""

import json
from pathlib import Path

import pytest

from synctrain.config import ConfigError, load, of, plain, presets
from synctrain.loop import steps_of


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.rte=1", "no setting named 'optim.rte'; did you mean 'optim.rate'?"),
        ("optimm.rate=1", "no setting named 'optimm'; did you mean 'optim'?"),
        (
            "encoder.zzz=1",
            "no setting named 'encoder.zzz'; there are: data_flow, dimension, dropout, flatten, form, max_length, name, ",
        ),
        ("=1", "no setting named ''; there are: curriculum, data, encoder, "),
        ("seed", "--set seed: write it as name=value"),
        ("seed=abc", "seed = 'abc': input should be a valid integer"),
        ("seed=1.5", "seed = 1.5: input should be a valid integer"),
        ("seed=-1", "seed = -1: input should be greater than or equal to 0"),
        ("seed=18446744073709551616", "seed = 18446744073709551616: input should be less than 18446744073709551616"),
        ("data.train=[]", "data.train = []: tuple should have at least 1 item"),
        ("optim.epochs=1e308", "optim.epochs = 1e+308: input should be less than or equal to 1000000"),
        ("negatives.soft=100000000000", "negatives.soft = 100000000000: input should be less than or equal to 1000"),
        ("curriculum.window=9999999", "curriculum.window = 9999999: input should be less than or equal to 1000000"),
        ("seed.x=1", "seed = {'x': 1}: input should be a valid integer"),
        ("optim=3", "optim = 3: input should be an object"),
        ("optim.rate=true", "optim.rate = True: input should be a valid number"),
        ("optim.rate=nan", "optim.rate = nan: input should be less than or equal to 1"),
        ("optim.rate=2", "optim.rate = 2: input should be less than or equal to 1"),
        ("optim.eps=inf", "optim.eps = inf: input should be a finite number"),
        ("optim.batch=0", "optim.batch = 0: input should be greater than or equal to 1"),
        ("evaluation.every=0", "evaluation.every = 0: input should be greater than or equal to 1"),
        ("data.held_out=1.0", "data.held_out = 1.0: input should be less than 1"),
        ("curriculum.soft=1.1", "curriculum.soft = 1.1: input should be less than or equal to 1"),
        ("encoder.flatten=1", "encoder.flatten = 1: input should be a valid boolean"),
        ("encoder.pooling=max", "encoder.pooling = 'max': input should be 'mean', 'cls' or 'pooler'"),
        ("negatives.rules=[1]", "negatives.rules.0 = 1: input should be a valid string"),
        (
            "encoder.dimension=100000000000",
            "encoder.dimension = 100000000000: input should be less than or equal to 65536",
        ),
        (f"encoder.vocabulary=1{'0' * 20}", f"encoder.vocabulary = 1{'0' * 20}: input should be less than or equal to"),
        (f"data.limit=1{'0' * 20}", f"data.limit = 1{'0' * 20}: input should be less than"),
        (f"seed={'[' * 5000}", "--set seed: nested too deep"),
        (f"seed={'[' * 250}{']' * 250}", "--set seed: nested too deep"),
        (f"{'a.' * 5000}a=1", "settings are nested too deep"),
        (f"seed={'1' * 5000}", "--set seed: Exceeds the limit"),
        (f"seed=0x{'f' * 5000}", "--set seed: Exceeds the limit"),
        ("data.train=in/\udcff.jsonl", r"--set 'data.train=in/\udcff.jsonl': is not UTF-8"),
        ("optim.rate=2020-01-01", "optim.rate = '2020-01-01': input should be a valid number"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(settings=[setting])
    assert str(caught.value).startswith(message)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match=r"seed = 'a': .*; no setting named 'optim\.x'"):
        load(settings=["seed=a", "optim.x=1"])


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("optim.rate=1", "rate", 1.0),
        ("optim.rate = 2e-5", "rate", 2e-5),
        ("optim.steps=12", "steps", 12),
        ("optim.by_length=true", "by_length", True),
        ("optim.schedule=linear", "schedule", "linear"),
        ("optim.schedule='linear'", "schedule", "linear"),
    ],
)
def test_a_setting_is_read_as_toml_or_as_text(setting: str, name: str, value: object) -> None:
    assert getattr(load(settings=[setting]).optim, name) == value


def test_one_value_is_a_list_of_one() -> None:
    assert load(settings=["data.train=a/b=c.jsonl"]).data.train == ("a/b=c.jsonl",)
    assert load(settings=["data.train=['a', 'b']"]).data.train == ("a", "b")
    assert load(settings=["negatives.groups=[]"]).negatives.groups == ()


def test_later_settings_win(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("seed = 3\n[optim]\nrate = 0.5\nbatch = 2\n", "utf-8")
    found = load("best", [file], ["optim.batch=7", "optim.batch=9"])
    assert (found.seed, found.optim.rate, found.optim.batch) == (3, 0.5, 9)
    assert found.objective.kind == "contrast"  # the preset's


@pytest.mark.parametrize("preset", sorted(presets()))
def test_every_preset_loads_and_comes_back(preset: str) -> None:
    found = load(preset)
    assert of(json.loads(json.dumps(plain(found)))) == found


def test_the_docs_say_how_short_a_run_of_best_is() -> None:
    best = load("best")
    page = Path(__file__).parents[2] / "docs" / "synctrain.md"
    assert f"is short ({steps_of(best, best.data.limit, 1)} steps or so)" in page.read_text("utf-8")


def test_the_presets_are_those_of_the_specification() -> None:
    names = "best coderetriever disco dns hard random scratch soft sync sync-fixed"
    assert list(presets()) == names.split()
    soft, sync = load("soft"), load("sync")
    assert (soft.curriculum.kind, soft.curriculum.soft, soft.negatives.groups) == ("fixed", 1.0, ())
    assert (sync.curriculum.kind, sync.curriculum.epsilon, sync.curriculum.bias) == ("mastering", 0.8, (0.8, 0.2))
    assert (sync.objective.kind, sync.objective.margin, sync.negatives.groups) == ("triplet", 1.0, ("sync",))


def test_a_file_names_the_preset_that_it_changes_and_a_later_file_wins(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text('preset = "dns"\n[optim]\nrate = 0.5\nbatch = 2\n', "utf-8")
    other.write_text("[optim]\nrate = 0.25\n", "utf-8")
    found = load(files=[one, other])
    assert (found.objective.kind, found.optim.rate, found.optim.batch) == ("hardest", 0.25, 2)
    assert load("sync", [one]).objective.kind == "triplet"
    one.write_text('preset = "dnss"\n', "utf-8")
    with pytest.raises(ConfigError, match="no preset named 'dnss'; did you mean 'dns'"):
        load(files=[one])


@pytest.mark.parametrize("preset", sorted(presets()))
def test_only_syncs_curricula_warm_up(preset: str) -> None:
    """The released code has no warm-up for other curricula (specification 1.4)."""
    found = load(preset)
    warms = found.curriculum.warmup > 0 and bool(found.negatives.groups)
    assert warms == (preset in {"sync", "sync-fixed"})


def test_an_unknown_preset() -> None:
    with pytest.raises(ConfigError, match="no preset named 'besst'; did you mean 'best'"):
        load("besst")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    with pytest.raises(ConfigError, match=r"x\.toml: .*No such file"):
        load(files=[file])
    file.write_text("[optim\n", "utf-8")
    with pytest.raises(ConfigError, match=r"x\.toml: .*line 1"):
        load(files=[file])
    file.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match=r"x\.toml: .*utf-8"):
        load(files=[file])
    file.write_text("[optim]\nrat = 1\n", "utf-8")
    with pytest.raises(ConfigError, match=r"did you mean 'optim\.rate'"):
        load(files=[file])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('preset = ["sync"]', r"preset = \['sync'\]: it must be the name of one"),
        ("[preset]\nsync = 1", r"preset = \{'sync': 1\}: it must be the name of one"),
        ("preset = 3", "preset = 3: it must be the name of one"),
        ("optim = 3", r"optim = 3: input should be a table, \[optim\]"),
        ("[[optim]]\nrate = 0.1", r"optim = \[\{'rate': 0\.1\}\]: input should be a table, \[optim\]"),
        ("seed = " + 5000 * "[", "nested too deep"),
        ("seed = " + 250 * "[" + 250 * "]", "nested too deep"),
        ("seed = " + 5000 * "1", "Exceeds the limit"),
    ],
)
def test_a_file_with_what_no_setting_is(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(content + "\n", "utf-8")
    with pytest.raises(ConfigError, match=rf"x\.toml: {message}") as caught:
        load(files=[file], settings=["optim.rate=0.5"])
    assert len(str(caught.value)) < 500


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("\ufeffseed = 3\n", "utf-8")
    assert load(files=[file]).seed == 3


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load().seed = 3  # type: ignore[misc]
