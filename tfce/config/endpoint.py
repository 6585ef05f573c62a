"""Which cloud a queue is in, and how its API is reached. Pure: standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tfce.config import clouds, readers
from tfce.config.capabilities import Capabilities
from tfce.config.clouds import others
from tfce.config.driver_options import DriverOptions, DriverValue
from tfce.model.errors import Fault

# Driver options are text in DIRAC's configuration, where 'False' would be true: these have a type.
_Reader = Callable[[str], DriverValue]
_DRIVER_TYPES: Mapping[str, _Reader] = {
    **dict.fromkeys(("ex_force_auth_url", "ex_force_base_url"), readers.url),
    **dict.fromkeys(("ex_force_image_url", "ex_force_network_url"), readers.url),
    "host": readers.host,
    "path": readers.url_path,
    "secure": readers.flag,
    "port": readers.port,
    "timeout": readers.patience,
    "retry_delay": readers.patience,
}
_PLACES = (readers.host, readers.url, readers.url_path)
SECRET_DRIVER_OPTIONS = frozenset({"token", "password", "secret", "ex_force_auth_token"})


@dataclass(frozen=True)
class Endpoint:
    """One cloud: its API, region and driver options.

    ``cloud``: OPENSTACK, EC2, another libcloud name in upper case, or a dotted class; ``region``: the one that the
    cloud type or the driver options name; ``driver``: the ``Driver_*`` options without their prefix; ``repeats``:
    how often a request that failed in passing is made again.
    """

    cloud: str
    region: str | None
    driver: DriverOptions = field(repr=False)  # may hold a token
    repeats: int = 5

    @property
    def url(self) -> str | None:
        """The API's URL where the options name one, else None for the cloud's public endpoint."""
        return clouds.kind_of(self.cloud).url(self.driver)

    @property
    def capabilities(self) -> Capabilities:
        """What its API can do."""
        return clouds.kind_of(self.cloud).capabilities

    @property
    def entry(self) -> str:
        """The cloud of clouds.yaml that has the login, "" where another file has it."""
        return clouds.kind_of(self.cloud).entry(self.driver)

    def ignored(self) -> list[Fault]:
        """The driver options that the cloud's driver takes and does nothing with."""
        return clouds.kind_of(self.cloud).ignored(self.driver)

    @property
    def api(self) -> str:
        """Which API it is, whoever logs in: what hangs there hangs for all."""
        return " ".join(filter(None, (self.cloud, self.region, self.url)))

    @property
    def home(self) -> str:
        """Which cloud this is: VMs of one home cannot be seen from another."""
        project = str(self.driver.get("ex_tenant_id") or self.driver.get("ex_tenant_name") or "")
        return " ".join(filter(None, (self.cloud, self.region, self.url, project)))


def endpoint(cloud_type: str, options: Mapping[str, str], faults: list[Fault]) -> Endpoint:
    """The endpoint that CloudType and the ``Driver_*`` of ``options`` name; what is wrong goes to ``faults``."""
    own = "." in cloud_type  # a class of one's own, which may take anything for these
    types = {name: read for name, read in _DRIVER_TYPES.items() if not own or read not in _PLACES}
    driver = {
        key.removeprefix("Driver_"): _driver_value(key, value, faults, types)
        for key, value in options.items()
        if key.startswith("Driver_") and value
    }
    cloud, region = _cloud(cloud_type, driver, faults)
    return Endpoint(cloud, region, driver)


def pointed(cloud_type: str, driver: DriverOptions, region: str | None, url: str | None) -> DriverOptions:
    """The ``driver`` options, with a region and an API's URL where they name none."""
    return clouds.kind_of(cloud_type.upper()).pointed(driver, region, url)


_USERINFO = re.compile(r"(?<=://)[^/@\s]*@|^[^/@\s]+@(?!.*://)")


def _driver_value(key: str, text: str, faults: list[Fault], types: Mapping[str, _Reader]) -> DriverValue:
    if ("://" in text or key == "Driver_host") and _USERINFO.search(text):
        cure = "take the login out of it: key and secret belong into the file that CloudAuth names"
        faults.append(Fault(key, _USERINFO.sub("****@", text), "holds a login, which would be shown", cure))
        return text
    try:
        return types.get(key.removeprefix("Driver_"), readers.text)(text)
    except ValueError as error:
        faults.append(Fault(key, text, str(error), "correct the value"))
        return text


def _cloud(cloud_type: str, driver: DriverOptions, faults: list[Fault]) -> tuple[str, str | None]:
    name = cloud_type.upper()
    if kind := clouds.TYPES.get(name):
        region, wrong = kind.region(cloud_type, driver)
        faults += wrong
        return kind.name, region
    if not name or name in others.NAMES:
        return name, None
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", cloud_type):
        return cloud_type, None  # a class of one's own; whether it is there is found when it is needed
    cure = f"use one of {', '.join(clouds.TYPES)}, another of docs/drivers.md, or package.module.Class"
    faults.append(Fault("CloudType", cloud_type, "libcloud has no such driver", cure))
    return "", None
