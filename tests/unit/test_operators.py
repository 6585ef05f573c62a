"""The commands that tell a queue what to do from now on, without a cloud."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.claims import every
from tests.unit.test_cli import NAME, cfg
from tfce.cli.main import main
from tfce.config.cfg import load_queue
from tfce.model.pilot import moment
from tfce.store.workspace import Workspace

__all__ = ["cfg"]


def test_a_drain_is_written_down_told_and_undone(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace(load_queue(cfg, NAME))
    until = "2030-01-31T12:00:00Z"
    assert main(["drain", NAME, "--image", "ami-7", "--older-than", "2d", "--deadline", until]) == 0
    said = capsys.readouterr().out
    assert "drained of image ami-7 since 20" in said and f"removed after {until}" in said and "--undo" in said
    drain = workspace.load().drain
    assert drain is not None and (drain.image, drain.older_than, drain.deadline) == (
        "ami-7",
        172800,
        moment(until),
    )
    assert main(["drain", NAME, "--undo"]) == 0
    assert workspace.load().drain is None
    assert main(["drain", NAME, "--undo"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{NAME}: starts pilots again", f"{NAME}: was not drained"]
    events = [line for line in workspace.journal.entries() if line["event"] == "drain"]
    assert [line.get("image", line.get("undone")) for line in events] == ["ami-7", True]


def test_a_drain_is_json_too(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", NAME, "--deadline", "1h", "--json"]) == 0
    drain = json.loads(capsys.readouterr().out)["drain"]
    assert 3595 <= (moment(drain["deadline"]) - moment(drain["since"])).total_seconds() <= 3600


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        (["--older-than", "2d"], "add --deadline"),
        (["--undo", "--image", "ami-1"], "give it alone"),
        (["--deadline", "soon"], "12h, 2d from now"),
        (["--older-than", "x"], "must be a time such as"),
    ],
)
def test_what_means_nothing_is_refused(
    cfg: Path, capsys: pytest.CaptureFixture[str], more: list[str], cure: str
) -> None:
    try:
        code = main(["drain", NAME, *more])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2 and cure in capsys.readouterr().err
    assert not Workspace(load_queue(cfg, NAME)).exists


def test_why_is_one_line_first(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", NAME]) == 0
    capsys.readouterr()
    assert main(["why", NAME]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{NAME}: drained since ") and lines[0].endswith("--undo` starts pilots again")
    assert lines[1].startswith("also: listing VMs: the cloud does not answer: ")
    assert main(["why", NAME, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cause"]["subject"] == "held" and [one["subject"] for one in found["also"]] == ["cloud"]


# -- all queues --------------------------------------------------------------------------------------------


def queues(cfg: Path, **options: str) -> None:
    """The site's queues, each with an option of its own."""
    text = cfg.read_text()
    made = "".join(f"      {name}\n      {{\n        {option}\n      }}\n" for name, option in options.items())
    cfg.write_text(text.replace("      long\n      {\n      }\n", made))


def test_broken_queues_are_lines_and_not_the_end(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queues(cfg, long="", torn="", odd="MaxTotalJobs = many", other="CEType = Cloud")
    folder = Workspace(load_queue(cfg, "cloud.example.org/torn")).private
    folder.mkdir(parents=True, mode=0o700)
    (folder / "record.json").write_text("{")
    assert main(["status", "--json"]) == 1
    shown = {one["queue"]: one for one in json.loads(capsys.readouterr().out)["queues"]}
    assert set(shown) == {f"cloud.example.org/{name}" for name in ("long", "torn", "odd")}
    words = {name.partition("/")[2]: one["troubles"][0]["text"] for name, one in shown.items()}
    assert "MaxTotalJobs = many" in words["odd"] and "is not a record" in words["torn"]
    assert "does not answer" in words["long"] and every(one["need"] == "needs you" for one in shown.values())


def test_all_queues_are_a_table_for_people(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queues(cfg, long="", odd="MaxTotalJobs = many")
    assert main(["status"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["QUEUE", "PILOTS", "OF"] and "2 queues, 2 need you" in lines[-1]
    assert [line.split()[2] for line in lines[1:-1]] == ["cloud.example.org/long", "cloud.example.org/odd"]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["account"], "no pilot ran"),
        (["history"], "drain"),
        (["history", "--json"], '"queue": "cloud.example.org/short"'),
        (["audit", "--all", "--json"], '"error"'),
        (["audit", "--all", "--drift", "--json"], '"not judged"'),
        (["doctor", "--json"], "MaxTotalJobs = many"),
        (["metrics"], "tfce_drained"),
        (["publish"], "Scale: 0 pilots in 2 queues"),
    ],
)
def test_another_ce_and_a_broken_queue_keep_nobody_from_the_others(
    cfg: Path, capsys: pytest.CaptureFixture[str], command: list[str], shown: str, tmp_path: Path
) -> None:
    """As in a dump of DIRAC's configuration: other CEs, and a queue with a fault."""
    queues(cfg, long="", short="", odd="MaxTotalJobs = many", other="CEType = Cloud")
    cfg.write_text(
        cfg.read_text() + "cream.example.org\n{\n  CEType = CREAM\n  Queues\n  {\n    l\n    {\n    }\n  }\n}\n"
    )
    for name in ("long", "short"):
        assert main(["drain", f"cloud.example.org/{name}"]) == 0
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    capsys.readouterr()
    clone = ["--clone", str(tmp_path), "--branch", "scale"] if command == ["publish"] else []
    code = main([*command, *clone])
    said = capsys.readouterr()
    assert shown in said.out + said.err and "cream" not in said.out + said.err
    assert "CEType" not in said.out + said.err and code in (0, 1, 2, 3)
    if "--json" in command:
        json.loads(said.out)
    if command[0] in ("account", "history", "publish"):
        assert code == 1 and "cloud.example.org/odd is left out: MaxTotalJobs = many" in said.err


def test_a_history_of_several_queues_says_whose_line_it_is(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queues(cfg, long="", short="")
    for name in ("short", "long"):
        assert main(["drain", f"cloud.example.org/{name}"]) == 0
    capsys.readouterr()
    assert main(["history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["QUEUE", "TIME"]
    assert {line.split()[0] for line in lines[1:]} == {"cloud.example.org/short", "cloud.example.org/long"}


def test_a_configuration_that_cannot_be_read_is_two(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg.write_text("CEs {")
    assert main(["status"]) == 2 and "is no DIRAC CFG" in capsys.readouterr().err


# -- the report --------------------------------------------------------------------------------------------


def test_a_report_is_one_file_of_all_queues_or_of_one(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queues(cfg, long="", odd="MaxTotalJobs = many")
    path = cfg.parent / "week.html"
    assert main(["report", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 2 queues, 2 need you\n"
    text = path.read_text()
    assert (
        "MaxTotalJobs = many" in text and "cloud.example.org/long" in text and path.stat().st_mode & 0o777 == 0o644
    )
    assert "hush" not in text and [one.name for one in cfg.parent.glob("*week*")] == ["week.html"]
    assert main(["report", "cloud.example.org/odd", "--days", "30", "-o", str(path)]) == 0
    text = path.read_text()
    assert "30 days up to" in text and "cloud.example.org/long" not in text


def test_a_report_goes_into_a_file_only(cfg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, words in ((cfg.parent, "is no file"), (cfg.parent / "none" / "a.html", "there is no folder")):
        assert main(["report", "-o", str(place)]) == 2
        assert words in capsys.readouterr().err
    assert cfg.parent.is_dir() and cfg.exists()
    link = cfg.parent / "latest.html"
    link.symlink_to(cfg.parent / "real.html")
    assert main(["report", NAME, "-o", str(link)]) == 0
    assert link.is_symlink() and (cfg.parent / "real.html").is_file()


def test_a_report_of_a_queue_that_is_not_there_or_of_no_days_is_refused(
    cfg: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cfg.parent / "a.html"
    assert main(["report", "cloud.example.org/none", "-o", str(path)]) == 2
    for days in ("0", "x", "-1", "367"):
        with pytest.raises(SystemExit) as ended:
            main(["report", f"--days={days}", "-o", str(path)])
        assert ended.value.code == 2 and "from 1 to 366" in capsys.readouterr().err
    assert not path.exists()
