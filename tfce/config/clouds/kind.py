"""What a kind of cloud declares of itself before one is asked. Pure."""

from __future__ import annotations

import difflib
from urllib.parse import urlsplit

from tfce.config.capabilities import Capabilities
from tfce.config.driver_options import DriverOptions
from tfce.model.errors import Fault

# What libcloud's drivers all take, by their base.
DRIVER = frozenset(
    ("api_version", "backoff", "host", "port", "proxy_url", "region", "retry_delay", "secure", "timeout")
)


class CloudKind:
    """The rules of a cloud: which CloudTypes name it, and how the driver options say where its API is.

    ``name``: ``Endpoint.cloud`` of all its queues; ``types``: the CloudTypes, in upper case; ``arguments``: the
    driver options that do something, none where nobody knows. The rules here are those of a cloud without any of
    its own: its options say ``host``, ``port``, ``secure`` and ``path``.
    """

    name = ""
    types: tuple[str, ...] = ()
    capabilities = Capabilities()
    arguments: frozenset[str] = frozenset()

    def ignored(self, driver: DriverOptions) -> list[Fault]:
        """The driver options that libcloud's class takes, as it takes any word, and does nothing with."""
        found = []
        for name in sorted(set(driver) - self.arguments) if self.arguments else ():
            near = difflib.get_close_matches(name, self.arguments, 1, 0.5)
            cure = f"did you mean Driver_{near[0]}? else take it out" if near else "take it out"
            problem = f"libcloud's driver for {self.name} does nothing with it"
            found.append(Fault(f"Driver_{name}", "", problem, cure))  # its value may be a secret
        return found

    def region(self, cloud_type: str, driver: DriverOptions) -> tuple[str | None, list[Fault]]:
        """The region that a CloudType and the driver options name, and what is wrong with them."""
        return None, []

    def url(self, driver: DriverOptions) -> str | None:
        """The API's URL where the driver options name one, else None for the cloud's public endpoint."""
        host = driver.get("host")
        if not host:
            return None
        scheme = "https" if driver.get("secure", True) else "http"
        port = f":{driver['port']}" if "port" in driver else ""
        return f"{scheme}://{host}{port}{driver.get('path', '')}".rstrip("/")

    def entry(self, driver: DriverOptions) -> str:
        """The cloud of clouds.yaml that has the login, "" where another file has it."""
        return ""

    def pointed(self, driver: DriverOptions, region: str | None, url: str | None) -> DriverOptions:
        """The driver options, with a region and an API's URL where they name none."""
        options = {**({"region": region} if region else {}), **driver}
        if url and not options.get("host"):
            parts = urlsplit(url)
            options |= {
                "host": parts.netloc if "@" in parts.netloc else parts.hostname or "",
                "secure": str(parts.scheme == "https"),
            }
            options |= {"port": str(parts.port)} if parts.port else {}
            options |= {"path": parts.path} if parts.path else {}
        return options
