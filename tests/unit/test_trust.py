"""What belongs to others, or can be written by others, is neither read, run nor followed; and it is said."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.conftest import STRANGER
from tfce.config import trust
from tfce.config.trust import DistrustError
from tfce.config.walk import opened, walked
from tfce.model.errors import ConfigError, WorkspaceError
from tfce.store import files

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file and a folder of ours."""
    (tmp_path / "below").mkdir(0o755)
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o644)
    return tmp_path


def test_what_is_ours_is_read(place: Path) -> None:
    assert trust.read(place / "file") == "text"
    assert trust.checked(place / "below" / ".." / "file") and trust.checked(Path("/"))
    (place / "link").symlink_to("below/../file")
    (place / "far").symlink_to(place / "link")
    assert trust.read(place / "far") == "text"


def test_a_file_in_the_folder_for_everybody_will_do_if_it_is_ours() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
        file.flush()
        assert trust.read(Path(file.name)) == "x"


@pytest.mark.parametrize(("mode", "cure"), [(0o666, "chmod o-w"), (0o646, "chmod o-w")])
def test_a_file_that_everybody_can_write(place: Path, mode: int, cure: str) -> None:
    (place / "file").chmod(mode)
    with pytest.raises(DistrustError, match="can be written by everybody") as caught:
        trust.read(place / "file")
    assert caught.value.path == place / "file" and f"{cure} {place / 'file'}" in caught.value.message


def test_no_right_of_a_device_is_to_be_changed(place: Path) -> None:
    (place / "device").symlink_to("/dev/zero")
    with pytest.raises(DistrustError, match="is a device") as caught:
        trust.read(place / "device")
    assert "chmod" not in caught.value.message


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_folder_that_everybody_can_write(place: Path, mode: int) -> None:
    (place / "below").chmod(mode)
    with pytest.raises(DistrustError, match="can be written by everybody"):
        trust.checked_folder(place / "below")  # what is listed in it may be anybody's
    (place / "below" / "file").write_text("text")
    if mode == 0o777:
        with pytest.raises(DistrustError, match=f"{place}/below can be written"):
            trust.read(place / "below" / "file")
    else:
        assert trust.read(place / "below" / "file") == "text"


@as_root
def test_what_belongs_to_another_names_path_owner_and_cure(place: Path) -> None:
    for path in (place / "file", place / "below"):
        os.chown(path, STRANGER, STRANGER)
        with pytest.raises(DistrustError) as caught:
            trust.checked(path)
        assert f"{path} belongs to #{STRANGER}, not to root" in caught.value.message
        assert "run tfce as its owner" in caught.value.message
    with pytest.raises(DistrustError, match="below belongs"):
        trust.checked_folder(place / "below" / "not" / "yet")


@as_root
def test_a_group_with_other_members_may_not_write(place: Path) -> None:
    os.chown(place / "file", 0, STRANGER)
    (place / "file").chmod(0o664)
    with pytest.raises(DistrustError, match=f"group {STRANGER}; run: chmod g-w"):
        trust.read(place / "file")
    os.chown(place / "file", 0, 0)
    assert trust.read(place / "file") == "text"


@as_root
def test_a_link_is_followed_only_from_trusted_hands_into_trusted_hands(place: Path) -> None:
    (place / "theirs").mkdir()
    (place / "theirs" / "file").write_text("evil")
    os.chown(place / "theirs", STRANGER, STRANGER)
    (place / "out").symlink_to("theirs/file")
    with pytest.raises(DistrustError, match="theirs belongs"):
        trust.read(place / "out")
    (place / "link").symlink_to("file")
    os.chown(place / "link", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(DistrustError, match="link belongs"):
        trust.read(place / "link")


def test_what_never_ends_or_is_no_file_is_refused_at_once(place: Path) -> None:
    os.mkfifo(place / "fifo", 0o600)
    (place / "loop").symlink_to("loop")
    for name in ("fifo", "below", "loop", "missing", "file/below"):
        with pytest.raises(OSError):
            trust.read(place / name)


def test_private_files(place: Path) -> None:
    with pytest.raises(DistrustError, match=r"others can read it \(rights 644\); run: chmod 600"):
        trust.read(place / "file", private=True)
    (place / "file").chmod(0o600)
    assert trust.read(place / "file", private=True) == "text"


@as_root
def test_a_folder_to_write_to_is_ones_own(place: Path) -> None:
    assert trust.own_folder(place / "below") and trust.own_folder(place / "new" / "one")
    with pytest.raises(DistrustError, match="is no folder"):
        trust.own_folder(place / "file")
    os.chown(place / "below", STRANGER, STRANGER)
    with pytest.raises(DistrustError, match="belongs to"):
        trust.own_folder(place / "below")


def test_no_link_is_followed_beneath(place: Path) -> None:
    (place / "below" / "file").write_text("shown")
    (place / "below" / "secret").symlink_to(place / "file")
    (place / "way").symlink_to("below")
    assert trust.read_beneath(place, place / "below" / "file") == "shown"
    assert trust.read_beneath(place, place / "below" / "none" / "file") is None
    for path in (place / "below" / "secret", place / "way" / "file"):
        with pytest.raises(DistrustError, match="is a link"):
            trust.read_beneath(place, path)
        with pytest.raises(DistrustError, match="is a link"):
            trust.unlinked(place, path)


def test_a_search_path_keeps_what_is_absolute_and_trusted(place: Path) -> None:
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    value = os.pathsep.join(["", ".", "bin", str(place / "open"), str(place / "below"), str(place / "none")])
    assert trust.entries(value) == str(place / "below")


def test_an_option_is_named(place: Path) -> None:
    (place / "file").chmod(0o666)
    with pytest.raises(ConfigError) as caught, trust.for_option("CloudAuth", place / "file"):
        trust.read(place / "file")
    fault = caught.value.faults[0]
    assert (fault.option, fault.value) == ("CloudAuth", str(place / "file"))
    assert fault.problem == "can be written by everybody" and "chmod o-w" in fault.cure


def test_no_descriptor_is_left_open(place: Path) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    (place / "loop").symlink_to("loop")
    for name in ("file", "loop", "missing", "below"):
        with suppress(OSError):
            trust.read(place / name)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_swap_between_check_and_use_reads_what_was_judged(place: Path) -> None:
    (place / "below" / "file").write_text("judged")
    with walked(place / "below" / "file") as (folder, name, here):
        (place / "below").rename(place / "away")
        (place / "below").mkdir()
        (place / "below" / "file").write_text("planted")
        with os.fdopen(opened(name, folder)) as stream:
            assert here == place / "below" / "file" and stream.read() == "judged"


def test_a_link_that_is_laid_after_the_check_is_not_opened(place: Path) -> None:
    with walked(place / "file") as (folder, name, _):
        (place / "file").unlink()
        (place / "file").symlink_to("/etc/passwd")
        with pytest.raises(OSError):
            opened(name, folder)


@as_root
@pytest.mark.parametrize(
    "spoil", [lambda path: os.chown(path, STRANGER, STRANGER), lambda path: path.chmod(0o777)]
)
def test_a_folder_of_the_workspace_that_is_not_ours_alone_is_not_written(place: Path, spoil: Any) -> None:
    (place / "below" / "root").mkdir()
    assert files.private_folder(place / "below" / "root")
    spoil(place / "below")
    with pytest.raises(WorkspaceError, match="below"):
        files.private_folder(place / "below" / "root")
    with pytest.raises(WorkspaceError, match="below"):
        files.private_folder(place / "below" / "new")
    assert not (place / "below" / "new").exists()
