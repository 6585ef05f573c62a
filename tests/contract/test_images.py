"""Instance_Image = newest:PATTERN: which image it is, when it changes, and what never happens to VMs for it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, assert_settled
from tests.fakes import START, FakeCloud
from tfce.cloud.shared import SharedLists
from tfce.config.options import parse
from tfce.model.drain import Drain
from tfce.model.errors import CloudError, ConfigError
from tfce.model.images import Image, newest
from tfce.model.reasons import Kind
from tfce.pilots.fleet import Fleet

NEWEST = {"Instance_Image": "newest:debian-12-*", "Terraform_ImageOwners": "self"}
DAY = timedelta(days=1)
ONE = Image("ami-1", "debian-12-a", START - 9 * DAY)
TWO = Image("ami-2", "debian-12-b", START - 2 * DAY)
OTHER = Image("ami-3", "debian-13-a", START - DAY)


def test_the_newest_of_a_pattern_is_taken_and_a_change_is_said(
    edge: FakeEdge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tfce")
    edge.sky.images = [ONE, OTHER]
    parts = edge.parts(**NEWEST)
    parts.fleet.submit(WRAPPER, 2)
    assert {one.spec.image for one in parts.workspace.load().pilots.values()} == {"ami-1"}
    parts.fleet.submit(WRAPPER, 1)
    edge.sky.images.append(TWO)
    parts = edge.parts(**NEWEST)
    parts.fleet.submit(WRAPPER, 1)
    parts.fleet.reap()
    found = sorted(one.spec.image for one in parts.workspace.load().pilots.values())
    assert found == ["ami-1", "ami-1", "ami-1", "ami-2"]
    told = [line for line in parts.workspace.journal.entries() if line["event"] == "image"]
    assert [(line["was"], line["image"]) for line in told] == [("", "ami-1"), ("ami-1", "ami-2")]
    (warned,) = (one.getMessage() for one in caplog.records if one.levelno == logging.WARNING)
    assert "newest:debian-12-* is ami-2 (debian-12-b, made 2025-12-30), it was ami-1" in warned
    assert len(edge.sky.living()) == 4  # nothing that runs is replaced for that
    assert not [step for step, _ in edge.sky.steps if step in ("destroy", "untaint", "forget")]
    assert_settled(parts, edge)


def test_the_last_image_stays_the_runs_until_the_option_names_another(edge: FakeEdge) -> None:
    edge.sky.images = [ONE]
    parts = edge.parts(**NEWEST)
    parts.fleet.submit(WRAPPER, 1)
    kept = parts.workspace.variables.offering
    assert kept is not None and '"image": "ami-1"' in kept
    edge.parts(**NEWEST).fleet.reap()
    assert parts.workspace.variables.offering == kept  # a plan is empty
    edge.parts(Instance_Image="ami-9").fleet.reap()
    assert parts.workspace.variables.offering is None


def test_where_no_image_fits_nothing_is_started_and_the_cure_is_named(edge: FakeEdge) -> None:
    edge.sky.images = [OTHER]
    with pytest.raises(CloudError, match="no image has such a name; correct it") as caught:
        edge.parts(**NEWEST).fleet.submit(WRAPPER, 1)
    assert caught.value.reason.kind is Kind.IMAGE
    assert edge.sky.living() == []


def test_queues_of_one_login_ask_once(edge: FakeEdge) -> None:
    edge.sky.images, now = [ONE], [0.0]
    lists, cloud = SharedLists(lambda: now[0]), FakeCloud(edge.sky)
    for queue in ("long", "short"):
        parts = edge.parts(queue, **NEWEST)
        fleet = Fleet(parts.workspace, parts.terraform, cloud, edge.sky.clock, lists)
        fleet.submit(WRAPPER, 1)
    assert cloud.calls["DescribeImages"] == 1
    now[0] += 5
    fleet.submit(WRAPPER, 1)
    assert cloud.calls["DescribeImages"] == 2


def test_a_drain_of_an_image_ends_when_the_pattern_means_another(edge: FakeEdge) -> None:
    edge.sky.images = [ONE]
    parts = edge.parts(**NEWEST)
    parts.fleet.drain(Drain(edge.now(), "ami-1", 0, None))
    assert parts.fleet.submit(WRAPPER, 1).references == []
    edge.sky.images.append(TWO)
    assert len(edge.parts(**NEWEST).fleet.submit(WRAPPER, 1).references) == 1


def test_an_image_that_is_given_up_is_not_taken_while_there_is_another(
    edge: FakeEdge, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    old = Image("ami-4", "d", now, deprecated=now - DAY)
    hidden = Image("ami-5", "d", now, hidden=True)
    assert newest([ONE, old, hidden, Image("ami-0", "undated")], now) == ONE
    assert newest([old], now) == old and newest([], now) is None
    edge.sky.images = [Image("ami-4", "debian-12-c", START, deprecated=START + 30 * DAY)]
    edge.parts(**NEWEST).fleet.submit(WRAPPER, 1)
    assert "image ami-4 (debian-12-c) will be deprecated on 2026-01-31" in caplog.text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"Instance_Image": "newest:debian-*"}, "anybody may sell an image of such a name; name the publisher"),
        ({"Instance_Image": "newest:"}, "Instance_Image = newest:: names nothing"),
        ({"Terraform_ImageVisibility": "community"}, "must be some of public, private, shared"),
    ],
)
def test_what_cannot_be_is_refused(edge: FakeEdge, options: dict[str, str], told: str) -> None:
    wanted = {"CloudType": "EC2", "Instance_Image": "ami-1", "Instance_Flavor": "small", **options}
    with pytest.raises(ConfigError) as caught:
        parse("ce", "long", wanted, edge.folder, edge.folder)
    assert told in caught.value.message
