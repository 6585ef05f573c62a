"""A queue whose shape people approve: what its pilots are, what waits, and who hears of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, Parts
from tfce.model.hold import HoldKind
from tfce.model.overview import Urgency
from tfce.model.why import Subject
from tfce.review import shape
from tfce.store.workspace import Workspace
from tfce.terraform import literals


class Site:
    """An edge with a folder that people merge shapes into."""

    def __init__(self, edge: FakeEdge) -> None:
        self.edge, self.place = edge, edge.folder / "approved"
        self.place.mkdir()

    def parts(self, **options: str) -> Parts:
        reviewed = {"Workspace_Review": "shape", "Workspace_Approved": str(self.place)}
        return self.edge.parts(**{**reviewed, **options})

    def approve(self, **options: str) -> None:
        queue = self.parts(**options).workspace.asked
        folder = self.place / "shape" / queue.ce / queue.name
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in shape.texts(queue).items():
            (folder / name).write_text(text)


@pytest.fixture
def site(edge: FakeEdge) -> Site:
    return Site(edge)


def flavors(parts: Parts) -> list[str]:
    return [seen.pilot.spec.flavor for seen in parts.fleet.status()]


def last(workspace: Workspace, event: str) -> dict[str, Any]:
    return [line for line in workspace.journal.entries() if line["event"] == event][-1]


@pytest.mark.parametrize("by_hand", [False, True])
def test_nothing_is_started_that_nobody_approved_and_everybody_says_so(site: Site, by_hand: bool) -> None:
    parts = site.parts()
    submission = parts.fleet.submit(WRAPPER, 3, ignore_limits=by_hand)
    assert submission.references == [] and submission.failed == {} and not site.edge.living()
    assert "no shape of cloud.example.org/long is approved" in submission.limited
    assert "tfce propose cloud.example.org/long" in submission.limited
    hold = parts.fleet.held()
    assert hold is not None and hold.kind is HoldKind.UNAPPROVED and hold.firm and not hold.most
    first = parts.fleet.why()[0]
    assert first.subject is Subject.HELD and first.text == hold.text and first.cure == hold.cure
    fresh = Site.parts(site, Workspace_Root=str(site.edge.folder / "new")).fleet.held()
    assert fresh is not None and fresh.kind is HoldKind.UNAPPROVED


def test_new_pilots_have_the_approved_shape_and_running_ones_keep_theirs(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.approve()
    parts = site.parts()
    assert len(parts.fleet.submit(WRAPPER, 2).references) == 2 and parts.workspace.review_status
    assert parts.fleet.held() is None and parts.workspace.review_status.lines() == []
    other = site.parts(Instance_Flavor="m5.large")
    with caplog.at_level(logging.WARNING, "tfce"):
        assert len(other.fleet.submit(WRAPPER, 1).references) == 1
    assert flavors(other) == ["t3.micro"] * 3
    said = "waits for approval: Instance_Flavor: m5.large is asked for, t3.micro is approved"
    assert said in caplog.text
    assert [one.text for one in other.fleet.why() if one.subject is Subject.REVIEW] == [said]
    site.approve(Instance_Flavor="m5.large")
    assert len(other.fleet.submit(WRAPPER, 1).references) == 1
    assert sorted(flavors(other)) == ["m5.large", *["t3.micro"] * 3]
    assert other.workspace.review_status and other.workspace.review_status.lines() == []


def test_all_queues_at_a_glance_show_what_waits_and_who_is_needed(site: Site) -> None:
    fleet = site.parts().fleet
    line = fleet.glance(fleet.announce())
    assert line.urgency is Urgency.PERSON and "is approved at" in line.problems[0].text
    assert "nobody has looked there yet" in line.problems[0].text
    fleet.submit(WRAPPER, 1)
    assert "nobody has looked" not in str(fleet.glance(fleet.announce()).problems)
    site.approve()
    site.parts().fleet.submit(WRAPPER, 1)
    fleet = site.parts(Instance_Flavor="m5.large").fleet
    line = fleet.glance(fleet.announce())
    assert line.urgency is not Urgency.PERSON and "m5.large is asked for" in "".join(
        one.text for one in line.problems
    )


def test_the_journal_says_what_was_approved(site: Site) -> None:
    site.approve()
    parts = site.parts(Instance_Flavor="m5.large")
    parts.fleet.submit(WRAPPER, 1)
    noted = last(parts.workspace, "submit")["shape"]
    assert parts.workspace.review_status and parts.workspace.review_status.approval
    assert (
        noted == parts.workspace.review_status.approval.to_json() and len(noted["digest"]) == 64 and noted["date"]
    )
    plain = site.edge.parts("short")
    plain.fleet.submit(WRAPPER, 1)
    assert len(last(plain.workspace, "submit")["shape"]["digest"]) == 64


def test_scale_never_waits(site: Site) -> None:
    """Counting, ending, removing: also where nothing is approved any more, and whatever the options ask."""
    site.approve()
    parts = site.parts()
    references = parts.fleet.submit(WRAPPER, 3).references
    for path in site.place.rglob("*"):
        if path.is_file():
            path.unlink()
    site.edge.stop(references[0].removeprefix("cloud://"))
    other = site.parts(Instance_Flavor="m5.large")
    assert other.fleet.submit(WRAPPER, 1).references == []
    assert [one.reference for one in other.fleet.reap().removed] == references[:1]
    assert [one.reference for one in other.fleet.kill(references[1:2]).removed] == references[1:2]
    assert set(other.fleet.poll(references).values()) and other.fleet.audit()
    assert len(site.edge.living()) == 1


def test_every_verb_writes_the_approved_shape_for_terraform(site: Site) -> None:
    site.approve()
    parts = site.parts()
    parts.fleet.submit(WRAPPER, 1)
    other = site.parts(Instance_Flavor="m5.large")
    for verb in (other.fleet.reap, other.fleet.repair, lambda: other.fleet.kill(["cloud://i-none"])):
        verb()
        text = (other.workspace.private / "queue.auto.tfvars").read_text()
        assert literals.read(text)["flavor"] == "t3.micro"
    assert "m5" not in (other.workspace.review_copies.shape / "queue.tfvars").read_text()


def test_lifetimes_that_nobody_approved_end_no_pilot(site: Site) -> None:
    site.approve()
    site.parts().fleet.submit(WRAPPER, 2)
    site.edge.advance(7200)
    short = site.parts(Context_MaxLifetime="3600")
    assert short.fleet.reap().removed == [] and len(site.edge.living()) == 2


def test_what_somebody_writes_into_the_kept_approval_is_checked(site: Site) -> None:
    site.approve()
    parts = site.parts()
    parts.fleet.submit(WRAPPER, 1)
    kept: Path = parts.workspace.private / "approved.json"
    good = kept.read_text()
    for text in ("", "{}", "[]", "\x00", good.replace("t3.micro", "${x}"), good.replace('"digest"', '"x"')):
        kept.write_text(text)
        again = site.parts(Workspace_Approved="/nowhere")
        assert again.fleet.submit(WRAPPER, 1).references == []
        same = site.parts()
        same.fleet.status()
        assert len(same.fleet.submit(WRAPPER, 1).references) == 1, text


def test_looking_writes_nothing(site: Site) -> None:
    site.approve()
    site.parts().fleet.submit(WRAPPER, 1)

    def there() -> dict[Path, bytes]:
        folder = site.parts().workspace.private
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    kept = site.parts().workspace.private / "approved"
    assert len(list(kept.iterdir())) == 2
    for path in sorted(kept.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    before, other = there(), site.parts(Instance_Flavor="m5.large").fleet
    for look in (other.status, other.drift, other.why, other.held):
        look()
    assert there() == before
