"""Real X.509 proxies: the pilot's, the secret PROXY, and the long-lived one for the VM. No server."""

from __future__ import annotations

import base64
import bz2
import random
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import userdata
from tests.claims import every
from tests.dirac.conftest import BARE, CE, Site
from tests.rigs import dirac_x509
from tfce.config.credentials import Credentials
from tfce.pilots.recipes import recipe_for
from tfce.userdata import brings_proxy, render

GROUP = "dteam_pilot"
DAY = 86400
FORTNIGHT = 14 * DAY


class Issuer:
    """A user's certificate, from which proxies are made; and the ProxyManager that hands them out."""

    def __init__(self, folder: Path) -> None:
        self.authority = dirac_x509.make(folder)
        self.folder = folder
        self.asked: list[dict[str, Any]] = []
        self.lasts = 30 * DAY

    def proxy(self, seconds: int, limited: bool = False) -> Any:
        """A proxy that lasts so many seconds, as DIRAC's X509Chain."""
        from DIRAC.Core.Security.X509Chain import X509Chain

        user = X509Chain()
        assert user.loadChainFromFile(str(self.authority.certificate("user")))["OK"]
        assert user.loadKeyFromFile(str(self.authority.key("user")))["OK"]
        path = self.folder / f"proxy-{uuid4().hex}.pem"  # SiteDirector's threads ask at once
        made = user.generateProxyToFile(str(path), seconds, diracGroup=GROUP, limited=limited)
        assert made["OK"], made
        proxy = X509Chain()
        assert proxy.loadProxyFromFile(str(path))["OK"]
        return proxy

    def downloadProxy(self, dn: str, group: str, **asked: Any) -> Any:  # noqa: N802  DIRAC's name
        """What the ProxyManager's client does, within what the user has uploaded."""
        from DIRAC import S_ERROR, S_OK

        self.asked.append({"dn": dn, "group": group, **asked})
        if asked["requiredTimeLeft"] > self.lasts + 2 * DAY:
            return S_ERROR("Can't get a proxy for that long")
        return S_OK(self.proxy(min(self.lasts, asked["requiredTimeLeft"]), asked["limited"]))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("x509") / "ca")


@pytest.fixture
def manager(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    from DIRAC.FrameworkSystem.Client.ProxyManagerClient import gProxyManager

    issuer.asked.clear()
    issuer.lasts = 30 * DAY
    monkeypatch.setattr(gProxyManager, "downloadProxy", issuer.downloadProxy)
    return issuer


def vm_files(site: Site) -> dict[str, tuple[str, bytes]]:
    (text,) = site.sky.user_data.values()
    return userdata.files(text or "")


def test_the_element_keeps_the_chain_and_its_time(site: Site, issuer: Issuer) -> None:
    element = site.element()
    assert not element.proxy
    chain = issuer.proxy(DAY)
    element.setProxy(chain)
    assert element.proxy is chain  # SiteDirector asks it for its remaining time
    assert element.proxy.getRemainingSecs()["Value"] > DAY - 60
    element.setProxy(chain, 23300)
    if hasattr(element, "isProxyValid"):
        assert element.isProxyValid(3 * 3600)["OK"]


# -- the long-lived proxy in the VM ------------------------------------------------------------------------


def test_where_the_wrapper_brings_a_proxy_the_vm_gets_none_of_its_own(site: Site, manager: Issuer) -> None:
    element = site.element()
    element.setProxy(manager.proxy(DAY))
    assert element.submitJob(site.wrapper, "", 1)["OK"]
    assert manager.asked == []
    assert "/root/proxy.pem" not in vm_files(site)


def bare(site: Site) -> str:
    """The path of a wrapper without a proxy."""
    path = site.folder / "bare.sh"
    path.write_bytes(BARE)
    return str(path)


def test_where_it_brings_none_the_vm_gets_one_for_two_weeks_by_default(site: Site, manager: Issuer) -> None:
    element = site.element()
    element.setProxy(manager.proxy(DAY))
    assert element.submitJob(bare(site), "", 1)["OK"]
    (asked,) = manager.asked
    assert asked["requiredTimeLeft"] == FORTNIGHT + DAY and asked["limited"]
    assert "/root/proxy.pem" in vm_files(site)


def test_none_turns_it_off(site: Site, manager: Issuer) -> None:
    element = site.element(Context_ProxyLifetime="none")
    element.setProxy(manager.proxy(DAY))
    assert element.submitJob(bare(site), "", 1)["OK"]
    assert manager.asked == [] and "/root/proxy.pem" not in vm_files(site)


@pytest.mark.parametrize("packed", [False, True])
def test_dirac_s_own_wrapper_is_known_by_what_is_in_it(issuer: Issuer, packed: bool) -> None:
    from DIRAC.WorkloadManagementSystem.Utilities import PilotWrapper

    files = PilotWrapper.getPilotFilesCompressedEncodedDict([], issuer.proxy(DAY) if packed else None)
    assert brings_proxy(PilotWrapper.pilotWrapperScript(files, "-n a.site").encode()) is packed


def packed(size: int) -> bytes:
    """A proxy of so many bytes, as DIRAC packs it. PEM does not compress, whatever is in it."""
    noise = base64.encodebytes(random.Random(1).randbytes(size)).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n{noise}"[:size]
    return base64.b64encode(bz2.compress(pem.encode()))


def real_wrapper(site: Site, proxy: int) -> str:
    """The path of the wrapper that this DIRAC's SiteDirector makes around a proxy of so many bytes."""
    from DIRAC.WorkloadManagementSystem.Utilities import PilotWrapper

    path = site.folder / "real.sh"
    options = "-V gridpp -l DIRAC -e GridPP -N cloud.example.org -Q long -n CLOUD.Example.org --wnVO=dteam"
    script = PilotWrapper.pilotWrapperScript(
        {"proxy": packed(proxy)},
        options,
        envVariables={"DIRAC_PILOT_STAMP": "x" * 32},
        location="dirac.example.org:8443/pilot",
        CVMFS_locations=["/cvmfs/dirac.egi.eu/pilot"],
    )
    path.write_text(script)
    return str(path)


@pytest.mark.parametrize(("module", "proxy"), [("bulk", 4600), ("bulk", 7800), ("native", 4600)])
def test_diracs_own_wrapper_with_a_voms_proxy_fits_ec2(site: Site, module: str, proxy: int) -> None:
    recipe = recipe_for(site.element(Terraform_Module=module)._fleet().queue)
    render(recipe, key="0A1B2C3D-#", wrapper=Path(real_wrapper(site, proxy)).read_bytes())


def test_where_a_large_proxy_does_not_fit_the_message_names_what_does(site: Site) -> None:
    result = site.element(Terraform_Module="native").submitJob(real_wrapper(site, 7800), "", 1)
    assert not result["OK"]
    assert "set Terraform_Module = bulk, which sends compressed bytes (then 1" in result["Message"]


def test_the_cloud_proxy_lasts_and_is_for_its_owner_only(site: Site, manager: Issuer) -> None:
    from DIRAC.Core.Security.X509Chain import X509Chain

    element = site.element(Context_ProxyLifetime=str(FORTNIGHT))
    element.setProxy(manager.proxy(DAY))
    assert element.submitJob(site.wrapper, "", 1)["OK"]
    (asked,) = manager.asked
    assert (asked["dn"], asked["group"]) == (dirac_x509.PILOT_DN, GROUP)
    assert asked["limited"] and asked["requiredTimeLeft"] == FORTNIGHT + DAY
    permissions, text = vm_files(site)["/root/proxy.pem"]
    assert permissions in ("0600", "600")
    proxy = X509Chain()
    assert proxy.loadProxyFromString(text.decode())["OK"]
    assert proxy.getRemainingSecs()["Value"] >= FORTNIGHT
    assert proxy.isLimitedProxy()["Value"]


def test_a_cloud_proxy_is_used_again_while_it_lasts_and_then_renewed(site: Site, manager: Issuer) -> None:
    element = site.element(Context_ProxyLifetime=str(FORTNIGHT))
    element.setProxy(manager.proxy(DAY))
    for _ in range(2):
        assert element.submitJob(site.wrapper, "", 1)["OK"]
    assert len(manager.asked) == 1
    element._proxies._long = manager.proxy(FORTNIGHT - 60)
    assert element.submitJob(site.wrapper, "", 1)["OK"]
    assert len(manager.asked) == 2


def test_the_dn_may_be_another_one(site: Site, manager: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    from tfce.Resources import proxies

    asked: list[tuple[str, str]] = []

    class Operations:
        def __init__(self, group: str) -> None:
            self.group = group

        def getValue(self, option: str, default: str) -> str:  # noqa: N802  DIRAC's name
            asked.append((self.group, option))
            assert default == dirac_x509.PILOT_DN
            return "/O=TFCE/CN=Cloud Robot"

    monkeypatch.setattr(proxies, "Operations", Operations)
    element = site.element(Context_ProxyLifetime=str(FORTNIGHT))
    element.setProxy(manager.proxy(DAY))
    assert element.submitJob(site.wrapper, "", 1)["OK"]
    assert asked == [(GROUP, "Pilot/GenericCloudDN")]
    assert manager.asked[0]["dn"] == "/O=TFCE/CN=Cloud Robot"


def test_a_cloud_proxy_about_to_expire_is_refused_with_its_remaining_time(site: Site, manager: Issuer) -> None:
    manager.lasts = 13 * DAY + 20
    element = site.element(Context_ProxyLifetime=str(13 * DAY + 100))
    element.setProxy(manager.proxy(DAY))
    result = element.submitJob(site.wrapper, "", 1)
    assert not result["OK"] and not site.sky.vms
    assert "lasts only 11232" in result["Message"]
    assert "Context_ProxyLifetime" in result["Message"] and dirac_x509.PILOT_DN in result["Message"]


def test_a_cloud_proxy_that_is_not_to_be_had_is_an_answer(site: Site, manager: Issuer) -> None:
    manager.lasts = DAY
    element = site.element(Context_ProxyLifetime=str(FORTNIGHT))
    element.setProxy(manager.proxy(DAY))
    result = element.submitJob(site.wrapper, "", 1)
    assert not result["OK"] and "Can't get a proxy" in result["Message"] and not site.sky.vms


def test_a_cloud_proxy_needs_to_know_whose(site: Site, manager: Issuer) -> None:
    result = site.element(Context_ProxyLifetime="1000").submitJob(site.wrapper, "", 1)
    assert not result["OK"] and "DIRAC has given none" in result["Message"]


def test_the_cloud_proxy_is_nowhere_on_disk_afterwards(site: Site, manager: Issuer) -> None:
    element = site.element(Context_ProxyLifetime=str(FORTNIGHT))
    element.setProxy(manager.proxy(DAY))
    assert element.submitJob(site.wrapper, "", 1)["OK"]
    _, text = vm_files(site)["/root/proxy.pem"]
    secret = text.split(b"PRIVATE KEY-----")[1][10:60]
    kept = [path for path in (site.folder / "root").rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert kept == []


def odd(issuer: Issuer, name: str) -> Any:
    """A chain that is no proxy to work with."""
    from DIRAC.Core.Security.X509Chain import X509Chain

    chain = X509Chain()
    if name == "a certificate":
        assert chain.loadChainFromFile(str(issuer.authority.certificate("user")))["OK"]
    elif name == "no key":
        certificates = issuer.proxy(DAY).dumpChainToString()["Value"]
        text = certificates if isinstance(certificates, str) else certificates.decode()
        assert chain.loadChainFromString(text)["OK"]
    elif name == "ended":
        chain = issuer.proxy(1)
        time.sleep(1.1)
    return chain


ODD = ["empty", "a certificate", "no key", "ended"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("whose", ["pilot", "cloud"])
def test_an_odd_proxy_is_one_answer_with_its_cure(
    site: Site, manager: Issuer, monkeypatch: pytest.MonkeyPatch, whose: str, name: str
) -> None:
    from DIRAC import S_OK
    from DIRAC.FrameworkSystem.Client.ProxyManagerClient import gProxyManager

    chain = odd(manager, name)
    if whose == "cloud":
        monkeypatch.setattr(gProxyManager, "downloadProxy", lambda *_, **__: S_OK(chain))
    element = site.element()
    element.setProxy(chain if whose == "pilot" else manager.proxy(DAY))
    result = element.submitJob(bare(site), "", 1)
    if whose == "pilot" and name in ("no key", "ended"):
        assert result["OK"]  # it says for whom; the VM gets another
        return
    assert not result["OK"] and not site.sky.vms
    assert "unexpected" not in result["Message"] and "; " in result["Message"], result["Message"]


# -- the secret PROXY --------------------------------------------------------------------------------------


def test_the_secret_proxy_is_refused_for_ec2_with_the_cure(site: Site) -> None:
    element = site.element()
    (site.folder / "cloud.auth").write_text('[DEFAULT]\nkey = "user"\nsecret = "PROXY"\n')
    for result in (element.getCEStatus(), element.submitJob(site.wrapper, "", 1)):
        assert not result["OK"]
        assert f"{CE}/long: configuration: CloudAuth = " in result["Message"]
        assert "EC2 does not take" in result["Message"] and "write the secret access key" in result["Message"]


def test_the_secret_proxy_is_the_path_of_the_dumped_proxy_and_follows_its_renewal(
    site: Site, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfce.config import credentials

    # Until a cloud takes proxies, only the refusal stands between the secret and the driver.
    monkeypatch.setattr(credentials, "_proxy", lambda queue, path, proxy: proxy())
    (site.folder / "cloud.auth").touch(0o600)
    (site.folder / "cloud.auth").write_text("[DEFAULT]\nkey = user\nsecret = PROXY\n")
    element = site.element()
    seen: list[Credentials] = []
    assemble = type(element)._assemble
    monkeypatch.setattr(type(element), "_assemble", staticmethod(lambda q, s: (seen.append(s), assemble(q, s))[1]))
    assert "DIRAC has given no proxy" in element.getCEStatus()["Message"]
    for chain in (issuer.proxy(DAY), issuer.proxy(2 * DAY)):
        element.setProxy(chain)
        for _ in range(2):
            assert element.getCEStatus()["OK"]
    paths = [Path(one.secret) for one in seen]
    assert len(paths) == 2 and paths[0] != paths[1]
    assert every(b"PRIVATE KEY" in path.read_bytes() for path in paths)
    element.setProxy(issuer.proxy(300))
    assert "lasts only 2" in element.getCEStatus()["Message"]
