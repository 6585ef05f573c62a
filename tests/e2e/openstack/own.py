"""A cloud of the user's own: the entry of ``clouds.yaml`` that OS_CLOUD names, and what to build VMs of there.

TFCE_TEST_IMAGE, TFCE_TEST_FLAVOR and TFCE_TEST_NETWORK name them, or give their ids; where there is but one of a
kind it need not be named. TFCE_TEST_KEY_PAIR is a key pair for the VMs; without it they have none.
"""

from __future__ import annotations

import os
from typing import Any

import requests

from tests.e2e.openstack.api import AnyCloud, Api, CloudError, Login
from tfce.config import clouds_yaml
from tfce.model.errors import ConfigError

# What a VM is made of: the variable that names it, the service, where its list is, and the list's key.
_THINGS = {
    "Instance_Image": ("TFCE_TEST_IMAGE", "image", "/v2/images?status=active&limit=1000", "images"),
    "Instance_Flavor": ("TFCE_TEST_FLAVOR", "compute", "/flavors", "flavors"),
    "Instance_Networks": ("TFCE_TEST_NETWORK", "network", "/v2.0/networks", "networks"),
}
_KEY_PAIR = "TFCE_TEST_KEY_PAIR"


class OwnCloud(AnyCloud):
    """The cloud that OS_CLOUD names, as the user of its entry sees it. Raises ``CloudError``."""

    def __init__(self, entry: str) -> None:
        self._entry = entry
        try:
            options = clouds_yaml.expanded({clouds_yaml.OPTION: entry})
            self._key, self._secret = clouds_yaml.login(entry)
        except ConfigError as error:
            raise CloudError(f"{self.name}: {error}") from None
        del options[clouds_yaml.OPTION]
        options.setdefault("Driver_ca_cert", os.environ.get("OS_CACERT", ""))
        self._options = {name: str(value) for name, value in options.items()}
        try:
            self._api = Api(self._login())
            self._options |= {option: self._named(*where) for option, where in _THINGS.items()}
            self._options["Instance_SSHKey"] = self._key_pair()
        except requests.RequestException as error:
            raise CloudError(f"{self.name}: {error}") from None
        self._api.form = {
            "imageRef": self._options["Instance_Image"],
            "flavorRef": self._options["Instance_Flavor"],
            "networks": [{"uuid": self._options["Instance_Networks"]}],
        }

    @property
    def name(self) -> str:
        return f"OS_CLOUD={self._entry}"

    def login(self) -> tuple[str, str]:
        return self._key, self._secret

    def options(self, project: str) -> dict[str, str]:
        return dict(self._options)

    def api(self, project: str = "demo") -> Api:
        return self._api

    def _option(self, name: str, usual: str = "") -> str:
        return self._options.get(f"Driver_{name}") or usual

    def _login(self) -> Login:
        version = self._option("ex_force_auth_version")
        body: dict[str, Any]
        if version == "3.x_appcred":
            credential = {"id": self._key, "secret": self._secret}
            body = {"identity": {"methods": ["application_credential"], "application_credential": credential}}
        elif version == "3.x_password":
            domain = {"name": self._option("ex_domain_name", "Default")}
            user = {"name": self._key, "password": self._secret, "domain": domain}
            body = {"identity": {"methods": ["password"], "password": {"user": user}}}
            body["scope"] = {"project": self._project()}
        else:
            raise CloudError(f"{self.name}: the tests log in by password or application credential, not {version}")
        url = self._option("ex_force_auth_url").rstrip("/").removesuffix("/v3") + "/v3"
        return Login(url, body, self._option("ex_force_service_region"), self._option("ca_cert"))

    def _project(self) -> dict[str, Any]:
        if self._option("ex_tenant_id"):
            return {"id": self._option("ex_tenant_id")}
        domain = {"id": self._option("ex_tenant_domain_id", "default")}
        return {"name": self._option("ex_tenant_name"), "domain": domain}

    def _named(self, variable: str, service: str, path: str, key: str) -> str:
        """The id of what ``variable`` names."""
        listed = self._api.ask("GET", service, path)[key]
        wanted = os.environ.get(variable)
        found = [one["id"] for one in listed if wanted in (None, one["id"], one["name"])]
        if len(found) != 1:
            raise self._fault(variable, wanted, len(found), [one["name"] or one["id"] for one in listed])
        return str(found[0])

    def _key_pair(self) -> str:
        wanted = os.environ.get(_KEY_PAIR, "")
        names = [one["keypair"]["name"] for one in self._api.ask("GET", "compute", "/os-keypairs")["keypairs"]]
        if wanted and wanted not in names:
            raise self._fault(_KEY_PAIR, wanted, 0, names)
        return wanted

    def _fault(self, variable: str, wanted: str | None, found: int, names: list[str]) -> CloudError:
        said = f"{variable} is not set" if wanted is None else f"{variable}={wanted} fits {found or 'none'}"
        shown = sorted(set(names))
        more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
        return CloudError(f"{self.name}: {said}; there are: {', '.join(shown[:20]) or 'none'}{more}")
