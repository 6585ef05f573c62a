"""An allocation of the whole CE holds whichever host starts pilots of whichever queue."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER
from tests.contract.hosts import CE as WHOLE
from tests.contract.hosts import Hosts
from tests.fakes import Crash
from tests.unit.ce_model import ORDER
from tfce.model.errors import BackendError, BusyError
from tfce.model.hold import HoldKind
from tfce.store.shared_document import DamagedError

LIFE = {"Context_MaxLifetime": "14400", "Terraform_CreateTimeout": "3600", "Workspace_ProtectAfter": "0"}
CE = {**LIFE, "Terraform_Backend": "http", "Workspace_MaxHours": "22/month ce"}  # a pilot may take 5


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


def started(hosts: Hosts, host: str, queue: str, count: int, **options: str) -> int:
    return len(hosts.parts(queue, host, **{**CE, **options}).fleet.submit(WRAPPER, count).references)


def test_all_queues_on_all_hosts_together_start_no_more_than_fits(hosts: Hosts) -> None:
    turns = itertools.product("abc", ("long", "short"))
    made = [started(hosts, host, queue, 1) for host, queue in turns]
    assert made == [1, 1, 1, 1, 0, 0] and len(hosts.living()) == 4
    hold = hosts.parts("short", "c", **CE).fleet.held()
    assert hold is not None and hold.kind is HoldKind.SPENT and "of the whole CE" in hold.text
    hosts.advance(3600)
    for node in hosts.living():
        hosts.stop(node)
    for queue in ("long", "short"):
        hosts.parts(queue, "b", **CE).fleet.reap()
    # Each was one hour up: 22 - 4 leave room for three.
    assert [started(hosts, host, "long", 2) for host in "ab"] == [2, 1]


def test_a_queue_without_the_option_and_one_that_is_configured_no_more_count(hosts: Hosts) -> None:
    assert started(hosts, "a", "other", 3, Workspace_MaxHours="") == 3
    assert [started(hosts, host, "long", 3) for host in "cb"] == [1, 0]


@pytest.mark.parametrize("step", ["create", "created"])
def test_what_a_dead_host_began_counts_and_its_turn_is_taken_over(hosts: Hosts, step: str) -> None:
    hosts.sky.at(step, Crash())
    with pytest.raises(Crash):
        started(hosts, "a", "long", 3)
    with pytest.raises(BusyError, match=r"cloud.example.org is busy: \S+ is at work on it \(start pilots"):
        started(hosts, "b", "short", 3)
    hosts.pass_lease("b")
    assert started(hosts, "b", "short", 3) == 1  # 3 of 5 hours each are begun
    with pytest.raises(BusyError, match=r"cloud\.example\.org/long is busy"):
        started(hosts, "b", "long", 9)
    hosts.pass_lease("b")
    again = started(hosts, "b", "long", 9)  # what never came to be is free again
    assert again == {"create": 3, "created": 2}[step] and len(hosts.living()) == 4


def test_a_host_that_slept_through_the_ces_turn_asks_for_nothing(hosts: Hosts) -> None:
    parts = hosts.parts("long", "a", **CE)
    inner = parts.workspace.write_contexts

    def slow(contexts: Mapping[str, bytes]) -> None:
        hosts.pass_lease("a")  # its queue's own lease begins after this
        inner(contexts)

    parts.workspace.write_contexts = slow  # type: ignore[method-assign]
    with pytest.raises(BusyError, match=r"turn on cloud\.example\.org is over"):
        parts.fleet.submit(WRAPPER, 2)
    assert not hosts.living()


def test_without_the_backend_nothing_is_started(hosts: Hosts) -> None:
    assert started(hosts, "a", "long", 1) == 1
    hosts.down = {"a"}
    with pytest.raises(BackendError):
        started(hosts, "a", "short", 1)
    assert len(hosts.living()) == 1


def test_a_queue_whose_use_cannot_be_known_holds_all(hosts: Hosts) -> None:
    assert started(hosts, "a", "long", 1) == 1
    path = hosts.folder / "backend/long/record.json"
    good = path.read_text()
    moved = json.loads(json.loads(good)["text"]) | {"moved": "s3 elsewhere"}
    for text, why in (("{}", "cannot be believed"), (json.dumps(moved), "was moved to s3 elsewhere")):
        path.write_text(json.dumps({**json.loads(good), "text": text}))
        submission = hosts.parts("short", "b", **CE).fleet.submit(WRAPPER, 1)
        assert not submission.references and why in submission.limited
    path.write_text(good)
    assert started(hosts, "b", "short", 1) == 1


def test_a_queue_that_is_given_up_leaves_with_its_states(hosts: Hosts) -> None:
    assert started(hosts, "a", "long", 9) == 4 and started(hosts, "b", "short", 1) == 0
    hosts.advance(3600)
    for node in hosts.living():
        hosts.stop(node)
    hosts.parts("long", "a", **CE).fleet.reap()
    assert started(hosts, "c", "short", 9) == 3  # its hours count for a month
    for path in (hosts.folder / "backend/long").iterdir():
        path.unlink()
    assert started(hosts, "b", "short", 9) == 1
    assert started(hosts, "c", "long", 1, **ALONE) == 1  # and may come back


# -- which queues the CE has -----------------------------------------------------------------------------------

ALONE = {"Workspace_MaxHours": ""}


def named(hosts: Hosts) -> set[str]:
    """The queues that the CE's own record names."""
    text = json.loads((hosts.folder / "backend" / WHOLE / "record.json").read_text())["text"]
    return {name.rpartition(".")[2] for name in json.loads(json.loads(text)["record"])["queues"]}


@pytest.mark.parametrize("options", [CE, {**CE, **ALONE}], ids=["together", "alone"])
def test_a_queue_is_named_before_anything_is_written_of_it(hosts: Hosts, options: dict[str, str]) -> None:
    parts = hosts.parts("long", "a", **options)
    hosts.documents["a", "long"].before_push = lambda: hosts.sky.step("first")  # of its own record
    hosts.sky.at("first", Crash())
    hosts.documents["a", "long"].path.parent.mkdir(parents=True)
    hosts.documents["a", "long"].path.write_text('{"serial": 1, "lineage": "one", "text": ""}')
    with pytest.raises(Crash):
        parts.fleet.submit(WRAPPER, 1)
    assert named(hosts) == {"long"} and not hosts.living()


def test_a_queue_without_an_allocation_asks_for_the_ces_record_once_a_host(hosts: Hosts) -> None:
    for host in "ab":
        for first in (True, False):
            before = len(hosts.sky.steps)
            assert started(hosts, host, "other", 1, **ALONE) == 1
            asked = [what for what, where in hosts.sky.steps[before:] if where == WHOLE]
            assert bool(asked) is first and "lease" not in asked, host
    assert named(hosts) == {"other"}


def test_a_turn_that_another_host_has_is_left_to_it(hosts: Hosts) -> None:
    hosts.sky.at("create", Crash())
    with pytest.raises(Crash):
        started(hosts, "a", "long", 1)
    with pytest.raises(BusyError, match="start pilots of"):  # its turn would be lost with what names the queue
        started(hosts, "b", "other", 1, **ALONE)
    hosts.pass_lease("b")
    assert started(hosts, "b", "other", 1, **ALONE) == 1 and named(hosts) == {"long", "other"}


def test_a_lost_record_of_the_ce_stops_its_queues_until_each_is_repaired(hosts: Hosts) -> None:
    assert [started(hosts, "a", queue, 1, **more) for queue, more in (("other", ALONE), ("long", {}))] == [1, 1]
    (hosts.folder / "backend" / WHOLE / "record.json").unlink()
    with pytest.raises(DamagedError, match=r"has lost the record of cloud.example.org; .* for each other queue"):
        started(hosts, "a", "long", 9)
    assert started(hosts, "b", "new", 1) == 1  # a host that has never seen it
    for host, queue in (("a", "long"), ("b", "other")):
        hosts.parts(queue, host, **CE).fleet.repair()
    assert named(hosts) == {"long", "other", "new"}
    assert [started(hosts, host, "long", 9) for host in "cab"] == [1, 0, 0] and len(hosts.living()) == 4


def test_a_submission_goes_through_the_steps_of_the_model(hosts: Hosts) -> None:
    assert started(hosts, "a", "short", 1) == 1
    hosts.sky.at("create", Crash())
    with pytest.raises(Crash):
        started(hosts, "a", "long", 1)
    hosts.pass_lease("b")
    for queue in ("long", "short"):
        with pytest.raises(BusyError):
            started(hosts, "b", queue, 1)
    hosts.pass_lease("b")
    before = len(hosts.sky.steps)
    assert started(hosts, "b", "long", 1) == 1
    words = {
        ("pull", "long"): "read",
        ("pull", WHOLE): "look",
        ("lease", WHOLE): "turn",
        ("pull", "short"): "reckon",
        ("list", ""): "list",
        ("lease", "long"): "intend",
        ("create", None): "ask",
        ("push", WHOLE): "yield",
        ("push", "long"): "settle",
    }
    steps = [words.get(one) or words.get((one[0], None)) for one in hosts.sky.steps[before:]]
    told = [step for step, _ in itertools.groupby(filter(None, steps))]
    assert told == [step for step in ORDER if step != "check"]
