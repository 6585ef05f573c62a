"""One translation from CE options to both clients of an OpenStack: libcloud and Terraform's provider. Pure.

The table below is the documentation: for each ``Driver_ex_force_auth_version`` what key and secret of
``cloud.auth`` mean, and what Terraform is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tfce.config.driver_options import DriverOptions
from tfce.model.errors import Fault

DEFAULT_VERSION = "3.x_password"


@dataclass(frozen=True)
class Method:
    """How one authentication version reads. ``handed_over``: libcloud gets a token, Terraform receives it;
    ``key`` and ``secret`` then name nothing in Terraform's environment."""

    key: str
    secret: str
    handed_over: bool = False
    scoped: bool = True  # whether project and domains are Terraform's business, too


METHODS: Mapping[str, Method] = {
    "3.x_password": Method("OS_USERNAME", "OS_PASSWORD"),
    "3.x_appcred": Method("OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_SECRET", scoped=False),
    "2.0_password": Method("OS_USERNAME", "OS_PASSWORD"),
    "3.x_oidc_access_token": Method("", "", handed_over=True),
    "2.0_voms": Method("", "", handed_over=True),
}


def version(driver: DriverOptions) -> str:
    """The authentication version the driver options ask for."""
    return str(driver.get("ex_force_auth_version", DEFAULT_VERSION))


def faults(driver: DriverOptions) -> list[Fault]:
    """What is wrong with the driver options of an OpenStack queue."""
    found: list[Fault] = []
    if not driver.get("ex_force_auth_url"):
        found.append(
            Fault(
                "Driver_ex_force_auth_url",
                "",
                "is missing",
                "set it to keystone's URL, for example https://keystone.example.org:5000",
            )
        )
    asked = version(driver)
    if asked not in METHODS:
        cure = f"use one of {', '.join(METHODS)}"
        found.append(Fault("Driver_ex_force_auth_version", asked, "is not an authentication tfce knows", cure))
    elif METHODS[asked].scoped and not METHODS[asked].handed_over and not _project(driver):
        cure = "name the project"
        found.append(Fault("Driver_ex_tenant_name", "", f"is missing, which {asked} needs", cure))
    return found


def _project(driver: DriverOptions) -> str:
    return str(driver.get("ex_tenant_name") or driver.get("ex_tenant_id") or "")


def auth_url(driver: DriverOptions) -> str:
    """Keystone's URL with its API version, as Terraform's provider wants it."""
    url = _base(driver)
    if url.rpartition("/")[2] in ("v3", "v2.0") or not url:
        return url
    return f"{url}/v3" if version(driver).startswith("3") else f"{url}/v2.0"


def _base(driver: DriverOptions) -> str:
    """The URL that was given, without the path of the request for a token, which some sites publish with it."""
    url = str(driver.get("ex_force_auth_url", "")).rstrip("/")
    return url.removesuffix("/tokens").removesuffix("/auth").rstrip("/") if url.endswith("/tokens") else url


def libcloud_auth_url(driver: DriverOptions) -> str:
    """Keystone's URL without its API version, as libcloud wants it."""
    url = _base(driver)
    return url.removesuffix("/v3").removesuffix("/v2.0")


def environment(
    driver: DriverOptions, key: str, secret: str, region: str | None, token: Callable[[], str]
) -> dict[str, str]:
    """The provider's environment. ``token`` is called only where a token is handed over."""
    method = METHODS[version(driver)]
    values = {"OS_AUTH_URL": auth_url(driver)}
    if method.handed_over:
        # The provider must not try to log in again by itself: it has nothing to do it with.
        values |= {"OS_TOKEN": token(), "OS_ALLOW_REAUTH": "false"}
    else:
        values |= {method.key: key, method.secret: secret}
    if method.scoped:
        values |= _scope(driver, method)
    if region:
        values["OS_REGION_NAME"] = region
    if driver.get("ca_cert"):
        values["OS_CACERT"] = str(driver["ca_cert"])
    return values


def _scope(driver: DriverOptions, method: Method) -> dict[str, str]:
    if version(driver).startswith("2"):
        return {"OS_TENANT_NAME": str(driver["ex_tenant_name"])} if driver.get("ex_tenant_name") else {}
    if method.handed_over:
        # libcloud's OpenID Connect takes the protocol as tenant and the project as domain.
        project = str(driver.get("ex_domain_name", ""))
        domain = str(driver.get("ex_tenant_domain_id", "default"))
        return {"OS_PROJECT_NAME": project, "OS_PROJECT_DOMAIN_ID": domain} if project else {}
    scope = {"OS_USER_DOMAIN_NAME": str(driver.get("ex_domain_name", "Default"))}
    if driver.get("ex_tenant_id"):
        return {**scope, "OS_PROJECT_ID": str(driver["ex_tenant_id"])}
    domain = str(driver.get("ex_tenant_domain_id", "default"))
    return {**scope, "OS_PROJECT_NAME": str(driver["ex_tenant_name"]), "OS_PROJECT_DOMAIN_ID": domain}
