"""The life of a queue's pilots without faults, for every edge."""

from __future__ import annotations

from datetime import timedelta

from tests.claims import some, subset
from tests.contract.edges import WRAPPER, Edge, assert_settled
from tfce.model.drain import Drain
from tfce.model.vm import State


def ids(references: list[str]) -> list[str]:
    return [text.removeprefix("cloud://") for text in references]


def test_from_submission_to_the_last_kill(edge: Edge) -> None:
    stranger = edge.add({"Name": "tfce-0000000A", "tfce:ce": "cloud.example.org"})
    submission = edge.parts().fleet.submit(WRAPPER, 3)
    assert len(set(submission.references)) == 3 and submission.failed == {}
    assert submission.calls[edge.words.creating] == (3 if edge.batch == 1 else 1)
    parts = edge.parts()
    assert_settled(parts, edge)
    for node_id, key in some(zip(ids(submission.references), submission.stamps.values(), strict=True)):
        assert edge.living()[node_id]["tfce:key"] == key
    assert subset(set(parts.fleet.poll(submission.references).values()), {"Waiting", "Running"})
    assert set(edge.parts().fleet.poll(submission.references).values()) == {"Running"}
    assert parts.fleet.count() == {"SubmittedJobs": 0, "WaitingJobs": 0, "RunningJobs": 3}

    first, second, third = submission.references
    edge.stop(ids([first])[0])
    assert parts.fleet.poll(submission.references) == {first: "Done", second: "Running", third: "Running"}
    dry = parts.fleet.reap(dry_run=True)
    assert [str(removal.reason) for removal in dry.removed] == ["stopped"] and len(edge.living()) == 4
    sweep = edge.parts().fleet.reap()
    assert [(str(r.reason), r.reference) for r in sweep.removed if r.reference] == [("stopped", first)]
    assert (sweep.kept, sweep.failed) == (2, {})
    assert sum(sweep.calls.values()) == 3  # one list, one console of a pilot that ended so soon, one removal
    assert_settled(edge.parts(), edge)
    assert edge.parts().fleet.poll([first, second]) == {first: "Done", second: "Running"}

    killed = edge.parts().fleet.kill([second, f"{third}:::{submission.stamps[third]}"])
    assert {r.reference for r in killed.removed if r.reference} == {second, third} and killed.failed == {}
    assert list(edge.living()) == [stranger]
    assert_settled(edge.parts(), edge)
    assert set(edge.parts().fleet.poll([second, third]).values()) == {"Deleted"}
    assert edge.parts().fleet.reap().removed == []


def test_two_queues_in_one_account_leave_each_other_alone(edge: Edge) -> None:
    long = edge.parts("long").fleet.submit(WRAPPER, 1).references
    short = edge.parts("short").fleet.submit(WRAPPER, 1).references
    for name in ("long", "short"):
        assert edge.parts(name).fleet.count()["RunningJobs"] == 1
    refused = edge.parts("short").fleet.kill(long)
    assert refused.removed == [] and list(refused.failed) == long
    edge.stop(ids(long)[0])
    assert edge.parts("short").fleet.reap().removed == []
    assert [str(r.reason) for r in edge.parts("long").fleet.reap().removed] == ["stopped"]
    assert list(edge.living()) == ids(short)
    assert_settled(edge.parts("long"), edge)
    assert_settled(edge.parts("short"), edge)


def test_strangers_and_neighbours_are_neither_counted_nor_touched(edge: Edge) -> None:
    (mine,) = ids(edge.parts().fleet.submit(WRAPPER, 1).references)
    tags = edge.living()[mine]
    alike = [
        {"Name": tags["Name"]},
        {**tags, "tfce:queue": "other"},
        {**tags, "tfce:installation": "somebody"},
        {name: value for name, value in tags.items() if name not in ("tfce:key", "tfce:batch")},
    ]
    strangers = [edge.add(one) for one in alike]
    for stranger in strangers:
        edge.stop(stranger)
    parts = edge.parts()
    assert parts.fleet.count() == {"SubmittedJobs": 0, "WaitingJobs": 0, "RunningJobs": 1}
    assert parts.fleet.reap().removed == []
    refused = parts.fleet.kill([f"cloud://{stranger}" for stranger in strangers[:2]])
    assert len(refused.failed) == 2 and not refused.removed
    states = {node_id: node.state for node_id in edge.living() if (node := parts.cloud.vm(node_id))}
    assert states == {mine: State.RUNNING, **dict.fromkeys(strangers, State.STOPPED)}


def test_an_overdue_pilot_goes_and_a_young_one_stays(edge: Edge) -> None:
    options = {"Context_MaxLifetime": "3600"}
    old = edge.parts(**options).fleet.submit(WRAPPER, 1).references
    edge.advance(3000)
    young = edge.parts(**options).fleet.submit(WRAPPER, 1).references
    assert edge.parts(**options).fleet.reap().removed == []
    edge.advance(700)
    sweep = edge.parts(**options).fleet.reap()
    assert [(str(r.reason).partition(":")[0], r.reference) for r in sweep.removed if r.reference] == [
        ("overdue", old[0])
    ]
    assert list(edge.living()) == ids(young)
    assert_settled(edge.parts(**options), edge)


def test_a_vm_that_was_removed_behind_our_back_is_deleted_and_not_made_anew(edge: Edge) -> None:
    submission = edge.parts().fleet.submit(WRAPPER, 2)
    gone, stays = submission.references
    edge.remove(ids([gone])[0])
    edge.advance(601)  # one that is younger need not be listed yet
    assert edge.parts().fleet.poll([gone, stays]) == {gone: "Deleted", stays: "Running"}
    rows = {row.verdict for row in edge.parts().fleet.audit()}
    assert rows == {"ok", "vanished"}
    sweep = edge.parts().fleet.reap()
    assert [(str(r.reason), r.state) for r in sweep.removed] == [("gone", State.DELETED)]
    more = edge.parts().fleet.submit(WRAPPER, 1)
    assert sorted(edge.living()) == sorted(ids([stays, *more.references]))
    assert_settled(edge.parts(), edge)


def test_changed_options_touch_no_running_pilot(edge: Edge) -> None:
    first = edge.parts().fleet.submit(WRAPPER, 1).references
    changed = {"Instance_Flavor": edge.words.flavor, "Terraform_Tags": "a=b"}
    second = edge.parts(**changed).fleet.submit(WRAPPER, 1).references
    assert sorted(edge.living()) == sorted(ids(first + second))
    assert_settled(edge.parts(**changed), edge)
    assert [tags.get("a") for node_id, tags in edge.living().items() if node_id in ids(first)] == [None]


def test_a_log_is_the_cloud_s_console_and_later_the_kept_one(edge: Edge) -> None:
    submission = edge.parts().fleet.submit(WRAPPER, 2)
    ((reference, key), (other, other_key)) = submission.stamps.items()
    living = edge.parts().fleet.log(reference)
    assert (living.key, living.reference, living.source) == (key, reference, "cloud")
    assert living.console and [event.event for event in living.events] == ["submit", "submitted"]
    edge.stop(ids([reference])[0])
    edge.parts().fleet.reap()
    parts = edge.parts()
    for name in (reference, key, f"{reference}:::{key}"):
        ended = parts.fleet.log(name)
        assert (ended.key, ended.reference, ended.source) == (key, reference, "kept")
        assert ended.console and ended.state == "removed (Done)"
        vm = ended.events[-1].facts["vms"]
        assert (vm["reason"], vm["console_kept"]) == ("stopped", True) and 0 <= vm["lived_s"] < 600
    assert sum(parts.cloud.calls.values()) == 0  # all of it is in the workspace
    assert other_key not in ended.text() and edge.parts().fleet.log(other_key).reference == other
    guest = edge.parts(Workspace_Root=f"{parts.workspace.root}-of-another-host")
    assert guest.fleet.log(other).key == other_key  # as DIRAC's services have it


def test_a_drained_queue_starts_nothing_and_its_pilots_end_by_themselves_or_at_the_deadline(edge: Edge) -> None:
    first, second = edge.parts().fleet.submit(WRAPPER, 2).references
    now = edge.now()
    assert edge.parts().fleet.drain(Drain(now)) is None
    refused = edge.parts().fleet.submit(WRAPPER, 2, ignore_limits=True)  # another process, and an operator's
    assert (refused.references, refused.failed) == ([], {})
    assert refused.limited.startswith("drained since ") and "--undo` starts pilots again" in refused.limited
    assert edge.parts().fleet.reap().removed == [] and len(edge.living()) == 2
    edge.stop(ids([first])[0])
    assert [str(one.reason) for one in edge.parts().fleet.reap().removed] == ["stopped"]

    edge.parts().fleet.drain(Drain(now, deadline=now + timedelta(hours=1)))
    edge.advance(3500)
    assert edge.parts().fleet.reap().removed == []
    edge.advance(200)
    assert [(str(r.reason), r.reference) for r in edge.parts().fleet.reap().removed] == [("drained", second)]
    assert_settled(edge.parts(), edge)
    before = edge.parts().fleet.drain(None)
    assert before is not None and before.deadline == now + timedelta(hours=1)
    assert len(edge.parts().fleet.submit(WRAPPER, 1).references) == 1
