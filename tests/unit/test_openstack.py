"""What OpenStack's words mean, and how one login becomes two clients' words; the documentation says the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tfce.cloud.openstack.parse import STATES
from tfce.cloud.openstack.parse import server as vm_of
from tfce.config import openstack_logins
from tfce.model.vm import State

DOCUMENT = (Path(__file__).parents[2] / "docs" / "openstack.md").read_text()
# Every status that nova's API knows.
NOVA = set(
    re.findall(
        r"\w+",
        """ACTIVE BUILD DELETED ERROR HARD_REBOOT MIGRATING PASSWORD PAUSED REBOOT REBUILD RESCUE RESIZE
        REVERT_RESIZE SHELVED SHELVED_OFFLOADED SHUTOFF SOFT_DELETED SUSPENDED UNKNOWN VERIFY_RESIZE""",
    )
)


def documented() -> dict[str, str]:
    """Nova's words and what DIRAC reads, from the table in the documentation."""
    table = DOCUMENT.partition("## States")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    return {word: cells[2].strip() for cells in rows for word in re.findall(r"`([A-Z_]+)`", cells[0])}


def server(**more: Any) -> dict[str, Any]:
    """A server as nova lists it."""
    return {"id": "1", "name": "n", "status": "ACTIVE", "created": "2026-01-02T03:04:05Z", "metadata": {}, **more}


@pytest.mark.parametrize("status", sorted(NOVA))
def test_every_state_of_nova_is_mapped_and_documented(status: str) -> None:
    state = vm_of(server(status=status)).state
    assert state is STATES.get(status, State.UNKNOWN)
    # What neither runs nor has ended is polled as running.
    said = "Running" if state is State.UNKNOWN else state.value
    assert documented()[status].startswith(said)


def test_nothing_else_is_documented_or_mapped() -> None:
    assert set(documented()) == NOVA >= set(STATES)


def test_a_server_on_its_way_out_is_being_deleted_and_a_fault_is_the_reason() -> None:
    leaving = vm_of(server(**{"OS-EXT-STS:task_state": "deleting"}))
    assert leaving.state is State.DELETING and "deleting" in leaving.raw_state
    failed = vm_of(server(status="ERROR", fault={"message": "No valid host was found."}))
    assert (failed.state, str(failed.fault)) == (State.FAILED, "No valid host was found.")
    assert failed.fault and failed.fault.no_room


@pytest.mark.parametrize(
    ("more", "ended"),
    [
        ({"status": "SHUTOFF"}, "2026-01-02T03:09:05+00:00"),
        ({"status": "ERROR"}, "2026-01-02T03:09:05+00:00"),
        ({"status": "ACTIVE", "OS-EXT-STS:task_state": "deleting"}, "2026-01-02T03:09:05+00:00"),
        ({"status": "ACTIVE"}, None),
        ({"status": "PAUSED"}, None),
        ({"status": "SHUTOFF", "updated": None}, None),
        (
            {"status": "DELETED", "OS-SRV-USG:terminated_at": "2026-01-02T03:06:05.000000"},
            "2026-01-02T03:06:05+00:00",
        ),
    ],
)
def test_since_when_a_server_is_off(more: dict[str, Any], ended: str | None) -> None:
    found = vm_of(server(**{"updated": "2026-01-02T03:09:05Z", **more}))
    assert (found.ended.isoformat() if found.ended else None) == ended


URL = {"ex_force_auth_url": "https://keystone.example.org:5000"}


@pytest.mark.parametrize(
    ("driver", "wanted"),
    [
        (
            {"ex_tenant_name": "lz"},
            {
                "OS_AUTH_URL": "https://keystone.example.org:5000/v3",
                "OS_USERNAME": "k",
                "OS_PASSWORD": "s",
                "OS_USER_DOMAIN_NAME": "Default",
                "OS_PROJECT_NAME": "lz",
                "OS_PROJECT_DOMAIN_ID": "default",
            },
        ),
        (
            {"ex_tenant_id": "4711", "ex_domain_name": "Grid", "ca_cert": "/ca.pem"},
            {
                "OS_AUTH_URL": "https://keystone.example.org:5000/v3",
                "OS_USERNAME": "k",
                "OS_PASSWORD": "s",
                "OS_USER_DOMAIN_NAME": "Grid",
                "OS_PROJECT_ID": "4711",
                "OS_CACERT": "/ca.pem",
            },
        ),
        (
            {"ex_force_auth_version": "3.x_appcred"},
            {
                "OS_AUTH_URL": "https://keystone.example.org:5000/v3",
                "OS_APPLICATION_CREDENTIAL_ID": "k",
                "OS_APPLICATION_CREDENTIAL_SECRET": "s",
            },
        ),
        (
            {"ex_force_auth_version": "2.0_password", "ex_tenant_name": "lz"},
            {
                "OS_AUTH_URL": "https://keystone.example.org:5000/v2.0",
                "OS_USERNAME": "k",
                "OS_PASSWORD": "s",
                "OS_TENANT_NAME": "lz",
            },
        ),
        (
            {"ex_force_auth_version": "2.0_voms"},
            {
                "OS_AUTH_URL": "https://keystone.example.org:5000/v2.0",
                "OS_TOKEN": "a-token",
                "OS_ALLOW_REAUTH": "false",
            },
        ),
        (
            {
                "ex_force_auth_version": "3.x_oidc_access_token",
                "ex_tenant_name": "openid",
                "ex_domain_name": "lz",
                "ex_tenant_domain_id": "d",
            },
            {
                "OS_AUTH_URL": "https://keystone.example.org:5000/v3",
                "OS_TOKEN": "a-token",
                "OS_ALLOW_REAUTH": "false",
                "OS_PROJECT_NAME": "lz",
                "OS_PROJECT_DOMAIN_ID": "d",
            },
        ),
    ],
)
def test_the_providers_environment(driver: dict[str, str], wanted: dict[str, str]) -> None:
    asked = {**URL, **driver}
    assert openstack_logins.environment(asked, "k", "s", None, lambda: "a-token") == wanted
    assert openstack_logins.faults(asked) == []
    assert openstack_logins.environment(asked, "k", "s", "here", str)["OS_REGION_NAME"] == "here"


def test_every_login_is_documented() -> None:
    table = DOCUMENT.partition("## Logins")[2].partition("### ")[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)) == {
        *openstack_logins.METHODS,
        "Driver_ex_force_auth_version",
    }


@pytest.mark.parametrize("given", ["", "/", "/v3", "/v3/", "/v2.0"])
def test_the_url_may_bear_a_version(given: str) -> None:
    driver = {"ex_force_auth_url": f"https://keystone.example.org:5000{given}"}
    assert openstack_logins.libcloud_auth_url(driver) == "https://keystone.example.org:5000"
    assert openstack_logins.auth_url(driver).count("/v") == 1


@pytest.mark.parametrize(
    ("driver", "option"),
    [
        ({}, "Driver_ex_force_auth_url"),
        ({**URL, "ex_force_auth_version": "3.x_kerberos"}, "Driver_ex_force_auth_version"),
        (URL, "Driver_ex_tenant_name"),
    ],
)
def test_what_is_wrong_with_a_login_is_said(driver: dict[str, str], option: str) -> None:
    assert option in [fault.option for fault in openstack_logins.faults(driver)]
