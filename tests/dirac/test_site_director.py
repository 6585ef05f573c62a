"""Whole lives of pilots under DIRAC's SiteDirector, over a simulated cloud."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.claims import some
from tests.dirac.conftest import Site
from tests.dirac.director import OLD, Director, load
from tests.dirac.test_proxies import Issuer
from tests.fakes import Refused

CPU = {"maxCPUTime": "1440", "SI00": "2400", "CPUTime": "86400"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("x509") / "ca")


@pytest.fixture
def name() -> str:
    """A DIRAC site that no other test has."""
    return f"CLOUD.T{uuid4().hex[:8]}.org"


def ce(site: Site, queues: dict[str, dict[str, str]] | None = None, **changes: str) -> dict[str, object]:
    options = {k: v for k, v in site.options(**changes).items() if k != "Queue"}
    queues = queues or {"long": {}}
    return {
        "CEType": "Terraform",
        "VO": "dteam",
        "QueryCEFlag": "True",
        **options,
        "Queues": {queue: {**CPU, **more} for queue, more in queues.items()},
    }


@pytest.fixture
def director(site: Site, name: str, tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Director:
    return Director(name, tmp_path, issuer, monkeypatch)


def test_a_whole_life(site: Site, name: str, director: Director, tmp_path: Path) -> None:
    site.sky.boot_seconds = 100
    load(tmp_path, name, {"cloud.a.org": ce(site)})
    director.matcher.jobs = 3
    states = director.cycle()
    assert len(states) == 3 and set(states.values()) == {"Waiting"}
    for reference, row in some(director.pilots.rows.items()):
        assert row["PilotStamp"] == site.sky.vms[reference.removeprefix("cloud://")].tags["tfce:key"]
        assert row["GridType"] == "Terraform" and row["Queue"] == "long"
    site.sky.clock.advance(100)
    director.matcher.jobs = 0
    assert set(director.cycle().values()) == {"Running"}
    stopped = next(iter(states))
    site.sky.stop(stopped.removeprefix("cloud://"))
    director.cycle()
    states = director.cycle()
    assert states[stopped] == "Done"
    assert len(site.sky.living()) == 2
    assert len(states) == 3


def test_demand_is_met_once_while_vms_boot(site: Site, name: str, director: Director, tmp_path: Path) -> None:
    site.sky.boot_seconds = 3600
    load(tmp_path, name, {"cloud.a.org": ce(site)})
    director.matcher.jobs = 3
    for _ in range(5):
        director.cycle()
        site.sky.clock.advance(120)
    assert len(director.pilots.rows) == len(site.sky.vms) == 3


def test_a_bad_option_takes_one_queue_out_and_is_logged(
    site: Site, name: str, director: Director, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queues = {"good": {}, "bad": {"Terraform_Parallelism": "lots"}}
    load(tmp_path, name, {"cloud.a.org": ce(site, queues)})
    director.matcher.jobs = 2
    director.cycle()
    assert list(director.agent.queueDict) == ["cloud.a.org_good"]
    assert {row["Queue"] for row in director.pilots.rows.values()} == {"good"}


def test_changed_options_rebuild_the_element_and_touch_no_vm(
    site: Site, name: str, director: Director, tmp_path: Path
) -> None:
    load(tmp_path, name, {"cloud.a.org": ce(site)})
    director.matcher.jobs = 2
    first = director.cycle()
    before = director.element("cloud.a.org_long")
    load(tmp_path, name, {"cloud.a.org": ce(site, Instance_Flavor="t3.large")})
    director.matcher.jobs = 0
    assert director.cycle() == dict.fromkeys(first, "Running")
    assert director.element("cloud.a.org_long") is not before
    assert len(site.sky.living()) == 2


def test_a_cloud_that_is_down_costs_no_pilot_its_life(
    site: Site, name: str, director: Director, tmp_path: Path
) -> None:
    load(tmp_path, name, {"cloud.a.org": ce(site)})
    director.agent.failedQueueCycleFactor = 1
    director.matcher.jobs = 2
    first = director.cycle()
    site.sky.down = "connection refused"
    director.matcher.jobs = 4
    for _ in range(4):
        assert director.cycle() == first
    site.sky.down = ""
    states = director.cycle()
    assert len(states) > 2 and set(states.values()) == {"Running"}


def test_a_failed_submission_reaches_the_log_with_its_reason(
    site: Site, name: str, director: Director, tmp_path: Path
) -> None:
    load(tmp_path, name, {"cloud.a.org": ce(site)})
    site.sky.at("create", Refused("InsufficientInstanceCapacity: none left"), times=2)
    director.matcher.jobs = 2
    said: list[str] = []
    director.agent.log = type(
        "Log", (), {"__getattr__": lambda s, n: lambda *t, **_: said.append(" ".join(map(str, t)))}
    )()
    director.cycle()
    reasons = [line for line in said if "InsufficientInstanceCapacity" in line]
    assert any("capacity: 2 of 2 failed" in line for line in reasons)
    assert director.pilots.rows == {}


def test_two_queues_and_two_ces_of_one_tenant_keep_apart(
    site: Site, name: str, director: Director, tmp_path: Path
) -> None:
    queues = {"short": {"Context_MaxLifetime": "1000"}, "long": {"Context_MaxLifetime": "100000"}}
    load(tmp_path, name, {"cloud.a.org": ce(site, queues), "cloud.b.org": ce(site, Context_MaxLifetime="2000")})
    director.matcher.jobs = 2
    director.cycle()
    director.matcher.jobs = 0
    assert len(site.sky.living()) == (6 if not OLD else len(director.pilots.rows))
    counts = {queue: director.element(queue).getCEStatus()["RunningJobs"] for queue in director.agent.queueDict}
    assert sum(counts.values()) == len(site.sky.living())
    for seconds, gone in ((1001, {"cloud.a.org_short"}), (1000, {"cloud.a.org_short", "cloud.b.org_long"})):
        site.sky.clock.advance(seconds)
        director.cycle()
        left = {queue: director.element(queue).getCEStatus()["RunningJobs"] for queue in counts}
        assert left == {queue: 0 if queue in gone else number for queue, number in counts.items()}
