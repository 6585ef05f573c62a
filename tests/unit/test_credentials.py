"""cloud.auth: what is read, what is refused, and that no value of it is ever shown."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest

from tests.claims import every
from tests.unit.conftest import MakeQueue
from tfce.cloud.ec2.session import Session
from tfce.config.credentials import (
    Credentials,
    base_environment,
    load,
    public_driver_options,
    terraform_environment,
)
from tfce.model.errors import ConfigError
from tfce.model.redact import redacted
from tfce.provider import settings

CE = "cloud.example.org"


@pytest.fixture
def auth(tmp_path: Path) -> Path:
    """Where the queue's auth file is to stand; it exists, private and empty."""
    path = tmp_path / "dirac" / "etc" / "cloud.auth"
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("text", "key", "secret"),
    [
        ("[DEFAULT]\nkey = k\nsecret = s\n", "k", "s"),
        ("[DEFAULT]\nkey=k\nsecret=s", "k", "s"),
        ("[DEFAULT]\nkey: k\nsecret: s\n", "k", "s"),
        ("[DEFAULT]\nkey = \"k\"\nsecret = 's p a c e'\n", "k", "s p a c e"),
        ('[DEFAULT]\nkey = "k\nsecret = "\n', '"k', '"'),
        ('[DEFAULT]\nkey = k\nsecret = ""quoted""\n', "k", '"quoted"'),
        ("[DEFAULT]\nkey = k\nsecret = %d%%(x)s${HOME}$x\n", "k", "%d%%(x)s${HOME}$x"),
        ("[DEFAULT]\nkey = k\nsecret = a=b:c;d#e ; f # g\n", "k", "a=b:c;d#e ; f # g"),
        ("[DEFAULT]\nKEY = k\nSecret = s\n", "k", "s"),
        ("[DEFAULT]\nkey = k\nsecret = schlüssel☃\n", "k", "schlüssel☃"),
        ("[DEFAULT]\r\nkey = k\r\nsecret = s\r\n", "k", "s"),
        (f"[{CE}]\nkey = k\nsecret = s\n", "k", "s"),
        (f"[DEFAULT]\nkey = d\nsecret = e\n[{CE}]\nkey = k\nsecret = s\n", "k", "s"),
        (f"[DEFAULT]\nkey = d\nsecret = e\n[{CE}]\nsecret = s\n", "d", "s"),
        ("[DEFAULT]\nkey = d\nsecret = e\n[other.example.org]\nkey = k\nsecret = s\n", "d", "e"),
        (f"# comment\n[{CE}]\n; comment\nkey = k\n\n\nsecret = s\n", "k", "s"),
        (f"[{CE}]\nkey = k\n[{CE}]\nsecret = s\n", "k", "s"),
    ],
)
def test_what_is_read(make_queue: MakeQueue, auth: Path, text: str, key: str, secret: str) -> None:
    auth.write_bytes(text.encode())
    found = load(make_queue(ce=CE))
    assert (found.key, found.secret, found.token) == (key, secret, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no key and no secret", CE]),
        ("[DEFAULT]\nkey = hush-hush\n", ["no secret", CE]),
        ('[DEFAULT]\nkey = hush-hush\nsecret = ""\n', ["no secret"]),
        ("[DEFAULT]\nkey = hush-hush\nsecret =\n", ["no secret"]),
        ("[other]\nkey = hush-hush\nsecret = hush-hush\n", ["no key and no secret", f"[{CE}]"]),
        (f"[{CE.upper()}]\nkey = hush-hush\nsecret = hush-hush\n", ["no key and no secret"]),
        ("key = hush-hush\nsecret = hush-hush\n", ["line 1"]),
        ("[DEFAULT]\nkey = k\nhush-hush\n", ["line 3"]),
        ("[DEFAULT\nkey = hush-hush\n", ["line 1"]),
        ("AKIAHUSH:hush-hush", ["line 1"]),
    ],
)
def test_what_is_refused_is_explained_without_a_value(
    make_queue: MakeQueue, auth: Path, text: str, words: list[str]
) -> None:
    auth.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(make_queue(ce=CE))
    assert caught.value.faults[0].option == "CloudAuth"
    assert str(auth) in caught.value.message
    assert every(word in caught.value.message for word in words)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.faults)
    assert "hush" not in shown.lower()


def test_a_file_that_is_no_text(make_queue: MakeQueue, auth: Path) -> None:
    auth.write_bytes(b"\xff\xfehush\x00")
    with pytest.raises(ConfigError, match="is not text"):
        load(make_queue())


def test_a_file_that_is_missing_or_a_folder(make_queue: MakeQueue, auth: Path) -> None:
    auth.unlink()
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load(make_queue())
    assert redacted(caught.value.message) == caught.value.message, "the cure looks like a secret"
    auth.mkdir(0o700)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(make_queue())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o440, 0o777])
def test_a_file_that_others_can_reach_is_refused_with_the_command_that_cures_it(
    make_queue: MakeQueue, auth: Path, mode: int
) -> None:
    auth.write_text("[DEFAULT]\nkey = k\nsecret = s\n")
    auth.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load(make_queue())
    assert f"chmod 600 {auth}" in caught.value.message and f"{mode:o}" in caught.value.message
    assert caught.value.message.count(str(auth)) == 2, "named, and in the cure's command"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_will_do(make_queue: MakeQueue, auth: Path, mode: int) -> None:
    auth.write_text("[DEFAULT]\nkey = k\nsecret = s\n")
    auth.chmod(mode)
    assert load(make_queue()).key == "k"


def test_the_file_behind_a_link_counts(make_queue: MakeQueue, auth: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("[DEFAULT]\nkey = k\nsecret = s\n")
    target.chmod(0o644)
    auth.unlink()
    auth.symlink_to(target)
    with pytest.raises(ConfigError, match=f"{auth}: {target} is not private: others can read it"):
        load(make_queue())


def test_credentials_are_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    credentials = Credentials("hush-key", "hush-secret", "hush-token")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("tfce").warning("%s %r", credentials, credentials)
    assert "hush" not in caplog.text + str(credentials) + repr([credentials])
    assert set(credentials.secrets()) == {"hush-secret", "hush-token"}
    assert Credentials("k", "s").secrets() == ("s",)


def test_a_token_comes_with_the_driver_options(make_queue: MakeQueue, auth: Path) -> None:
    auth.write_text("[DEFAULT]\nkey = k\nsecret = s\n")
    queue = make_queue(Driver_token="t", Driver_host="h")
    assert load(queue).token == "t"
    assert terraform_environment(queue, load(queue))["AWS_SESSION_TOKEN"] == "t"
    assert public_driver_options(queue) == {"host": "h"}


@pytest.mark.parametrize("more", [{}, {"Driver_token": "another"}])
def test_a_session_token_stands_in_the_file(make_queue: MakeQueue, auth: Path, more: dict[str, str]) -> None:
    auth.write_text("[DEFAULT]\nkey = k\nsecret = hush\ntoken = 'a/session+token=='\n")
    queue = make_queue(**more)
    found = load(queue)
    assert found.token == "a/session+token=="
    assert terraform_environment(queue, found)["AWS_SESSION_TOKEN"] == found.token
    options = json.dumps({"token": found.token})
    given = {settings.KEY: found.key, settings.SECRET: found.secret, settings.OPTIONS: options}
    assert settings.login({"cloud": "EC2"}, given)[1] == found
    driver = Session(queue.endpoint, found).driver
    assert driver.connection.token == driver.token == found.token
    assert found.token not in redacted(f"x {found.token} y")


def test_a_session_token_for_another_cloud_is_refused(make_queue: MakeQueue, auth: Path) -> None:
    auth.write_text("[DEFAULT]\nkey = k\nsecret = hush\ntoken = hush-hush\n")
    with pytest.raises(ConfigError, match="session token, which DUMMY does not take") as caught:
        load(make_queue(CloudType="DUMMY"))
    assert "hush" not in caught.value.message


def test_terraform_gets_this_identity_and_no_other(make_queue: MakeQueue) -> None:
    environment = terraform_environment(make_queue(), Credentials("k", "s"))
    assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) == ("k", "s")
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == environment["AWS_CONFIG_FILE"] == "/dev/null"
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"


def test_what_a_child_inherits() -> None:
    through = {
        "PATH": "/bin",
        "HOME": "/h",
        "LANG": "C",
        "LC_ALL": "C",
        "TMPDIR": "/t",
        "SSL_CERT_FILE": "/c",
        "https_proxy": "p",
        "NO_PROXY": "n",
        "LD_LIBRARY_PATH": "/usr/lib",
        "PYTHONPATH": "/usr/lib:/usr/share",
        "XDG_DATA_HOME": "/x",
    }
    held = dict.fromkeys(
        [
            "AWS_PROFILE",
            "AWS_ACCESS_KEY_ID",
            "OS_AUTH_URL",
            "OS_PASSWORD",
            "TF_LOG",
            "TF_VAR_image",
            "TF_CLI_ARGS",
            "TF_CLI_ARGS_apply",
            "TF_WORKSPACE",
            "TF_DATA_DIR",
            "TF_CLI_CONFIG_FILE",
            "TF_REATTACH_PROVIDERS",
            "X509_USER_PROXY",
            "TFCE_CONFIG",
            "PATHS",
            "MY_PATH",
            "LD_PRELOAD",
            "LD_AUDIT",
            "PYTHONSTARTUP",
            "PYTHONINSPECT",
            "PYTHONUSERBASE",
            "PYTHONWARNINGS",
            "TF_PLUGIN_CACHE_DIR",
            "TF_LOG_PATH",
            "BASH_ENV",
        ],
        "x",
    )
    assert base_environment({**through, **held}) == through


@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH", "LD_LIBRARY_PATH"])
def test_of_a_search_path_only_what_nobody_else_can_write_goes_through(name: str, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    given = f"/usr/bin:.::here:{tmp_path}/open:{tmp_path}"
    assert base_environment({name: given}) == {name: f"/usr/bin:{tmp_path}"}
    assert base_environment({name: "."}) == {}


def test_our_own_environment_is_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_instance_count", "0")
    monkeypatch.setenv("TZ", "Europe/Zurich")
    environment = base_environment()
    assert "TF_VAR_instance_count" not in environment and environment["TZ"] == "Europe/Zurich"


def test_a_cloud_whose_login_is_a_token_wants_no_key(make_queue: MakeQueue, auth: Path) -> None:
    auth.write_text("[DEFAULT]\nsecret = planted-token\n")
    assert load(make_queue(CloudType="DIGITALOCEAN")).secret == "planted-token"
    with pytest.raises(ConfigError, match="no key"):
        load(make_queue(CloudType="CLOUDSTACK"))
    auth.write_text("[DEFAULT]\nkey = planted-token\n")
    with pytest.raises(ConfigError, match="no secret") as caught:
        load(make_queue(CloudType="DIGITALOCEAN"))
    assert "planted-token" not in str(caught.value)
