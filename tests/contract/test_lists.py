"""A cloud that can only list: what its lists lack is not gone for that."""

from __future__ import annotations

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, assert_settled

HOUR, DAY = 3600, 86400


@pytest.fixture
def lists(edge: FakeEdge) -> FakeEdge:
    """Three pilots run for an hour; two of them are on a page that the driver does not read."""
    edge.sky.by_id = False
    edge.parts().fleet.submit(WRAPPER, 3)
    edge.advance(HOUR)
    edge.sky.hidden = set(list(edge.sky.vms)[1:])
    return edge


def references(edge: FakeEdge) -> list[str]:
    return [f"cloud://{one}" for one in sorted(edge.sky.vms)]


def test_a_list_that_stays_short_ends_nobody_and_gives_no_room_away(lists: FakeEdge) -> None:
    shown, *unseen = references(lists)
    for _ in range(5):
        assert lists.parts().fleet.reap().removed == []
        assert lists.parts().fleet.poll([shown, *unseen]) == {shown: "Running"}
        assert lists.parts().fleet.count() == {"SubmittedJobs": 0, "WaitingJobs": 0, "RunningJobs": 3}
        assert {seen.state for seen in lists.parts().fleet.status()} == {"Running", "absent"}
        assert lists.parts(MaxTotalJobs="3").fleet.submit(WRAPPER, 1).references == []
        lists.advance(DAY)
    lists.sky.hidden = set()
    assert set(lists.parts().fleet.poll([shown, *unseen]).values()) == {"Running"}
    assert_settled(lists.parts(), lists)


def test_an_audit_names_them_and_a_kill_lets_them_go(lists: FakeEdge) -> None:
    shown, gone, lives = references(lists)
    rows = {row.reference: row for row in lists.parts().fleet.audit()}
    assert rows[shown].verdict == "ok" and rows[gone].verdict == "not listed"
    assert rows[gone].mismatch and "tfce kill cloud.example.org/long REFERENCE" in rows[gone].cure
    lists.sky.vanish(gone.removeprefix("cloud://"))
    sweep = lists.parts().fleet.kill([gone, lives])
    assert (sweep.later, sweep.removed, sweep.absent, sweep.failed) == ([gone, lives], [], [], {})
    lists.parts().fleet.reap()
    assert lists.parts().fleet.count()["RunningJobs"] == 1
    lists.sky.hidden = set()  # one of the two had not ended: that is carried out now
    assert [one.reference for one in lists.parts().fleet.reap().removed] == [lives]
    assert_settled(lists.parts(), lists)


def test_one_that_is_older_than_any_may_become_is_over(lists: FakeEdge) -> None:
    unseen = references(lists)[1:]
    lists.advance(15 * DAY)
    lists.parts().fleet.reap()
    assert lists.parts().fleet.poll(unseen) == dict.fromkeys(unseen, "Deleted")


def test_a_reference_that_no_record_knows_is_not_given_up(lists: FakeEdge) -> None:
    fleet = lists.parts().fleet
    for _ in range(3):
        assert fleet.poll(["cloud://i-elsewhere"]) == {}
        lists.advance(HOUR)
