"""What goes wrong, on the fakes: after any fault and one more cycle, record, state and cloud agree again,
no VM was doubled, none was lost, and no stranger was touched."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.claims import every, subset
from tests.contract.edges import WRAPPER, FakeEdge, assert_settled
from tests.fakes import Broken, Crash, Empty, Outcome, Refused, ReplyLost, Tainted
from tfce.model.errors import BusyError, CloudError, ConfigError, TerraformError, TfceError, WorkspaceError
from tfce.model.pilot import Pilot
from tfce.model.reasons import Kind
from tfce.model.vm import State
from tfce.store import files

SINGLES = pytest.mark.parametrize("edge", [1], indirect=True, ids=["singles"])  # about one VM of several
UNREACHABLE = CloudError("connection refused", "unreachable")


@pytest.fixture(autouse=True)
def strangers(edge: FakeEdge) -> Any:
    """VMs that look like ours; none of them may ever be touched."""
    owner = edge.parts().workspace.owner().tags() | {"tfce:key": "0000000A", "Name": "tfce-0000000A"}
    alike = [
        {"Name": "tfce-0000000A"},
        owner | {"tfce:installation": "another"},
        owner | {"tfce:queue": "other"},
        owner | {"tfce:key": ""},
    ]
    ids = [edge.add(tags) for tags in alike]
    for number in (0, 1, 2):
        edge.stop(ids[number])  # the reaper of another site will remove it, not ours
    edge.sky.look()
    before = {node_id: edge.sky.vms[node_id] for node_id in ids}
    yield
    assert {node_id: edge.sky.vms.get(node_id) for node_id in ids} == before


def mine(edge: FakeEdge, queue: str = "long") -> list[str]:
    owner = edge.parts(queue).workspace.owner()
    return [node.id for node in edge.sky.living() if owner.owns(node)]


def submit(edge: FakeEdge, count: int = 1, **options: str) -> list[str]:
    return edge.parts(**options).fleet.submit(WRAPPER, count).references


# -- what the cloud does to single VMs ---------------------------------------------------------------------


@SINGLES
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(
    ("outcome", "created"),
    [
        (Refused("refused by the test"), 2),
        (Broken("no disk"), 2),
        (Tainted("the provider gave up"), 3),
        (ReplyLost("EOF"), 3),
        (CloudError("refused by the test"), 2),
    ],
    ids=["refused", "broken", "tainted", "reply lost", "error"],
)
def test_one_vms_fault_is_not_the_others(edge: FakeEdge, outcome: Outcome, created: int, nth: int) -> None:
    edge.sky.at("create", outcome, nth=nth)
    submission = edge.parts().fleet.submit(WRAPPER, 3)
    assert (len(submission.references), len(submission.failed)) == (created, 3 - created)
    said = str(getattr(outcome, "reason", outcome))
    assert not [reason for reason in submission.failed.values() if said not in str(reason)]
    assert sorted(mine(edge)) == sorted(text.removeprefix("cloud://") for text in submission.references)
    assert not set(submission.failed) & set(submission.stamps.values())
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize("edge", [100], indirect=True, ids=["batches"])
@pytest.mark.parametrize(
    ("outcome", "created"),
    [(Refused("refused by the test"), 0), (Broken("no disk"), 0), (ReplyLost("EOF"), 5)],
    ids=["refused", "broken", "reply lost"],
)
def test_a_batchs_fault_is_told_of_each_of_its_pilots(edge: FakeEdge, outcome: Outcome, created: int) -> None:
    edge.sky.at("create", outcome)
    submission = edge.parts().fleet.submit(WRAPPER, 5)
    assert (len(submission.references), len(submission.failed)) == (created, 5 - created)
    assert not set(map(str, submission.failed.values())) - {outcome.reason}
    assert len(mine(edge)) == created
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize("edge", [100], indirect=True, ids=["batches"])
@pytest.mark.parametrize("room", [0, 1, 60, 99])
def test_a_batch_that_is_refused_as_a_whole_is_halved_and_all_the_room_is_used_at_once(
    edge: FakeEdge, room: int
) -> None:
    edge.sky.quota, edge.sky.whole = len(edge.sky.living()) + room, True
    submission = edge.parts().fleet.submit(WRAPPER, 100)
    assert (len(submission.references), len(submission.failed)) == (room, 100 - room)
    assert every(reason.no_room for reason in submission.failed.values())
    assert submission.calls["RunInstances"] <= math.log2(100) + 2
    assert sorted(mine(edge)) == sorted(text.removeprefix("cloud://") for text in submission.references)
    assert_settled(edge.parts(), edge)
    assert (edge.parts().workspace.load().backoff is not None) == (room == 0)


@pytest.mark.parametrize("edge", [100], indirect=True, ids=["batches"])
def test_where_there_was_no_room_lately_halves_are_asked_for_at_once(edge: FakeEdge) -> None:
    edge.sky.quota, edge.sky.whole = len(edge.sky.living()), True
    edge.parts().fleet.submit(WRAPPER, 8)
    edge.sky.quota += 5
    submission = edge.parts().fleet.submit(WRAPPER, 8)
    assert len(submission.references) == 5 and submission.calls["RunInstances"] == 4


@pytest.mark.parametrize("edge", [100], indirect=True, ids=["batches"])
def test_a_batch_that_is_granted_in_part(edge: FakeEdge) -> None:
    edge.sky.quota = len(edge.sky.living()) + 2
    submission = edge.parts().fleet.submit(WRAPPER, 5)
    assert (len(submission.references), len(submission.failed)) == (2, 3)
    assert {reason.kind for reason in submission.failed.values()} == {Kind.NOT_GRANTED}
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize("edge", [100], indirect=True, ids=["batches"])
def test_after_a_batch_found_no_room_pilots_are_asked_for_in_halves_until_some_run(edge: FakeEdge) -> None:
    """Nova takes a batch in and then starts none of it, where it finds no room for all."""
    limits = {"MaxTotalJobs": "20", "MaxWaitingJobs": "20"}
    accepted = submit(edge, 3, **limits)
    for reference in accepted:
        edge.sky.set(reference.removeprefix("cloud://"), State.FAILED, "No valid host was found.")
    again = edge.parts(**limits).fleet.submit(WRAPPER, 3)
    assert again.references == [] and "No valid host" in again.limited
    sweep = edge.parts(**limits).fleet.reap()
    assert len(sweep.removed) == 3 and set(edge.parts().fleet.poll(accepted).values()) == {"Failed"}
    edge.sky.clock.advance(60)
    edge.sky.quota, edge.sky.whole = len(edge.sky.living()) + 2, True
    singly = edge.parts(**limits).fleet.submit(WRAPPER, 3)
    assert (len(singly.references), singly.calls["RunInstances"]) == (2, 2)
    edge.sky.clock.advance(60)
    edge.parts(**limits).fleet.reap()
    edge.sky.quota = None
    together = edge.parts(**limits).fleet.submit(WRAPPER, 3)
    assert (len(together.references), together.calls["RunInstances"]) == (3, 1)
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize("edge", [100], indirect=True, ids=["batches"])
def test_a_cloud_that_takes_everything_and_starts_nothing_is_left_alone_for_a_while(edge: FakeEdge) -> None:
    for _ in range(2):
        (reference,) = submit(edge)
        edge.sky.set(reference.removeprefix("cloud://"), State.FAILED, "Quota exceeded for cores")
        edge.parts().fleet.reap()
        edge.sky.clock.advance(60)
    cooling = edge.parts().fleet.submit(WRAPPER, 3)
    assert cooling.references == [] and "cools down" in cooling.limited and "Quota" in cooling.limited
    edge.sky.clock.advance(600)
    assert len(submit(edge, 3)) == 3


def test_when_all_are_refused_nothing_is_left_and_each_has_its_reason(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("refused by the test"), times=3)
    submission = edge.parts().fleet.submit(WRAPPER, 3)
    assert submission.references == [] and len(submission.failed) == 3 and mine(edge) == []
    assert_settled(edge.parts(), edge)


def test_what_broke_while_it_was_made_is_failed_in_later_polls(edge: FakeEdge) -> None:
    edge.sky.at("create", Broken("no disk"))
    edge.parts().fleet.submit(WRAPPER, 1)
    broken = next(node for node in edge.sky.look() if node.tags.get("tfce:key") and node.state is State.DELETED)
    assert edge.parts().fleet.poll([broken.reference]) == {broken.reference: "Failed"}


@SINGLES
def test_when_the_cloud_does_not_say_what_became_of_them_it_is_found_out_later(edge: FakeEdge) -> None:
    edge.sky.at("create", ReplyLost("EOF"), nth=1)
    edge.sky.at("create", Refused("refused by the test"), nth=2)
    edge.sky.at("create", Tainted("gave up"), nth=3)
    edge.sky.at("list", UNREACHABLE)
    first = edge.parts().fleet.submit(WRAPPER, 3)
    assert len(first.references) == 1 and len(first.failed) == 2  # the tainted one has an id: it exists
    assert every("looked up later" in str(reason) for reason in first.failed.values())
    assert edge.parts().workspace.load().pending
    second = edge.parts().fleet.submit(WRAPPER, 1)
    assert len(second.references) == 1 and len(mine(edge)) == 3
    assert_settled(edge.parts(), edge)


def test_a_vm_that_the_list_shows_late_is_taken_in_not_doubled(edge: FakeEdge) -> None:
    edge.sky.at("create", ReplyLost("EOF"))
    edge.sky.at("created", lambda: edge.sky.hidden.update(mine(edge)))
    submission = edge.parts().fleet.submit(WRAPPER, 1)
    assert submission.references == [] and len(mine(edge)) == 1
    edge.sky.hidden.clear()
    sweep = edge.parts().fleet.reap()
    assert len(sweep.adopted) == 1 and len(mine(edge)) == 1
    assert_settled(edge.parts(), edge)


# -- sudden death ------------------------------------------------------------------------------------------

SUBMIT_STEPS = [("prepare", 1), ("apply", 1), ("applied", 1), ("instances", 1), ("instances", 2)]
SUBMIT_STEPS += [(step, 1) for step in ("create", "created", "recorded")]
LATER_STEPS = [(step, nth) for step in ("create", "created", "recorded") for nth in (2, 3)]


def recover_by_submitting(edge: FakeEdge) -> None:
    assert len(submit(edge)) == 1


def recover_by_reaping(edge: FakeEdge) -> None:
    edge.parts().fleet.reap()


def recover_by_repairing(edge: FakeEdge) -> None:
    edge.parts().fleet.repair()


RECOVERIES = [recover_by_submitting, recover_by_reaping, recover_by_repairing]


@pytest.mark.parametrize("recover", RECOVERIES)
@pytest.mark.parametrize(("step", "nth"), SUBMIT_STEPS)
def test_death_in_a_submission(edge: FakeEdge, step: str, nth: int, recover: Callable[[FakeEdge], None]) -> None:
    before = submit(edge, 2)
    edge.sky.at(step, Crash(), nth=nth)
    with pytest.raises(Crash):
        submit(edge, 3)
    alive = set(mine(edge))
    recover(edge)
    assert alive <= set(mine(edge))  # what runs goes on running
    assert set(edge.parts().fleet.poll(before).values()) == {"Running"}
    assert_settled(edge.parts(), edge)


@SINGLES
@pytest.mark.parametrize("recover", RECOVERIES)
@pytest.mark.parametrize(("step", "nth"), LATER_STEPS)
def test_death_between_two_pilots(
    edge: FakeEdge, step: str, nth: int, recover: Callable[[FakeEdge], None]
) -> None:
    test_death_in_a_submission(edge, step, nth, recover)


@SINGLES
@pytest.mark.parametrize("step", ["adopt", "forget", "untaint", "instances", "list"])
def test_death_in_a_recovery(edge: FakeEdge, step: str) -> None:
    edge.sky.at("create", ReplyLost("EOF"), nth=1)
    edge.sky.at("create", Tainted("gave up"), nth=2)
    edge.sky.at("create", Crash(), nth=3)
    with pytest.raises(Crash):
        submit(edge, 3)
    alive = set(mine(edge))
    edge.sky.at(step, Crash())
    try:
        submit(edge)
    except Crash:
        submit(edge)
    assert alive <= set(mine(edge)) and len(alive) == 2
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize(
    ("step", "nth"),
    [("list", 1), ("destroy", 1), ("destroy", 2), ("destroyed", 1), ("destroyed", 2), ("forget", 1)],
)
def test_death_in_a_reaping(edge: FakeEdge, step: str, nth: int) -> None:
    references = submit(edge, 4)
    for text in references[:2]:
        edge.stop(text.removeprefix("cloud://"))
    edge.sky.at(step, Crash(), nth=nth)
    with pytest.raises(Crash):
        edge.parts().fleet.reap()
    edge.parts().fleet.reap()
    assert sorted(mine(edge)) == sorted(text.removeprefix("cloud://") for text in references[2:])
    assert_settled(edge.parts(), edge)
    assert set(edge.parts().fleet.poll(references[:2]).values()) == {"Done"}


@pytest.mark.parametrize("step", ["destroy", "destroyed", "forget"])
def test_death_in_a_kill(edge: FakeEdge, step: str) -> None:
    references = submit(edge, 2)
    edge.sky.at(step, Crash())
    with pytest.raises(Crash):
        edge.parts().fleet.kill(references[:1])
    edge.parts().fleet.reap()
    edge.parts().fleet.reap()
    assert mine(edge) == [references[1].removeprefix("cloud://")]
    assert_settled(edge.parts(), edge)


class Disk:
    """Makes the ``nth`` change of a file the last: before it is made, or just after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nth: int, effect: BaseException, after: bool) -> None:
        self.left, self.effect, self.after = nth, effect, after
        for name in ("write", "remove"):
            monkeypatch.setattr(files, name, self._wrapped(getattr(files, name)))

    def _wrapped(self, real: Callable[..., None]) -> Callable[..., None]:
        def change(*arguments: Any, **more: Any) -> None:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise self.effect
            real(*arguments, **more)
            if self.left == 0:
                raise self.effect

        return change


def ends_in_peace(edge: FakeEdge, before: list[str]) -> None:
    """One more cycle of everything: nothing is lost, and all agree."""
    alive = set(mine(edge))
    submit(edge)
    edge.parts().fleet.reap()
    assert alive <= set(mine(edge))
    assert set(edge.parts().fleet.poll(before).values()) == {"Running"}
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, 26))
def test_death_at_any_change_of_a_file(edge: FakeEdge, nth: int, after: bool) -> None:
    before = submit(edge, 1)
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, nth, Crash(), after)
        try:
            submit(edge, 2)
        except Crash:
            pass
        else:
            assert nth > (11 if edge.batch == 1 else 7), "a submission writes more files than that"
    ends_in_peace(edge, before)


@pytest.mark.parametrize("nth", range(1, 26))
def test_a_disk_that_is_full_at_any_moment(edge: FakeEdge, nth: int) -> None:
    before = submit(edge, 1)
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, nth, WorkspaceError("/w: cannot be written (No space left on device)"), after=False)
        try:
            submit(edge, 2)
        except TfceError as error:
            assert "No space left" in error.message
    ends_in_peace(edge, before)


def test_a_file_in_place_of_the_folder_of_user_data_is_put_aside(edge: FakeEdge) -> None:
    before = submit(edge, 1)
    edge.parts().workspace.contexts.rmdir()
    edge.parts().workspace.contexts.write_text("in the way")
    assert len(submit(edge, 2)) == 2
    ends_in_peace(edge, before)


# -- input that is not fit ---------------------------------------------------------------------------------


def test_what_is_not_fit_is_refused_before_anything_is_written_or_asked(edge: FakeEdge) -> None:
    steps = len(edge.sky.steps)
    for wrapper in (b"", random.Random(1).randbytes(20_000)):
        with pytest.raises(TfceError):
            edge.parts().fleet.submit(wrapper, 1)
    assert len(edge.sky.steps) == steps and not edge.parts().workspace.exists


def test_what_terraform_reads_is_made_again_from_the_record(edge: FakeEdge) -> None:
    submit(edge, 2)
    scale = edge.parts().workspace.private / "scale.auto.tfvars.json"
    text = scale.read_text()
    scale.write_text("")
    edge.parts().fleet.reap()
    assert scale.read_text() == text and len(mine(edge)) == 2
    assert_settled(edge.parts(), edge)


def test_a_damaged_record_stops_the_writers_and_a_repair_mends_it(edge: FakeEdge) -> None:
    references = submit(edge, 2)
    record = edge.parts().workspace.file.path
    record.write_text("")
    for act in (lambda: submit(edge), lambda: edge.parts().fleet.reap()):
        with pytest.raises(WorkspaceError, match="tfce repair"):
            act()
    assert len(mine(edge)) == 2 and record.read_text() == ""
    edge.parts().fleet.repair()
    assert set(edge.parts().workspace.load().pilots) and len(mine(edge)) == 2
    assert set(edge.parts().fleet.poll(references).values()) == {"Running"}
    assert_settled(edge.parts(), edge)


def test_a_damaged_state_stops_a_submission_and_is_rebuilt_by_repair(edge: FakeEdge) -> None:
    submit(edge, 2)
    edge.parts().terraform.state_file.write_text("{")
    with pytest.raises(TerraformError, match="damaged"):
        submit(edge)
    steps = [step for step, _ in edge.sky.steps]
    edge.parts().fleet.repair()
    assert "create" not in [step for step, _ in edge.sky.steps][len(steps) :]
    assert_settled(edge.parts(), edge)


def test_a_list_of_pilots_that_was_emptied_by_hand_destroys_nothing(edge: FakeEdge) -> None:
    submit(edge, 3)
    workspace = edge.parts().workspace
    workspace.save(workspace.load().without(workspace.load().pilots))
    submit(edge, 1)
    edge.parts().fleet.reap()
    assert len(mine(edge)) == 4
    assert_settled(edge.parts(), edge)


def test_a_queue_with_pilots_does_not_move(edge: FakeEdge) -> None:
    submit(edge, 1)
    with pytest.raises(ConfigError, match="live in"):
        submit(edge, 1, CloudType="EC2_EU_WEST")
    assert len(mine(edge)) == 1


def test_the_second_of_two_submitters_is_told_and_changes_nothing(edge: FakeEdge) -> None:
    told: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(BusyError) as caught:
            submit(edge)
        told.append(caught.value.message)

    edge.sky.at("created", meanwhile)
    assert len(submit(edge, 2)) == 2 and len(told) == 1 and len(mine(edge)) == 2
    assert_settled(edge.parts(), edge)


# -- polls that cannot be trusted --------------------------------------------------------------------------


def test_a_list_that_fails_is_an_error_and_never_gone(edge: FakeEdge) -> None:
    references = submit(edge, 2)
    edge.sky.down = "connection refused"
    parts = edge.parts()
    for act in (lambda: parts.fleet.poll(references), parts.fleet.count, parts.fleet.reap, parts.fleet.status):
        with pytest.raises(CloudError):
            act()
    edge.sky.down = ""
    assert_settled(edge.parts(), edge)


def test_an_empty_list_makes_nobody_deleted(edge: FakeEdge) -> None:
    references = submit(edge, 3)
    edge.sky.at("list", Empty(), times=10)
    assert set(edge.parts().fleet.poll(references).values()) == {"Running"}
    assert edge.parts().fleet.reap().removed == []
    edge.advance(3600)
    assert edge.parts().fleet.reap().removed == []  # each is asked for by itself, and answers
    assert len(edge.parts().workspace.load().pilots) == 3


def test_vms_that_are_all_gone_indeed_are_struck_after_a_while_and_not_at_once(edge: FakeEdge) -> None:
    references = submit(edge, 3)
    for text in references:
        edge.sky.vanish(text.removeprefix("cloud://"))
    assert edge.parts().fleet.poll(references) == {}  # young VMs need not be listed yet
    edge.advance(601)
    assert edge.parts().fleet.poll(references) == {} and edge.parts().fleet.reap().removed == []
    edge.advance(601)
    assert [str(removal.reason) for removal in edge.parts().fleet.reap().removed] == ["gone"] * 3
    assert_settled(edge.parts(), edge)


def test_a_vm_nobody_can_speak_for_keeps_its_state(edge: FakeEdge) -> None:
    references = submit(edge, 2)
    edge.sky.hidden.add(references[0].removeprefix("cloud://"))
    edge.sky.at("node", UNREACHABLE)
    assert edge.parts().fleet.poll(references) == {references[1]: "Running"}


def test_a_poll_is_one_call_however_many_there_are_and_none_for_what_is_over(edge: FakeEdge) -> None:
    references = submit(edge, 40)
    parts = edge.parts()
    parts.fleet.poll(references)
    assert sum(parts.cloud.calls.values()) == 1
    edge.stop(references[0].removeprefix("cloud://"))
    edge.parts().fleet.reap()
    parts = edge.parts()
    assert parts.fleet.poll(references[:1]) == {references[0]: "Done"} and sum(parts.cloud.calls.values()) == 0


def test_a_hundred_vanished_pilots_do_not_make_a_hundred_calls(edge: FakeEdge) -> None:
    references = submit(edge, 60)
    for text in references[:50]:
        edge.sky.vanish(text.removeprefix("cloud://"))
    edge.advance(601)
    parts = edge.parts()
    states = parts.fleet.poll(references)
    assert sum(parts.cloud.calls.values()) <= 25
    assert subset(set(states.values()), {"Running", "Deleted"}) and len(states) >= 30


def test_a_submission_that_goes_well_asks_the_list_nothing(edge: FakeEdge) -> None:
    submit(edge, 5)
    steps = len(edge.sky.steps)
    submit(edge, 5)
    assert "list" not in [step for step, _ in edge.sky.steps[steps:]]


# -- reaping -----------------------------------------------------------------------------------------------


def test_a_refusal_stops_no_other_and_is_tried_again(edge: FakeEdge) -> None:
    references = submit(edge, 3)
    for text in references:
        edge.stop(text.removeprefix("cloud://"))
    edge.sky.at("destroy", CloudError("OperationNotPermitted"), nth=2)
    sweep = edge.parts().fleet.reap()
    assert len(sweep.removed) == 2 and list(sweep.failed.values()) == ["OperationNotPermitted"]
    assert subset(set(sweep.failed), set(references))
    assert len(edge.parts().workspace.load().pilots) == 1
    assert len(edge.parts().fleet.reap().removed) == 1 and mine(edge) == []
    assert_settled(edge.parts(), edge)


@pytest.mark.parametrize(("share", "first"), [("0.5", 15), ("0.1", 10), ("1", 30)])
def test_a_sweep_ends_no_more_than_its_share_of_what_runs(edge: FakeEdge, share: str, first: int) -> None:
    options = {"Context_MaxLifetime": "60", "Workspace_ReapShare": share}
    submit(edge, 30, **options)
    edge.advance(61)
    sweep = edge.parts(**options).fleet.reap()
    assert (len(sweep.removed), len(sweep.held), len(mine(edge))) == (first, 30 - first, 30 - first)
    while mine(edge):
        assert edge.parts(**options).fleet.reap().removed
    assert_settled(edge.parts(**options), edge)


def test_vms_that_ended_are_no_part_of_the_share(edge: FakeEdge) -> None:
    references = submit(edge, 30, Workspace_ReapShare="0.1")
    for text in references:
        edge.stop(text.removeprefix("cloud://"))
    assert len(edge.parts(Workspace_ReapShare="0.1").fleet.reap().removed) == 30


def test_failed_and_odd_vms(edge: FakeEdge) -> None:
    failed, odd = submit(edge, 2)
    edge.sky.set(failed.removeprefix("cloud://"), State.FAILED, "no host")
    edge.sky.set(odd.removeprefix("cloud://"), State.UNKNOWN)
    assert edge.parts().fleet.poll([failed, odd]) == {failed: "Failed", odd: "Running"}
    assert [str(removal.reason) for removal in edge.parts().fleet.reap().removed] == ["failed: no host"]
    assert mine(edge) == [odd.removeprefix("cloud://")]


def test_two_vms_with_one_key_are_seen_and_the_younger_goes(edge: FakeEdge) -> None:
    first = submit(edge, 1)[0].removeprefix("cloud://")
    edge.advance(5)
    twin = edge.add(edge.sky.vms[first].tags)
    verdicts = [row.verdict for row in edge.parts().fleet.audit()]
    assert "duplicate" in verdicts
    edge.parts().fleet.reap()
    assert mine(edge) == [first] and twin not in mine(edge)
    assert_settled(edge.parts(), edge)


def test_two_vms_that_the_state_tells_apart_are_both_kept(edge: FakeEdge) -> None:
    """Somebody renamed a VM of a batch to another's name: both seem to be one pilot's."""
    first, second, third = (text.removeprefix("cloud://") for text in submit(edge, 3))
    vms = edge.sky.vms
    vms[first] = replace(vms[first], tags=vms[third].tags)
    assert edge.parts().fleet.reap().removed == [] and {first, second, third} <= set(mine(edge))
    edge.stop(first)
    (removal,) = edge.parts().fleet.reap().removed
    assert (removal.reference, str(removal.reason)) == (f"cloud://{first}", "stopped")
    assert set(edge.parts().fleet.poll([f"cloud://{one}" for one in (second, third)]).values()) == {"Running"}
    assert_settled(edge.parts(), edge)


def test_a_dry_run_writes_nothing_and_removes_nothing(edge: FakeEdge) -> None:
    references = submit(edge, 2)
    edge.stop(references[0].removeprefix("cloud://"))
    before = {path: path.read_bytes() for path in edge.folder.rglob("*") if path.is_file()}
    assert len(edge.parts().fleet.reap(dry_run=True).removed) == 1
    assert {path: path.read_bytes() for path in edge.folder.rglob("*") if path.is_file()} == before
    assert len(mine(edge)) == 2


# -- killing -----------------------------------------------------------------------------------------------


def test_a_kill_works_on_a_host_without_the_workspace(
    edge: FakeEdge, tmp_path_factory: pytest.TempPathFactory
) -> None:
    references = submit(edge, 2)
    installation = edge.parts().workspace.owner().installation
    elsewhere = FakeEdge(tmp_path_factory.mktemp("elsewhere"))
    elsewhere.sky = edge.sky
    for text, options in zip(references, ({}, {"Workspace_Installation": installation}), strict=True):
        sweep = elsewhere.parts(**options).fleet.kill([text])
        assert [r.reference for r in sweep.removed if r.reference] == [text] and not sweep.failed
    assert mine(edge) == []
    edge.parts().fleet.reap()
    edge.advance(601)
    edge.parts().fleet.reap()
    assert_settled(edge.parts(), edge)


def test_a_kill_refuses_strangers_and_takes_what_is_gone_for_done(edge: FakeEdge) -> None:
    mine_, gone = submit(edge, 2)
    edge.remove(gone.removeprefix("cloud://"))
    stranger = next(node_id for node_id in edge.living() if node_id not in mine(edge))
    sweep = edge.parts().fleet.kill([f"cloud://{stranger}", gone, "cloud://i-never", mine_])
    assert list(sweep.failed) == [f"cloud://{stranger}"] and "not touched" in sweep.failed[f"cloud://{stranger}"]
    assert [r.reference for r in sweep.removed if r.reference] == [mine_]


def test_a_kill_during_an_apply_does_not_wait_for_it(edge: FakeEdge) -> None:
    first = submit(edge, 1)

    def meanwhile() -> None:
        assert len(edge.parts().fleet.kill(first).removed) == 1

    edge.sky.at("created", meanwhile)
    second = submit(edge, 1)
    assert mine(edge) == [second[0].removeprefix("cloud://")]
    edge.parts().fleet.reap()
    assert_settled(edge.parts(), edge)


# -- auditing ----------------------------------------------------------------------------------------------


def test_an_audit_sees_every_kind_of_mismatch(edge: FakeEdge) -> None:
    references = submit(edge, 4)
    parts = edge.parts()
    stamps = {edge.sky.vms[text.removeprefix("cloud://")].tags["tfce:key"]: text for text in references}
    ok, stale, unlisted, unrecorded = stamps
    edge.sky.vanish(stamps[stale].removeprefix("cloud://"))
    edge.advance(601)
    parts.terraform.forget([unrecorded])
    record = parts.workspace.load()
    never = Pilot("00000001", edge.sky.clock(), "b")
    parts.workspace.save(record.without({unlisted}).including([never]))
    orphan = edge.add({**parts.workspace.owner().tags(), "tfce:key": "00000002"})
    rows = {row.key: row.verdict for row in edge.parts().fleet.audit([*references, f"cloud://{orphan}"])}
    assert rows == {
        ok: "ok",
        stale: "vanished",
        unlisted: "unlisted",
        unrecorded: "unrecorded",
        "00000001": "never created",
        "00000002": "orphan",
    }
    edge.parts().fleet.repair()
    edge.parts().fleet.reap()
    assert_settled(edge.parts(), edge)


def test_what_never_was_is_an_empty_audit(edge: FakeEdge) -> None:
    assert edge.parts("never").fleet.audit() == []
    assert edge.parts("never").fleet.reap().removed == []
    assert edge.parts("never").fleet.poll([]) == {}
