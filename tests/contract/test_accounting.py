"""``tfce account``: every VM once, in UTC, "unknown" where nobody knows; APEL's records by its own field list."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.claims import some, subset
from tests.contract.edges import MINIMAL, WRAPPER, FakeEdge
from tfce.cli.main import main
from tfce.model import apel
from tfce.model.usage_records import UsageRecord, ended
from tfce.model.vm_spec import VMSpec

HOUR = 3600
SHAPE = {
    "Instance_Flavor": "small, large",
    "Workspace_Price": "small=0.10, large=0.25, EUR",
    "Context_MaxLifetime": "36000",
    "Workspace_ProtectAfter": "0",
}
Account = Callable[..., str]


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    """Two small and one large VM of which one small fizzled on the first day; a second queue with one."""
    edge = FakeEdge(tmp_path, 100)
    edge.sky.clock.now = datetime(2026, 1, 1, 22, tzinfo=UTC)
    edge.sky.offers = {("small", "", ""): 2, ("large", "", ""): 9}
    parts = edge.parts(**SHAPE)
    first = parts.fleet.submit(WRAPPER, 3).references[0].removeprefix("cloud://")
    edge.parts("short", **{**SHAPE, "Instance_Flavor": "large"}).fleet.submit(WRAPPER, 1)
    edge.advance(300)
    edge.stop(first)
    edge.parts(**SHAPE).fleet.reap()
    edge.advance(4 * HOUR - 300)
    for node in edge.sky.living()[:1]:
        edge.stop(node.id)
    edge.parts(**SHAPE).fleet.reap()
    return edge


@pytest.fixture
def account(edge: FakeEdge, capsys: pytest.CaptureFixture[str]) -> Account:
    def run(*words: str, code: int = 0, **more: str) -> str:
        queues = {}
        for name, flavor in (("long", "small, large"), ("short", "large")):
            options = {**MINIMAL, **SHAPE, "Instance_Flavor": flavor, **more}
            options.pop("--warnings", None)
            options |= {"Workspace_Root": f"{edge.folder}/root", "Workspace_Installation": "tests"}
            queues[name] = "".join(f"{key} = {value}\n" for key, value in options.items())
        text = "".join(f"{name} {{\n{body}}}\n" for name, body in queues.items())
        cfg = edge.folder / "site.cfg"
        cfg.write_text(f"cloud.example.org {{\nCEType = Terraform\nQueues {{\n{text}}}\n}}\n")
        cfg.chmod(0o600)
        assert main(["account", "--config", str(cfg), *words]) == code
        shown = capsys.readouterr()
        return shown.err if code or "--warnings" in more else shown.out

    return run


JANUARY = ("--from", "2026-01-01", "--to", "2026-01-02T02:00:00Z")


def test_all_queues_by_default(account: Account) -> None:
    rows = json.loads(account(*JANUARY, "--format", "json", "--by", "queue"))["rows"]
    assert rows == [
        {
            "queue": "cloud.example.org/long",
            "pilots": 3,
            "vm_hours": round(8 + 300 / HOUR, 4),
            "core_hours": None,
            "money": round(0.4 + 1.0 + 0.1 * 300 / HOUR, 6),
            "currency": "EUR",
            "fizzles": 1,
        },
        {
            "queue": "cloud.example.org/short",
            "pilots": 1,
            "vm_hours": 4.0,
            "core_hours": None,
            "money": 1.0,
            "currency": "EUR",
            "fizzles": 0,
        },
    ]


def test_by_day_in_utc_and_the_days_make_the_whole(account: Account) -> None:
    words = (*JANUARY, "--format", "csv", "--by", "day", "cloud.example.org/long")
    rows = list(csv.DictReader(io.StringIO(account(*words, NumberOfProcessors="4"))))
    assert [row["day"] for row in rows] == ["2026-01-01", "2026-01-02"]
    assert [float(row["vm_hours"]) for row in rows] == [round(4 + 300 / HOUR, 4), 4.0]
    assert [float(row["core_hours"]) for row in rows] == [round(16 + 1200 / HOUR, 4), 16.0]
    assert [(row["pilots"], row["fizzles"]) for row in rows] == [("3", "1"), ("2", "0")]


def test_for_people(account: Account) -> None:
    shown = account(*JANUARY, "--by", "flavor", "cloud.example.org/long").splitlines()
    assert shown[0].split() == ["FLAVOR", "PILOTS", "VM", "HOURS", "CORE", "HOURS", "MONEY", "FIZZLES"]
    assert shown[1].split() == ["large", "1", "4.00", "unknown", "1.00", "EUR", "0"]
    assert shown[2].split()[:3] == ["small", "2", "4.08"]
    assert shown[3] == "2026-01-01T00:00:00Z to 2026-01-02T02:00:00Z, UTC"
    assert "no pilot ran" in account("--from", "2025-01-01", "--to", "2025-02-01")
    assert account(*JANUARY, "--by", "image").splitlines()[1].startswith("ami-1")


def test_wrong_times_and_names_are_told_with_their_cure(account: Account) -> None:
    assert "swap them" in account("--from", "2026-02-01", "--to", "2026-01-01", code=2)
    assert "as in the GOCDB" in account(*JANUARY, "--format", "apel", code=2)
    with pytest.raises(SystemExit):
        account("--from", "yesterday")


def test_hours_that_only_the_record_knows_are_told(account: Account, edge: FakeEdge) -> None:
    edge.advance(24 * HOUR)
    (edge.parts(**SHAPE).workspace.private / "journal.jsonl").unlink()
    words = ("--from", "2026-01-01", "--to", "2026-01-03", "cloud.example.org/long", "--format", "json")
    assert json.loads(account(*words))["rows"][0]["pilots"] == 1  # the one that runs
    assert "long: 4.1 VM hours more were counted" in account(*words, **{"--warnings": ""})


# -- APEL ------------------------------------------------------------------------------------------------------

# The cloud usage record 0.4: type, and whether it must be there.
FIELDS = {
    "VMUUID": (str, True),
    "SiteName": (str, True),
    "CloudComputeService": (str, False),
    "MachineName": (str, True),
    "LocalUserId": (str, False),
    "LocalGroupId": (str, False),
    "GlobalUserName": (str, False),
    "FQAN": (str, False),
    "Status": (str, False),
    "StartTime": (int, False),
    "EndTime": (int, False),
    "SuspendDuration": (int, False),
    "WallDuration": (int, False),
    "CpuDuration": (int, False),
    "CpuCount": (int, False),
    "NetworkType": (str, False),
    "NetworkInbound": (int, False),
    "NetworkOutbound": (int, False),
    "PublicIPCount": (int, False),
    "Memory": (int, False),
    "Disk": (int, False),
    "BenchmarkType": (str, False),
    "Benchmark": (float, False),
    "StorageRecordId": (str, False),
    "ImageId": (str, False),
    "CloudType": (str, False),
}


def validated(text: str) -> list[dict[str, str]]:
    """The records of a message; fails where one is none of version 0.4."""
    head, _, body = text.partition("\n")
    assert head == "APEL-cloud-message: v0.4"
    records = []
    for part in body.strip().removesuffix("%%").split("\n%%\n"):
        pairs = [line.split(": ", 1) for line in part.strip().splitlines()]
        record = dict(pairs)
        assert len(record) == len(pairs) and not set(record) - set(FIELDS)
        assert subset({name for name, (_, needed) in FIELDS.items() if needed}, record.keys())
        for name, value in record.items():
            kind = FIELDS[name][0]
            assert value and (kind is not str or len(value) <= 255)
            assert kind is str or kind(value) >= 0
        assert record["Status"] in ("completed", "started", "suspended")
        assert (record["Status"] == "completed") == ("EndTime" in record) and "StartTime" in record
        if "EndTime" in record:
            assert int(record["EndTime"]) - int(record["StartTime"]) == int(record["WallDuration"])
        records.append(record)
    return records


def test_apels_records(account: Account, edge: FakeEdge) -> None:
    text = account(*JANUARY, "--format", "apel", "--site", "LZ-TEST", NumberOfProcessors="2")
    records = validated(text)
    assert len(records) == 4 and len({record["VMUUID"] for record in records}) == 4
    (fizzled,) = (one for one in records if one["WallDuration"] == "300")
    assert fizzled["SiteName"] == "LZ-TEST" and fizzled["CloudComputeService"] == "cloud.example.org"
    assert fizzled["MachineName"].startswith("tfce-") and fizzled["ImageId"] == "ami-1"
    assert fizzled["StartTime"] == str(int(datetime(2026, 1, 1, 22, tzinfo=UTC).timestamp()))
    assert (fizzled["CpuCount"], fizzled["CpuDuration"]) == ("2", "600")
    assert "(EC2)" in fizzled["CloudType"]
    assert sum(record["Status"] == "started" for record in records) == 2


def test_cores_that_nobody_knows_are_left_out(account: Account) -> None:
    for record in some(validated(account(*JANUARY, "--format", "apel", "--site", "LZ-TEST"))):
        assert "CpuCount" not in record and "CpuDuration" not in record


def test_no_text_breaks_a_record() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    used = UsageRecord("i-1\n%%", "ABCD0123", now, now, VMSpec("ami\nVMUUID: x"))
    where = apel.ApelSite("S\nFQAN: /x", "ce" * 300, "EC2", "p")
    (record,) = validated(apel.message([apel.record(used, where, None, now)]))
    assert record["ImageId"] == "ami VMUUID: x" and len(record["CloudComputeService"]) == 255


# -- the journal -----------------------------------------------------------------------------------------------


def test_lines_of_older_versions_are_read_and_noise_is_not() -> None:
    lines: list[dict[str, Any]] = [
        {"event": "submit", "time": "2026-01-01T00:00:00Z", "keys": ["A"], "made": {"flavor": "m5"}},
        {
            "event": "removed",
            "time": "2026-01-01T02:00:00Z",
            "vms": [{"key": "A", "reference": "cloud://i-1", "reason": "stopped", "lived_s": 3600}, 5, {}],
        },
        {"event": "removed", "time": "never", "vms": [{"key": "B", "reference": "cloud://i-2", "lived_s": "x"}]},
        {"event": "removed", "vms": "none"},
        {"event": "submit", "keys": 5, "made": {"flavor": 7}},
    ]
    (used,) = ended(lines).values()
    assert (used.id, used.spec.flavor, used.reason) == ("i-1", "m5", "stopped")
    assert (used.start.hour, used.end.hour if used.end else None) == (1, 2)
