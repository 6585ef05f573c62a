"""Options of what a VM is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfce.config import readers as read
from tfce.config.declared import option
from tfce.model.proxy import ProxyRule

_DAY = 86400


@dataclass(frozen=True)
class UserData:
    """What a VM is told at its start."""

    template: Path | None = option(
        "Context_Template", read.path, "", "cloud-init template instead of tfce's own", "/opt/dirac/etc/vm.yaml"
    )
    packages: tuple[str, ...] = option(
        "Context_ExtPackages", read.items, "", "additional packages for the VM", "gcc, git"
    )
    cvmfs_proxies: str = option(
        "Context_CVMFSProxies",
        read.text,
        "auto;DIRECT",
        "CVMFS_HTTP_PROXY of the VM",
        "http://squid.example.org:3128",
    )
    max_lifetime: int = option(
        "Context_MaxLifetime", read.duration, "1209600", "seconds after which a VM is overdue", "259200"
    )
    drain_margin: int | None = option(
        "Context_DrainMargin",
        read.maybe_duration,
        "",
        "seconds before its end in which a VM's pilot takes no further job; unset: a tenth of "
        "Context_MaxLifetime, at most a day",
        "21600",
    )
    proxy_lifetime: ProxyRule = option(
        "Context_ProxyLifetime",
        read.proxy_rule,
        "",
        "seconds a proxy of its own in the VM must last; none: it gets none; unset: 1209600 (two weeks) where the "
        "pilot wrapper brings no proxy, else none",
        "604800",
    )
    linger: int = option(
        "Context_Linger",
        read.optional_duration,
        "0",
        "seconds a VM whose pilot failed stays up, for who debugs it",
        "3600",
    )

    @property
    def margin(self) -> int:
        """``drain_margin``, or what holds where it is unset."""
        return min(self.max_lifetime // 10, _DAY) if self.drain_margin is None else self.drain_margin

    @property
    def shortest(self) -> int:
        """The seconds that every VM lives at least: lifetimes are spread over the last tenth."""
        return self.max_lifetime - self.max_lifetime // 10
