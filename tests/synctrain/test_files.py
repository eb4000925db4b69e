"""Files written whole or not at all, and as readable as any other file of the user."""

import os
import stat
from pathlib import Path

import pytest

from synctrain.files import write


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_has_the_permissions_that_the_user_gives_new_files(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "inner" / "x.json", b"{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "inner" / "x.json").stat().st_mode) == 0o666 & ~mask


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ("a" * 250)  # nearly as long as a name may be
    write(file, b"old")
    with monkeypatch.context() as inner:
        inner.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left") as error:
            write(file, b"new")
        assert error.value.filename == str(file)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(file.name, b"old")]
    write(file, b"new")
    assert file.read_bytes() == b"new"
