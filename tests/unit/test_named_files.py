"""Files and folders that somebody named, for a report, a trace or metrics: nothing there is put aside or lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tfce.model.errors import ConfigError
from tfce.pilots import exposition
from tfce.store import named, traces


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "others.prom").write_text("theirs")


def _device(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root makes a device")
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.with_name("meant").mkdir()
    path.symlink_to("meant")


def _link_of_another(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives a link away")
    path.with_name("meant").write_text("roots")
    path.symlink_to("meant")
    os.lchown(path, 12345, 12345)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _no_folder(path: Path) -> None:
    path.parent.rmdir()


WORDS = ("is no file", "there is no folder", "leads nowhere", "a link of another user's")
TAKEN = (_folder, _device, _fifo, _link, _link_of_another, _loop, _no_folder)


def _trace(path: Path) -> None:
    with traces.to_file(path):
        raise AssertionError("nothing is begun before the place is looked at")


def _report(path: Path) -> None:
    named.write("--output", path, "page", 0o644)


def _metrics(path: Path) -> None:
    exposition.publish(path, path.parent)


def _as_it_was(path: Path) -> list[tuple[str, int, str]]:
    seen = [path.parent, *path.parent.rglob("*")] if path.parent.exists() else []
    return [
        (str(one), one.lstat().st_mode, str(one.readlink()) if one.is_symlink() else "") for one in sorted(seen)
    ]


@pytest.mark.parametrize("taken", TAKEN, ids=lambda one: one.__name__[1:])
@pytest.mark.parametrize("writes", [_trace, _report, _metrics], ids=lambda one: one.__name__[1:])
def test_what_stands_where_a_file_is_named_stays(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    taken: Callable[[Path], None],
    writes: Callable[[Path], None],
) -> None:
    path = tmp_path / "named" / "f"
    path.parent.mkdir()
    taken(path)
    before, said = _as_it_was(path), ""
    try:
        with caplog.at_level(logging.WARNING):
            writes(path)
    except ConfigError as error:
        said = error.message
    said += caplog.text
    assert str(path) in said and any(word in said for word in WORDS), said
    assert _as_it_was(path) == before


@pytest.mark.parametrize("name", ["", ".", "..", "/", "/dev/null", "a\0b"])
def test_a_name_that_is_no_files_is_refused_before_anything_is_done(name: str) -> None:
    with pytest.raises(ConfigError, match="--trace"):
        _trace(Path(name))


def test_a_file_is_written_through_its_link_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "meant").write_text("old")
    (tmp_path / "link").symlink_to("meant")
    named.write("--output", tmp_path / "link", "new", 0o600)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "meant").read_text() == "new"


def test_a_folder_for_traces_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in (tmp_path, tmp_path / "new"):
        with traces.to_folder(folder, "queue", "submit"):
            pass
        (made,) = folder.glob("queue.submit.*.json")
        assert made.stat().st_mode & 0o777 == 0o600
    assert [folder.stat().st_mode & 0o777 for folder in (tmp_path, tmp_path / "new")] == [0o755, 0o700]
