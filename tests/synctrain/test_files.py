"""Files written whole or not at all, and as readable as any other file of the user."""

import errno
import os
import stat
from pathlib import Path

import pytest

from synctrain.files import check_file, check_folder, write


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


def test_what_can_be_written_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, tmp_path / "new", tmp_path / "new" / "inner", Path("new"), Path()):
        check_folder(path)
        check_file(path / "x.json")
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "x.json", b"{}")
    check_file(tmp_path / "x.json")  # would be replaced
    assert (tmp_path / "x.json").read_bytes() == b"{}"


def test_what_cannot_be_written_is_named_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "deep" / "er"):
        with pytest.raises(OSError, match=rf"^{folder}: cannot be written: Not a directory$"):
            check_folder(folder)
    with pytest.raises(OSError, match=rf"^{tmp_path / 'file' / 'x.json'}: cannot be written: "):
        check_file(tmp_path / "file" / "x.json")
    with pytest.raises(OSError, match=rf"^{tmp_path}: cannot be written: a folder$"):
        check_file(tmp_path)
    with pytest.raises(OSError, match=r"/a{999}: cannot be written: File name too long$"):
        check_folder(tmp_path / ("a" * 999))
    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    with pytest.raises(OSError, match=rf"^{tmp_path / 'new'}: cannot be written: Read-only file system$"):
        check_folder(tmp_path / "new")


def read_only(**_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions of POSIX, which root has all")
def test_a_folder_of_others_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o555)
    with pytest.raises(OSError, match=r"theirs/mine: cannot be written: Permission denied$"):
        check_folder(tmp_path / "theirs" / "mine")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"pipe: cannot be written: no regular file$"):
        check_file(tmp_path / "pipe")
