"""clouds.yaml: what an entry becomes, and how what is wrong with it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tfce.config import clouds_yaml, credentials, options
from tfce.config.options import Queue
from tfce.model.errors import ConfigError

WISH = {"CloudType": "OPENSTACK", "Instance_Image": "name:i", "Instance_Flavor": "name:f", "Driver_cloud": "mine"}
PASSWORD: dict[str, Any] = {
    "auth": {
        "auth_url": "https://keystone.example.org:5000/v3",
        "username": "pilot",
        "password": "planted-password",
        "project_name": "lz",
        "user_domain_name": "Grid",
        "project_domain_id": "default",
    },
    "region_name": "RegionOne",
    "cacert": "/etc/ca.pem",
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where clouds.yaml is looked for."""
    path = tmp_path / "clouds.yaml"
    monkeypatch.setenv(clouds_yaml.FILE_VARIABLE, str(path))
    return path


def write(path: Path, entry: Any, mode: int = 0o600) -> None:
    path.touch(mode)
    path.chmod(mode)
    path.write_text(yaml.safe_dump({"clouds": {"mine": entry}}))


def queue(**more: str) -> Queue:
    return options.parse("ce", "q", clouds_yaml.expanded({**WISH, **more}), Path("/d"), Path("/s"))


def test_a_password_entry(place: Path) -> None:
    write(place, PASSWORD)
    made = queue()
    assert made.endpoint.driver == {
        "cloud": "mine",
        "ex_force_auth_url": "https://keystone.example.org:5000/v3",
        "ex_force_auth_version": "3.x_password",
        "ex_tenant_name": "lz",
        "ex_domain_name": "Grid",
        "ex_tenant_domain_id": "default",
        "ex_force_service_region": "RegionOne",
        "ca_cert": "/etc/ca.pem",
    }
    assert made.endpoint.region == "RegionOne"
    login = credentials.load(made)
    assert (login.key, login.secret) == ("pilot", "planted-password")


@pytest.mark.parametrize(
    ("entry", "version", "driver", "login"),
    [
        (
            {
                "auth_type": "v3applicationcredential",
                "auth": {"application_credential_id": "i", "application_credential_secret": "secret"},
            },
            "3.x_appcred",
            {},
            ("i", "secret"),
        ),
        (
            {"auth": {"application_credential_id": "i", "application_credential_secret": "secret"}},
            "3.x_appcred",
            {},
            ("i", "secret"),
        ),
        (
            {"auth": {"username": "u", "password": 12345678, "project_id": "p", "project_domain_name": "Far"}},
            "3.x_password",
            {"ex_tenant_id": "p"},
            ("u", "12345678"),
        ),
        (
            {"auth_type": "v2password", "auth": {"username": "u", "password": "secret", "tenant_name": "t"}},
            "2.0_password",
            {"ex_tenant_name": "t"},
            ("u", "secret"),
        ),
        (
            {
                "auth_type": "v3oidcaccesstoken",
                "auth": {
                    "identity_provider": "egi.eu",
                    "protocol": "openid",
                    "access_token": "secret",
                    "project_name": "lz",
                },
            },
            "3.x_oidc_access_token",
            {"ex_tenant_name": "openid", "ex_domain_name": "lz"},
            ("egi.eu", "secret"),
        ),
    ],
)
def test_the_kinds_of_login(
    place: Path, entry: dict[str, Any], version: str, driver: dict[str, str], login: tuple[str, str]
) -> None:
    url = "https://keystone.example.org/v3"
    write(place, {**entry, "auth": {**entry["auth"], "auth_url": url}})
    made = queue()
    expected = {"cloud": "mine", "ex_force_auth_url": url, "ex_force_auth_version": version, **driver}
    assert made.endpoint.driver == expected
    found = credentials.load(made)
    assert (found.key, found.secret) == login


def test_what_the_element_says_goes_before_the_entry(place: Path) -> None:
    write(place, PASSWORD)
    assert queue(Driver_ex_tenant_name="other").endpoint.driver["ex_tenant_name"] == "other"


def test_secure_yaml_completes_the_entry(place: Path) -> None:
    shown = {**PASSWORD, "auth": {k: v for k, v in PASSWORD["auth"].items() if k != "password"}}
    write(place, shown, 0o644)
    write(place.with_name("secure.yaml"), {"auth": {"password": "from-secure"}})
    assert credentials.load(queue()).secret == "from-secure"
    place.with_name("secure.yaml").chmod(0o640)
    with pytest.raises(ConfigError, match=r"others can read .*secure\.yaml"):
        credentials.load(queue())


def test_no_entry_is_asked_for_without_the_option(place: Path) -> None:
    assert clouds_yaml.expanded({"CloudType": "OPENSTACK"}) == {"CloudType": "OPENSTACK"}


def test_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clouds_yaml.FILE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "..")
    place = tmp_path / ".config" / "openstack" / "clouds.yaml"
    place.parent.mkdir(parents=True)
    write(place, PASSWORD)
    assert queue().endpoint.driver["ex_tenant_name"] == "lz"


def test_the_current_folder_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clouds_yaml.FILE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clouds.yaml", PASSWORD)
    with pytest.raises(ConfigError, match=r"there is no clouds\.yaml"):
        queue()


def test_a_file_that_others_can_write_is_not_believed(place: Path) -> None:
    write(place, PASSWORD, 0o602)
    with pytest.raises(ConfigError, match=r"can be written by everybody; run: chmod o-w"):
        queue()


def changed(**auth: Any) -> dict[str, Any]:
    return {**PASSWORD, "auth": {**PASSWORD["auth"], **auth}}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (changed(password=""), "clouds.mine.auth.password is missing"),
        (changed(password=["planted-password"]), "clouds.mine.auth.password is not a text"),
        (changed(user_domain_id="4711"), "clouds.mine.auth.user_domain_id cannot be handed to libcloud"),
        (changed(project_domain_name="Far"), "clouds.mine.auth.project_domain_name cannot be handed"),
        ({**PASSWORD, "auth_type": "v3kerberos"}, "clouds.mine.auth_type is none that tfce knows"),
        ({**PASSWORD, "verify": False}, "clouds.mine.verify switches certificate checks off"),
        ({**PASSWORD, "verify": "no"}, "clouds.mine.verify switches certificate checks off"),
        ({**PASSWORD, "insecure": True}, "clouds.mine.verify switches certificate checks off"),
        ({**PASSWORD, "interface": "internal"}, "clouds.mine.interface asks for other URLs"),
        ({**PASSWORD, "endpoint_type": "adminURL"}, "clouds.mine.endpoint_type asks for other URLs"),
        (None, "Driver_cloud = mine: is not in"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key_and_no_value(place: Path, entry: Any, said: str) -> None:
    write(place, entry)
    with pytest.raises(ConfigError) as caught:
        credentials.load(queue())
    message = caught.value.message
    assert said in message and str(place) in message
    assert "planted-password" not in message and "4711" not in message


@pytest.mark.parametrize("text", ["clouds: [", "clouds:\n  mine:\n    auth: {password: 'planted-password"])
def test_a_broken_file(place: Path, text: str) -> None:
    place.write_text(text)
    with pytest.raises(ConfigError, match=r"line \d+: is no YAML") as caught:
        queue()
    assert "planted-password" not in caught.value.message


@pytest.mark.parametrize(
    "written",
    ["0123", "2024_01", "12:30", "yes", "0x1f", "1e3", "2020-01-01", "2020-13-45", "+1", "9" * 5000, ".5", "="],
)
def test_a_value_is_what_is_written(place: Path, written: str) -> None:
    """YAML has numbers, dates and booleans for these; keystone does not."""
    text = yaml.safe_dump({"clouds": {"mine": changed(password="WORD", project_name="WORD")}})
    place.touch(0o600)
    place.write_text(text.replace("WORD", written))
    made = queue()
    assert (credentials.load(made).secret, made.endpoint.driver["ex_tenant_name"]) == (written, written)


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_is_nothing(place: Path, nothing: str) -> None:
    text = yaml.safe_dump(
        {"clouds": {"mine": {**PASSWORD, "region_name": "WORD", "verify": True, "interface": "public"}}}
    )
    place.write_text(text.replace("WORD", nothing))
    assert queue().endpoint.region is None


def test_merges_are_read_and_what_is_too_deep_is_no_file(place: Path) -> None:
    place.touch(0o600)
    auth = "{auth_url: https://k.example.org:5000, username: u, password: p, project_name: t}"
    place.write_text(f"base: &base\n  auth: {auth}\nclouds:\n  mine:\n    <<: *base\n    region_name: R\n")
    assert (queue().endpoint.region, credentials.load(queue()).secret) == ("R", "p")
    place.write_text("clouds: " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError, match="too deep"):
        queue()


def test_other_urls_may_be_named_where_the_entry_has_another_interface(place: Path) -> None:
    write(place, {**PASSWORD, "interface": "internal"})
    assert queue(Driver_ex_force_base_url="https://nova.example.org").endpoint.region == "RegionOne"


def test_no_file_at_all(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no clouds\.yaml; looked for"):
        queue()


def test_others_can_read_the_password(place: Path) -> None:
    write(place, PASSWORD, 0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        credentials.load(queue())
