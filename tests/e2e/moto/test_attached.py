"""The provider that this process serves: what Terraform and OpenTofu may do to it, and what runs keep apart."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.checking import alive, children, until
from tests.claims import some
from tests.rigs import opentofu
from tests.rigs.localstack import Emulator
from tests.rigs.proxy import Fault, Proxy
from tests.rigs.sockets import UNREACHABLE, Hinder, address, hindered, slow, trickling
from tests.site import SECRET, Site
from tfce.model.pilot import Pilot, moment
from tfce.model.reasons import Kind
from tfce.pilots.submission import Submission
from tfce.provider.attached import VARIABLE, attached
from tfce.provider.run import Run
from tfce.terraform import variables
from tfce.terraform.bulk import Bulk

BORN = moment("2026-01-31T12:00:00Z")
A, B, C = "0000000A", "0000000B", "0000000C"
TOFU = opentofu.find()


@pytest.fixture(
    params=[
        "terraform",
        pytest.param("tofu", marks=pytest.mark.skipif(TOFU is None, reason="needs tests/rigs/opentofu.py")),
    ]
)
def anyone(request: pytest.FixtureRequest, site: Site) -> Site:
    """A site on Terraform, and on OpenTofu."""
    if request.param == "tofu":
        site.configure(Terraform_Binary=str(TOFU))
    return site


def bulk(
    site: Site, *keys: str, attach: Callable[[Run], AbstractContextManager[Mapping[str, str]]] = attached
) -> Bulk:
    """The Terraform edge of a site whose pilots ``keys`` are wanted."""
    parts = site.parts()
    made = Bulk(parts.workspace, parts.credentials, clone=parts.cloud.clone, attach=attach)
    parts.workspace.prepare()
    parts.terraform.prepare()
    variables.write(parts.workspace)
    record = parts.workspace.load()
    parts.workspace.save(record.including(Pilot(key, BORN, "b") for key in keys))
    parts.workspace.write_contexts(dict.fromkeys(keys, b"#!/bin/sh\n"))
    return made


def pids(environment: Mapping[str, str]) -> set[int]:
    return {entry["Pid"] for entry in json.loads(environment[VARIABLE]).values()}


# -- what it looks like ------------------------------------------------------------------------------------


def a_run(site: Site) -> Run:
    return Run(lambda block: site.parts().cloud.clone)


def test_only_its_owner_reaches_it_and_nothing_of_it_stays(site: Site) -> None:
    before = set(children(os.getpid()))
    with attached(a_run(site)) as environment:
        place = address(environment)
        assert place.is_socket() and place.parent.stat().st_mode & 0o777 == 0o700
        assert {"registry.terraform.io/tfce/tfce", "registry.opentofu.org/tfce/tfce"} == set(
            json.loads(environment[VARIABLE])
        )
        assert list(environment) == [VARIABLE] and SECRET not in str(environment)
        (pid,) = pids(environment)
        assert alive(pid) and pid != os.getpid() and pid in children(os.getpid())
    assert not place.parent.exists() and not alive(pid) and set(children(os.getpid())) == before


def test_the_process_that_may_be_killed_keeps_its_number_until_the_end(site: Site) -> None:
    with attached(a_run(site)) as environment:
        (pid,) = pids(environment)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "it ends")
        assert Path(f"/proc/{pid}").exists()  # nobody else can have this number


def test_a_long_temporary_folder_does_not_matter(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with attached(a_run(site)) as environment:
        assert address(environment).is_socket()


# -- what is no provider, or not yet -----------------------------------------------------------------------


def submitted(site: Site, hinder: Hinder) -> Submission:
    """What a submission says whose provider was hindered."""
    parts = site.parts()
    assert isinstance(parts.terraform, Bulk)
    parts.terraform._attach = lambda run: hindered(run, hinder)
    return parts.fleet.submit(b"#!/bin/sh\n", 1)


@pytest.mark.parametrize("hinder", UNREACHABLE)
def test_a_provider_that_cannot_be_reached_is_one_clear_error(anyone: Site, hinder: Hinder) -> None:
    refused = submitted(anyone, hinder)
    (reason,) = refused.failed.values()
    assert reason.kind is Kind.PROVIDER and not refused.references
    assert reason.text.startswith("Terraform did not get through to the provider that tfce serves: ")
    assert "nothing was asked of the cloud" in reason.cure and "TMPDIR" in reason.cure
    assert not anyone.instances()
    after = anyone.parts().fleet.submit(b"#!/bin/sh\n", 1)  # we live, and the queue is not stuck
    assert len(after.references) == 1 == len(anyone.instances())


def test_a_provider_that_never_gets_to_the_point_does_not_outlast_the_timeout(anyone: Site) -> None:
    anyone.configure(Terraform_Timeout="3")
    assert len(anyone.parts().fleet.submit(b"#!/bin/sh\n", 1).references) == 1
    begun = time.monotonic()
    (reason,) = submitted(anyone, trickling).failed.values()
    assert time.monotonic() - begun < 20
    assert reason.kind is Kind.TIMED_OUT and reason.text.startswith("Terraform_Timeout = 3: Terraform timed out")
    assert "raise Terraform_Timeout" in reason.cure and len(anyone.instances()) == 1


def test_a_provider_that_answers_slowly_is_waited_for(anyone: Site) -> None:
    applied = bulk(anyone, A, attach=lambda run: hindered(run, slow)).apply([A])
    assert not applied.trouble and set(applied.ids) == {A}


# -- what comes back ---------------------------------------------------------------------------------------


def test_what_was_made_and_what_was_refused_comes_back_as_objects(anyone: Site) -> None:
    anyone.configure(Terraform_Parallelism="1")
    terraform = bulk(anyone, A, B, C)
    anyone.proxy.add(Fault("RunInstances", "error", nth=2, code="InstanceLimitExceeded", message="quota is full"))
    applied = terraform.apply([A, B])
    (made,) = anyone.instances().items()
    assert applied.ids == {made[1][1]["tfce:key"]: made[0]}
    (refusal,) = applied.failed.items()
    assert refusal[0] in (A, B) and "InstanceLimitExceeded: quota is full" in str(refusal[1])
    assert applied.calls["RunInstances"] == 2 and C not in {*applied.ids, *applied.failed}


def test_terraform_gets_no_login(anyone: Site) -> None:
    environment = bulk(anyone).environment()
    assert SECRET not in str(environment) and not any(
        name.startswith(("AWS_", "TFCE_CLOUD_K")) for name in environment
    )


def test_a_killed_terraform_does_not_take_the_ids_along(anyone: Site) -> None:
    anyone.proxy.add(Fault("RunInstances", "hang", seconds=3))
    terraform = bulk(anyone, A)
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(terraform.apply([A])))
    before = set(children(os.getpid()))
    thread.start()
    until(lambda: anyone.proxy.counts().get("RunInstances"), "RunInstances")
    for pid in set(children(os.getpid())) - before:
        if b"\0apply\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    thread.join(60)
    (applied,) = done
    assert "killed by signal 9" in applied.trouble  # type: ignore[attr-defined]
    assert set(applied.ids.values()) == set(anyone.instances())  # type: ignore[attr-defined]
    assert terraform.instances() == {}  # nobody wrote it down: the ids are all that there is


def test_more_clouds_that_hang_than_there_ever_are_slots_stop_no_healthy_queue(
    tmp_path: Path, emulator: Emulator
) -> None:
    with ExitStack() as proxies:
        runs = []
        for number in range(6):  # of one slot there are four at most, for who waits long
            proxy = proxies.enter_context(Proxy(emulator.url, mend=False))
            options = {"Terraform_Module": "bulk", "Terraform_Batch": "1", "Terraform_MaxProcesses": "1"}
            options["Workspace_Root"] = str(tmp_path / "root")
            ce = f"cloud-{uuid4().hex[:8]}.example.org"
            site = Site(tmp_path / str(number), emulator, proxy, ce=ce, options=options)
            runs.append((proxy, bulk(site, A)))
        *hanging, (_, healthy) = runs
        for proxy, _ in hanging:
            proxy.latency = 15.0
        threads = [threading.Thread(target=terraform.apply, args=([A],)) for _, terraform in hanging]
        for thread in threads:
            thread.start()
        until(lambda: all(proxy.busy for proxy, _ in hanging), "all of them wait for their clouds", 25)
        assert set(healthy.apply([A]).ids) == {A}
        assert not [thread for thread in threads if not thread.is_alive()]
        for proxy, _ in hanging:
            proxy.latency = 0.0
        for thread in threads:
            thread.join(60)


def test_queues_in_threads_do_not_mix(tmp_path: Path, emulator: Emulator) -> None:
    with Proxy(emulator.url, mend=False) as proxy:
        sites = []
        for number in range(8):  # twice as many as may run at once
            ce = f"cloud-{uuid4().hex[:8]}.example.org"
            options = {"Terraform_Module": "bulk", "Terraform_Batch": "1", "Terraform_MaxProcesses": "4"}
            site = Site(tmp_path / str(number), emulator, proxy, ce=ce, options=options)
            sites.append(site)
        edges = {site.ce: (site, bulk(site, A, B)) for site in sites}
        ids: dict[str, dict[str, str]] = {}

        def submit(ce: str) -> None:
            ids[ce] = edges[ce][1].apply([A, B]).ids

        threads = [threading.Thread(target=submit, args=(ce,)) for ce in edges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for ce, (site, terraform) in some(edges.items()):
            found = {tags["tfce:key"]: node_id for node_id, (_, tags) in site.instances().items()}
            assert ids[ce] == found and set(found) == {A, B}
            assert {key: entry.id for key, entry in terraform.instances().items()} == found
