"""System errors: one line, a documented exit code, no traceback, and a private file with what is unexpected."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import tfce
from tests.unit.test_host import CFG, command
from tests.unit.test_trust import as_root
from tfce.cli import terminal
from tfce.model import redact
from tfce.store import crash

PACKAGE = str(Path(tfce.__file__).parents[1])
NAME = "ce.example.org/long"


@pytest.fixture
def site() -> Iterator[Path]:
    """A folder that other users can enter, with a configuration."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "site.cfg").write_text(CFG % (folder / "there" / "root"))
        yield folder


def shell(site: Path, line: str) -> subprocess.CompletedProcess[str]:
    """``$TFCE`` is the command; the shell gives or takes its descriptors."""
    there = {"PYTHONPATH": PACKAGE, "PATH": "/usr/bin:/bin", "TMPDIR": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    there |= {"TFCE": f"{sys.executable} -P -m tfce.cli", "TFCE_CONFIG": str(site / "site.cfg"), "HOME": "/root"}
    return subprocess.run(["/bin/sh", "-c", line], env=there, capture_output=True, text=True, timeout=60, cwd="/")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("$TFCE queues >/dev/full", "standard output cannot be written (No space left on device)"),
        (f"$TFCE path {NAME} >/dev/full", "standard output cannot be written"),
        ("$TFCE --help >/dev/full", "standard output cannot be written"),
        ("$TFCE queues >&-", "standard output cannot be written (it is closed)"),
    ],
)
def test_output_that_cannot_be_written(site: Path, line: str, said: str) -> None:
    done = shell(site, line)
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("how", ["2>/dev/full", "2>&-", "0<&- 1>&- 2>&-"])
def test_errors_that_cannot_be_written_leave_the_exit_code(site: Path, how: str) -> None:
    assert shell(site, f"$TFCE path x/y {how}").returncode == 2


@as_root
def test_no_home_and_no_name(site: Path, stranger: Sequence[str]) -> None:
    assert command(site, "path", *stranger).stdout.startswith(str(site / "there"))
    (site / "site.cfg").write_text(re.sub("Workspace_Root.*", "", (site / "site.cfg").read_text()))
    for verb in ("path", "status", "doctor"):
        done = command(site, verb, *stranger)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "has no home" in done.stderr


@pytest.mark.parametrize("inside", ["queues/ce.example.org/long/lock", "installation", "installation.lock"])
def test_a_folder_in_the_place_of_a_file_is_put_aside(site: Path, inside: str) -> None:
    place = site / "there" / "root" / inside
    place.mkdir(parents=True)
    done = shell(site, f"$TFCE render {NAME}")
    assert done.returncode == 0 and not done.stderr and not place.is_dir()
    assert len(list(place.parent.glob(f"{place.name}.damaged-*"))) == 1


def test_a_folder_in_the_place_of_the_configuration(site: Path) -> None:
    done = shell(site, f"TFCE_CONFIG={site} $TFCE queues")
    assert done.returncode == 2 and "Is a directory" in done.stderr and done.stderr.count("\n") == 1


@as_root
def test_a_full_disk(site: Path) -> None:
    root = site / "there" / "root"
    root.mkdir(0o700, parents=True)
    mounted = f"mount -t tmpfs -o size=4k,mode=700 tfce-test {root} && head -c 9000 /dev/zero >{root}/x; "
    done = shell(site, f"unshare -m /bin/sh -c '{mounted} $TFCE render {NAME}'")
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mount is to be had here: {done.stderr.strip()}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("tfce:")]
    assert done.returncode == 2 and len(lines) == 1 and "No space left on device" in lines[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(28, "No space left on device"), KeyError("x"), RecursionError()]
)
def test_what_nobody_foresaw_is_one_line_and_a_private_file(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    redact.learn("hush-hush")

    def fails() -> int:
        local = f"password=hush-hush {error}"
        raise type(error)(local) if error.args == ("x",) else type(error)(*error.args)

    assert [terminal.run(fails) for _ in range(3)] == [5, 5, 5]
    out, err = capsys.readouterr()
    assert (
        not out and len(set(err.splitlines())) == 1 and err.startswith(f"tfce: unexpected: {type(error).__name__}")
    )
    (file,) = tmp_path.iterdir()  # one, however often
    assert str(file) in err and file.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in file.read_text() and "fails" in file.read_text() and "hush" not in file.read_text() + err


def test_a_file_that_somebody_laid_there_first_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def line() -> str:
        try:
            raise KeyError
        except KeyError as error:
            return crash.report(error)

    name = Path(line().rpartition(" ")[2])
    layers: list[Callable[[], None]] = [lambda: name.symlink_to("/dev/null"), lambda: os.mkfifo(name), name.touch]
    for lay in layers:
        name.unlink()
        lay()
        other = Path(line().rpartition(" ")[2])
        assert other != name and "Traceback" in other.read_text()


def test_where_nothing_can_be_written_the_line_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert crash.report(ValueError("x")) == "unexpected: ValueError: x; its details could not be written down"


def constants() -> Iterator[str]:
    """Every text that the program can say; what f-strings put in is ``...``."""
    for path in Path(tfce.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "..." for one in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_no_cure_tells_anyone_to_remove_vms() -> None:
    verbs = r"\b(remove|delete|terminate|destroy|kill|shut down|tfce kill)\b"
    said = [
        text
        for text in constants()
        if re.search(rf"; [^;.]*{verbs}[^;.]*\b(VMs?|pilots?|instances?|servers?|them)\b", text)
    ]
    assert [text for text in said if "\n" not in text] == []
    assert not any("with `tfce kill`" in text for text in constants())
