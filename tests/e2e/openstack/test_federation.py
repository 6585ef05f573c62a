"""Grid logins: VOMS proxies and OpenID Connect tokens, by libcloud; Terraform gets the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checking import until
from tests.claims import every
from tests.e2e.openstack.cloud import OpenStackSite
from tests.e2e.openstack.rig import Rig
from tests.rigs import dirac_x509
from tests.rigs.keystone import ACCESS_TOKEN, PROTOCOL, PROVIDER, Keystone, make_proxy
from tests.site import WRAPPER
from tfce.app import Parts
from tfce.config import credentials
from tfce.config.cfg import load_queue
from tfce.model.errors import CloudError

pytestmark = pytest.mark.rig("it knows no grid logins that the tests could use")


@pytest.fixture
def keystone(tmp_path: Path, rig: Rig) -> Iterator[Keystone]:
    """A keystone for grid users; the rig's stays behind it."""
    with Keystone(dirac_x509.make(tmp_path / "x509"), rig.env) as server:
        yield server


@pytest.fixture
def grid_site(site: OpenStackSite, keystone: Keystone) -> OpenStackSite:
    """A site that logs in there."""
    site.configure(Driver_ex_force_auth_url=keystone.url, Driver_ca_cert=str(keystone.authority.folder / "ca.pem"))
    return site


def with_proxy(site: OpenStackSite, proxy: Path) -> Parts:
    """The site's parts as DIRAC's agents have them: they know the pilot proxy."""
    return site.parts(credentials.load(load_queue(site.cfg, site.name), lambda: str(proxy)))


def live(parts: Parts, site: OpenStackSite) -> None:
    """A pilot from its submission to its removal."""
    submission = parts.fleet.submit(WRAPPER.encode(), 1)
    assert not submission.failed, submission.failed
    assert parts.fleet.poll(submission.references) == {submission.references[0]: "Running"}
    assert not parts.fleet.kill(submission.references).failed
    until(lambda: not site.servers(), "the VM is gone")


def test_a_voms_proxy(grid_site: OpenStackSite, keystone: Keystone) -> None:
    grid_site.authenticate("unused", "PROXY")
    grid_site.configure(Driver_ex_force_auth_version="2.0_voms")
    proxy = make_proxy(keystone.authority)
    live(with_proxy(grid_site, proxy), grid_site)
    assert grid_site.run("status", grid_site.name, X509_USER_PROXY=str(proxy)).code == 0
    logins = [client for method, path, client in keystone.asked if (method, path) == ("POST", "/v2.0/tokens")]
    # libcloud shows the proxy; Terraform has the token and shows nothing.
    assert logins[0] == "Pilot User/4711" and "" in logins
    assert every(path.startswith("/v2.0") for _, path, _ in keystone.asked)


def test_a_proxy_of_a_stranger_is_refused(grid_site: OpenStackSite, tmp_path: Path) -> None:
    other = dirac_x509.make(tmp_path / "other")
    grid_site.authenticate("unused", "PROXY")
    grid_site.configure(Driver_ex_force_auth_version="2.0_voms")
    parts = with_proxy(grid_site, make_proxy(other))
    with pytest.raises(CloudError) as caught:
        parts.fleet.poll(["cloud://one"])
    assert caught.value.kind in ("authentication", "unreachable")


def test_no_proxy_is_said(grid_site: OpenStackSite) -> None:
    grid_site.authenticate("unused", "PROXY")
    grid_site.configure(Driver_ex_force_auth_version="2.0_voms")
    refused = grid_site.run("status", grid_site.name)
    assert refused.code == 2 and "PROXY" in refused.err


def test_an_openid_connect_access_token(grid_site: OpenStackSite, keystone: Keystone) -> None:
    grid_site.authenticate(PROVIDER, ACCESS_TOKEN)
    grid_site.configure(
        Driver_ex_force_auth_version="3.x_oidc_access_token",
        Driver_ex_tenant_name=PROTOCOL,
        Driver_ex_domain_name=grid_site.project,
    )
    live(grid_site.parts(), grid_site)
    assert [path for _, path, _ in keystone.asked if "OS-FEDERATION" in path]


def test_an_access_token_that_ended(grid_site: OpenStackSite) -> None:
    grid_site.authenticate(PROVIDER, "ended-access-token")
    grid_site.configure(
        Driver_ex_force_auth_version="3.x_oidc_access_token",
        Driver_ex_tenant_name=PROTOCOL,
        Driver_ex_domain_name=grid_site.project,
    )
    refused = grid_site.run("status", grid_site.name)
    assert refused.code == 3 and "credentials" in refused.err and "ended-access-token" not in refused.err
    assert grid_site.submit(1).code == 3
