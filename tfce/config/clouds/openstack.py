"""OpenStack: its API is found through keystone, its login may be in clouds.yaml. Pure."""

from __future__ import annotations

from tfce.config import openstack_logins
from tfce.config.capabilities import NOVA, Capabilities
from tfce.config.clouds.kind import DRIVER, CloudKind
from tfce.config.driver_options import DriverOptions
from tfce.model.errors import Fault

NAME = "OPENSTACK"


class OpenStack(CloudKind):
    """The rules of OpenStack."""

    name = NAME
    types = (NAME,)
    # Of OpenStack_2_NodeDriver, its bases and their connections, and tfce's own.
    arguments = DRIVER | {
        "ca_cert",
        "cloud",
        "ex_auth_cache",
        "ex_domain_name",
        "ex_force_api_version",
        "ex_force_auth_token",
        "ex_force_auth_url",
        "ex_force_auth_version",
        "ex_force_base_url",
        "ex_force_image_url",
        "ex_force_microversion",
        "ex_force_network_url",
        "ex_force_reservation_url",
        "ex_force_service_name",
        "ex_force_service_region",
        "ex_force_service_type",
        "ex_force_volume_url",
        "ex_tenant_domain_id",
        "ex_tenant_id",
        "ex_tenant_name",
        "ex_token_scope",
    }
    capabilities = Capabilities(NOVA, batches=True, native="openstack", colon="_")

    def region(self, cloud_type: str, driver: DriverOptions) -> tuple[str | None, list[Fault]]:
        """The region of Driver_ex_force_service_region, and what is wrong with the login's options."""
        region = driver.get("ex_force_service_region")
        return str(region) if region else None, openstack_logins.faults(driver)

    def url(self, driver: DriverOptions) -> str | None:
        """Keystone's."""
        return openstack_logins.auth_url(driver)

    def entry(self, driver: DriverOptions) -> str:
        """The cloud of clouds.yaml that has the login, "" where another file has it."""
        return str(driver.get("cloud") or "")

    def pointed(self, driver: DriverOptions, region: str | None, url: str | None) -> DriverOptions:
        """The driver options, with a region and keystone's URL where they name none."""
        extra = {"ex_force_service_region": region, "ex_force_auth_url": url}
        return {**{name: value for name, value in extra.items() if value}, **driver}
