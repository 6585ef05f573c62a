"""An administrator watches a queue for a week, by a simulated clock: each view says what really happened."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from tests.checking import history
from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tfce.model.account import GroupBy, lines
from tfce.model.errors import CloudError
from tfce.model.metrics import Meters
from tfce.model.overview import Urgency
from tfce.pilots.accounting import book
from tfce.pilots.history import HistoryEntry

HOUR, DAYS, STEP = timedelta(hours=1), 7, 2  # hours from cycle to cycle
LIFE = 6  # hours that a pilot works
OPTIONS = {
    "MaxTotalJobs": "40",
    "MaxWaitingJobs": "40",
    "Workspace_MaxHours": "90000/month",
    "Workspace_Price": "t3.micro=0.5, EUR",
    "Workspace_Cooldown": "60",
}
FULL, SHUT = (
    (1, range(10, 14, STEP)),
    (3, range(2, 6, STEP)),
)  # day and hours: no room at all; the login is refused


class Week:
    """Cycles, and a look after each. ``seen``: how urgent the queue was, by day and hour."""

    def __init__(self, edge: FakeEdge) -> None:
        self.edge, self.start = edge, edge.now()
        self.seen: dict[tuple[int, int], Urgency] = {}
        self.born: dict[str, datetime] = {}
        self.granted: Counter[tuple[int, int]] = Counter()
        self.lived = 0.0

    def run(self) -> None:
        for hour in range(0, 24 * DAYS, STEP):
            self.hour(*divmod(hour, 24))
            self.edge.advance(STEP * HOUR.total_seconds())

    def hour(self, day: int, hour: int) -> None:
        self.end_old_ones()
        sky = self.edge.sky
        sky._planned.clear()
        if (day, hour) in [(FULL[0], one) for one in FULL[1]]:
            sky.at("create", Refused("InsufficientInstanceCapacity: none left"), times=99)
        if (day, hour) in [(SHUT[0], one) for one in SHUT[1]]:
            sky.at("list", CloudError("the cloud refuses the credentials", "authentication"), times=99)
        fleet = self.edge.parts(**OPTIONS).fleet
        try:
            fleet.reap()
            wanted = 20 if (day, hour) == (2, 4) else 1 + hour % 3
            stamps = fleet.submit(WRAPPER, wanted).stamps
        except CloudError:
            stamps = {}
        self.granted[day, hour] = len(stamps)
        self.born |= {reference.removeprefix("cloud://"): self.edge.now() for reference in stamps}
        self.seen[day, hour] = fleet.glance(fleet.announce()).urgency

    def end_old_ones(self) -> None:
        for node, born in list(self.born.items()):
            if self.edge.now() - born >= LIFE * HOUR:
                self.edge.stop(node)
                self.lived += (self.edge.now() - born).total_seconds() / 3600
                del self.born[node]

    def told(self, day: int, hour: int) -> list[HistoryEntry]:
        at = self.start + timedelta(days=day, hours=hour)
        return history(self.edge.parts().workspace, at - HOUR / 2, at + HOUR / 2)


def test_a_week_is_told_as_it_was(tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path, batch=100)
    week = Week(edge)
    week.run()

    # `tfce status` after each cycle: a person is wanted while the login is refused, and at no other time.
    bad = {when for when, need in week.seen.items() if need is Urgency.PERSON}
    assert bad == {(SHUT[0], hour) for hour in SHUT[1]}
    told = {when: need for when, need in week.seen.items() if when[0] == FULL[0] and when[1] in FULL[1]}
    assert [*told.values()] == [
        Urgency.NOTE,
        Urgency.HELD,
    ]  # the first time it found no room, from then on it rests
    assert sum(need is Urgency.WELL for need in week.seen.values()) > 0.9 * len(week.seen)

    # `tfce history`: why there were 20 more VMs in the third night, and why none while there was no room.
    (done,) = [one for one in week.told(2, 4) if one.facts.get("verb") == "submit"]
    assert done.what.startswith("submit: 20 asked for, 20 granted") and "@" in done.who
    (full,) = [one for one in week.told(FULL[0], FULL[1][0]) if one.event == "submitted"]
    assert "refused (capacity)" in full.what
    shut = [one for one in week.told(SHUT[0], SHUT[1][0]) if "refuses the credentials" in one.what]
    assert len(shut) == 1  # told once, though it went on for hours

    # Metrics, account and journal agree with each other, and with what was.
    workspace, end = edge.parts(**OPTIONS).workspace, edge.now()
    meters: Meters = workspace.meters.read()
    assert meters.value("tfce_pilots_created_total", "t3.micro") == sum(week.granted.values())
    (line,) = lines([book(workspace, week.start, end)], GroupBy.QUEUE, week.start, end, end)
    alive = sum((end - born).total_seconds() / 3600 for born in week.born.values())
    assert line.pilots == sum(week.granted.values())
    assert abs(line.figures["vm_hours"] - (week.lived + alive)) < 1  # type: ignore[operator]
    assert abs(line.figures["money"] - 0.5 * (week.lived + alive)) < 1  # type: ignore[operator]

    # A week of these cycles is some hundred kilobytes, and its last line is as good as its first.
    assert (workspace.private / "journal.jsonl").stat().st_size < 300_000
    assert history(workspace)[0].time == week.start
