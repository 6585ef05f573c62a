"""The proxies that DIRAC gives: the pilot's, as a secret for clouds that take it, and a longer one for VMs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from DIRAC.ConfigurationSystem.Client.Helpers.Operations import Operations
from DIRAC.Core.Security.ProxyInfo import getProxyInfo
from DIRAC.Core.Security.X509Chain import X509Chain
from DIRAC.FrameworkSystem.Client.ProxyManagerClient import gProxyManager

from tfce.model.errors import ConfigError, TfceError
from tfce.Resources.answers import value

_GRACE = 86400  # seconds that a downloaded proxy shall last beyond Context_ProxyLifetime
_SHORTEST = 600  # seconds below which a proxy is not worth showing to a cloud

_RENEW = "see that DIRAC's ProxyManager has a proxy of the pilot's user and group that lasts"
_UPLOAD = "upload a longer proxy of that user (dirac-proxy-init -U, dirac-admin-proxy-upload)"


class Proxies:
    """The proxies of one element. ``pilot`` gives the pilot's, as DIRAC gave it last; None: it has given none."""

    def __init__(self, pilot: Callable[[], X509Chain | None]) -> None:
        self._pilot = pilot
        self._dumped: tuple[X509Chain | None, str] = (None, "")
        self._long: X509Chain | None = None

    def file(self) -> str:
        """The path of a file with the pilot's proxy; another file for another proxy. Raises ``TfceError``."""
        proxy = self._pilot()
        if not proxy:
            raise ConfigError("CloudAuth", "secret = PROXY", "DIRAC has given no proxy", "see its ProxyManager")
        left = value(proxy.getRemainingSecs(), "the pilot proxy cannot be read", _RENEW)
        if left < _SHORTEST:
            raise TfceError(f"the pilot proxy lasts only {left} s more: it is not used", _RENEW)
        chain, path = self._dumped
        if chain is not proxy or not Path(path).is_file():
            path = _dump(proxy)
            self._dumped = proxy, path
        return path

    def for_vms(self, lifetime: int | None) -> bytes | None:
        """A limited proxy that lasts ``lifetime`` seconds, as PEM; None where VMs get none of their own. Raises
        ``TfceError``."""
        if lifetime is None:
            return None
        from tfce.userdata import brings_proxy

        dumped = value(self._lasting(lifetime).dumpAllToString(), "the cloud proxy cannot be written", _UPLOAD)
        text = dumped if isinstance(dumped, bytes) else str(dumped).encode()
        if not brings_proxy(text):
            raise TfceError("the cloud proxy that DIRAC gave has no private key", _UPLOAD)
        return text

    def _lasting(self, lifetime: int) -> X509Chain:
        """The proxy at hand if it lasts, else one from the ProxyManager."""
        if self._long is None or _left(self._long) < lifetime:
            dn, group = self._identity()
            what = f"the cloud proxy of {dn}, {group} for {lifetime} s is not to be had"
            answer = gProxyManager.downloadProxy(dn, group, limited=True, requiredTimeLeft=lifetime + _GRACE)
            chain = value(
                answer, what, f"{_UPLOAD}, or set Context_ProxyLifetime = none where the wrapper brings one"
            )
            if _left(chain) < lifetime:
                raise TfceError(
                    f"the cloud proxy of {dn}, {group} lasts only {_left(chain)} s, "
                    f"Context_ProxyLifetime = {lifetime} wants more",
                    f"{_UPLOAD}, or lower the option",
                )
            self._long = chain
        return self._long

    def _identity(self) -> tuple[str, str]:
        """DN and group of the proxy that VMs get."""
        proxy = self._pilot()
        if not proxy:
            raise TfceError(
                "the VM is to have a proxy of its own, but DIRAC has given none to tell DN and group from; "
                "see its ProxyManager, or set Context_ProxyLifetime = none"
            )
        info = value(getProxyInfo(proxy, disableVOMS=True), "the pilot proxy cannot be read", _RENEW)
        if not info.get("group") or "identity" not in info:
            whose = info.get("identity", info.get("subject", "nobody"))
            raise TfceError(
                f"the proxy of {whose} has no group that the Registry knows",
                "name the user in a group of the Registry, or set Context_ProxyLifetime = none",
            )
        group = str(info["group"])
        return str(Operations(group=group).getValue("Pilot/GenericCloudDN", info["identity"])), group


def _dump(proxy: X509Chain) -> str:
    try:
        dumped = gProxyManager.dumpProxyToFile(proxy, includeToken=False)
    except TypeError:  # DIRAC 8.0 has no tokens in proxies
        dumped = gProxyManager.dumpProxyToFile(proxy)
    return str(value(dumped, "the proxy cannot be written"))


def _left(chain: X509Chain) -> int:
    return int(value(chain.getRemainingSecs(), "the cloud proxy cannot be read", _UPLOAD))
