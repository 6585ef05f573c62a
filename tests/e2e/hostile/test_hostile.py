"""A cloud that means harm: each verb under each fault, then healing and one more cycle.

What holds, asked of the cloud itself: no healthy VM is ended, none is doubled, none is an orphan, nobody else's is
touched; record, state and cloud agree, and the plan is empty; every verb ends in time, with its result or with one
clear line, and with an exit code that says which.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.claims import some, subset
from tests.e2e.hostile.cases import CLOUDS, READS, Case, drawn
from tests.e2e.hostile.conftest import Elsewhere
from tests.e2e.hostile.grounds import Ground
from tests.rigs.hostile import Attack
from tests.site import SECRET, WRAPPER
from tfce.app import assemble
from tfce.cli.main import main
from tfce.cloud import clean
from tfce.config.cfg import load_queue
from tfce.model.errors import TfceError
from tfce.pilots.fleet import Fleet

MOST = 45.0  # seconds of a verb: each request may take two, and is repeated once
GONE = {"Deleted", "Failed", "Done"}
CODES = (0, 1, 2, 3, 4)  # all that are documented, but the one for what nobody foresaw


class Verbs:
    """The verbs on a ground, as operators and DIRAC use them."""

    def __init__(self, ground: Ground, capfd: pytest.CaptureFixture[str]) -> None:
        self._ground, self._site, self._capfd = ground, ground.site, capfd

    def do(self, verb: str, doomed: str, others: list[str]) -> None:
        """A verb; what it says is true, or nothing."""
        if verb in ("poll", "count"):
            return self._asked(verb, [f"cloud://{vm_id}" for vm_id in others])
        said = self.command(verb, doomed)
        if verb == "status" and said:
            ids = {f"cloud://{vm_id}" for vm_id in others}
            assert not [one for one in said["pilots"] if one["reference"] in ids and one["state"] in GONE]
        if verb in ("reap", "kill") and said:
            # A VM of an earlier case may be among them, whose end only this sweep can see.
            gone = {one["reference"] for one in said["removed"]}
            assert not gone & {f"cloud://{vm_id}" for vm_id in others}
        return None

    def command(self, verb: str, doomed: str = "") -> Any:
        """A command's JSON, None where it has none to give."""
        more = {
            "submit": ["--wrapper", str(self._site.folder / "wrapper.sh"), "--json"],
            "kill": [f"cloud://{doomed}", "--json"],
            "log": [f"cloud://{doomed}", "--json"],
        }
        plain = [] if verb in ("plan", "repair") else ["--json"]
        self._capfd.readouterr()
        code = main([verb, self._site.name, *more.get(verb, plain)])
        out, err = self._capfd.readouterr()
        assert code in (*CODES, 130) and SECRET not in out + err, f"{verb}: exit code {code}: {err}"
        for line in err.splitlines():
            clear(line)
        if not out:
            (_,) = [line for line in err.splitlines() if line.startswith("tfce: ")][-1:]  # why, in one line
            assert code
        return json.loads(out) if out.startswith("{") else None

    def _asked(self, verb: str, references: list[str]) -> None:
        fleet = self._site.parts().fleet
        try:
            if verb == "count":
                assert 0 <= fleet.count()["RunningJobs"] <= 2
            else:
                assert not GONE & set(fleet.poll(references).values())
        except TfceError as error:
            clear(error.message)


def clear(line: str) -> None:
    """A line for people: one, harmless, of a length that can be read."""
    assert line.strip() and "Traceback" not in line and len(line) < 2000 and clean.line(line) == line, line


@pytest.fixture
def verbs(ground: Ground, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verbs:
    for name, value in ground.site.environment().items():
        monkeypatch.setenv(name, value)
    return Verbs(ground, capfd)


def agreed(ground: Ground, verbs: Verbs) -> None:
    """Record, state and cloud agree on what lives, and there is nothing left to do."""
    ground.proxy.ahead = timedelta()
    parts = ground.site.parts()
    keys = [tags["tfce:key"] for tags in ground.living().values()]
    assert len(keys) == len(set(keys)), "two VMs have one key"
    assert [row for row in parts.fleet.audit() if row.mismatch] == []
    assert set(parts.workspace.load().pilots) == set(keys)
    assert {entry.id for entry in parts.terraform.instances().values()} == set(ground.living())
    assert parts.terraform.plan(refresh=True).empty


def filled(ground: Ground) -> tuple[str, list[str]]:
    """Two VMs, of which one is doomed."""
    missing = 2 - len(ground.living())
    if missing > 0:
        submission = ground.site.parts().fleet.submit(WRAPPER.encode(), missing)
        assert len(submission.references) == missing, submission.failed
    doomed, *healthy = sorted(ground.living())
    return doomed, healthy


def cycle(ground: Ground) -> None:
    """One more cycle, as DIRAC's director has it: a submission, then a sweep."""
    submission = ground.site.parts().fleet.submit(WRAPPER.encode(), 1)
    assert len(submission.references) == 1, (submission.failed, submission.limited)
    ground.site.parts().fleet.reap()
    later(ground).reap()


def later(ground: Ground) -> Fleet:
    """The fleet as it is after an hour: what a cloud has not listed by then is gone."""
    queue, hour = load_queue(ground.site.cfg, ground.site.name), timedelta(hours=1)
    ground.proxy.ahead = hour
    return assemble(queue, clock=lambda: datetime.now(UTC) + hour).fleet


def healed(ground: Ground, healthy: list[str]) -> None:
    """The next poll knows all that live."""
    states = ground.site.parts().fleet.poll(f"cloud://{vm_id}" for vm_id in healthy)
    assert len(states) == len(healthy) and not GONE & set(states.values()), states


def thinned(ground: Ground, most: int = 2) -> None:
    """``most`` VMs are left for the next case."""
    surplus = sorted(ground.living())[most:]
    for vm_id in surplus:
        ground.stop(vm_id)
    if surplus:
        ground.site.parts().fleet.reap()


@pytest.mark.parametrize(
    ("ground", "case"), [pytest.param(c.cloud, c, id=str(c)) for c in drawn()], indirect=["ground"]
)
def test_no_harm_is_done(ground: Ground, case: Case, verbs: Verbs, elsewhere: Elsewhere) -> None:
    ground.proxy.ahead = timedelta()
    doomed, healthy = filled(ground)
    strangers = ground.strangers()
    if case.verb == "reap":
        ground.stop(doomed)
    attack = ground.proxy.attack = Attack(case.action, case.effect, seed=str(case))
    begun = time.monotonic()
    try:
        verbs.do(case.verb, doomed, healthy)
    finally:
        ground.proxy.attack = None
    assert time.monotonic() - begun < MOST, f"took {time.monotonic() - begun:.0f} s"
    assert attack.struck, "nothing was spoilt"
    assert subset(set(healthy), set(ground.living())), "a healthy VM was ended"
    if case.verb in READS:  # nothing can have changed
        healed(ground, healthy)
    else:
        cycle(ground)
        assert subset(set(healthy), set(ground.living())), "the cycle after it ended a healthy VM"
        agreed(ground, verbs)
        thinned(ground)
    assert ground.strangers() == strangers and elsewhere.heard == []


@pytest.mark.parametrize("ground", list(CLOUDS), indirect=True)
def test_the_tables_name_every_action_of_every_verb(
    ground: Ground, verbs: Verbs, request: pytest.FixtureRequest
) -> None:
    table = CLOUDS[request.node.callspec.params["ground"]]
    asked: dict[str, set[str]] = {}
    thinned(ground, 0)  # of a VM that has run for long no console is asked
    for verb in sorted({verb for verbs in table.values() for verb in verbs}):
        doomed, healthy = filled(ground)
        if verb == "reap":
            ground.stop(doomed)
        ground.proxy.counts.clear()
        verbs.do(verb, doomed, healthy)
        for action in ground.proxy.counts:
            asked.setdefault(action, set()).add(verb)
    for action, verbs_ in some(table.items()):
        assert asked.pop(action, set()) == set(verbs_), action
    assert asked == {}
    thinned(ground)
