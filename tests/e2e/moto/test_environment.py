"""Odd environments: each verb does as ever, or one error says which variable is wrong, and the cure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests import drawn
from tests.claims import some
from tests.rigs.smallstack import SmallStack
from tests.smallsite import SmallSite

HUSH = "hush-word"
NOWHERE = "/nonexistent/file"
VERBS = ("poll", "count", "status", "submit")
# One process that does what SiteDirector and an operator would, verb by verb.
PROBE = """
import json, sys
from pathlib import Path
from tfce.app import assemble
from tfce.config.cfg import load_queue
from tfce.model.errors import TfceError

cfg, name, reference = sys.argv[1:]
verbs = {
    "poll": lambda fleet: fleet.poll([reference]),
    "count": lambda fleet: fleet.count(),
    "status": lambda fleet: [seen.state for seen in fleet.status()],
    "submit": lambda fleet: [str(why) for why in fleet.submit(b"#!/bin/sh\\n", 1).failed.values()],
}
for verb, do in verbs.items():
    try:
        answer = {"value": do(assemble(load_queue(Path(cfg), name), sharing=True).fleet)}
    except TfceError as error:
        answer = {"problem": error.problem, "cure": error.cure or error.message}
    print(json.dumps({"verb": verb, **answer}), flush=True)
"""

# What each verb says: the variable that is named, and the verbs that it concerns.
ALL, PROVIDER = VERBS, ("submit",)
FAULTY: list[tuple[dict[str, str], str, tuple[str, ...]]] = [
    ({"SSL_CERT_FILE": NOWHERE}, f"SSL_CERT_FILE = {NOWHERE}", ALL),
    ({"SSL_CERT_FILE": ""}, "SSL_CERT_FILE = ''", ALL),
    ({"SSL_CERT_FILE": "/"}, "SSL_CERT_FILE = /", ALL),
    ({"LIBCLOUD_DEBUG": NOWHERE}, f"LIBCLOUD_DEBUG = {NOWHERE}", ALL),
    ({"http_proxy": f"http://user:{HUSH}@127.0.0.1:1"}, "http_proxy = http://127.0.0.1:1", ALL),
    ({"HTTP_PROXY": "nonsense.invalid"}, "HTTP_PROXY = http://nonsense.invalid", ALL),
    ({"HTTP_PROXY": f"http://user:{HUSH}@[::1"}, "HTTP_PROXY = (not shown)", ALL),
    ({"HTTP_PROXY": f"foo://user:{HUSH}@proxy"}, "HTTP_PROXY = foo://proxy", ALL),
    ({"ALL_PROXY": f"http://user:{HUSH}@proxy:port"}, "ALL_PROXY = (not shown)", ALL),
    ({"PYTHONOPTIMIZE": "2"}, "PYTHONOPTIMIZE = 2", PROVIDER),
    ({"GRPC_POLL_STRATEGY": "none"}, "GRPC_POLL_STRATEGY = none", PROVIDER),
    ({"GRPC_POLL_STRATEGY": "nonsense"}, "GRPC_POLL_STRATEGY = nonsense", PROVIDER),
    ({"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "x"}, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION = x", PROVIDER),
]
HARMLESS: list[dict[str, str | None]] = [
    {},
    {"SSL_CERT_DIR": NOWHERE},
    {"REQUESTS_CA_BUNDLE": NOWHERE},
    {"CURL_CA_BUNDLE": NOWHERE},
    {"OS_CACERT": NOWHERE},
    {"NETRC": NOWHERE},
    {"OPENSSL_CONF": NOWHERE},
    {"HTTPS_PROXY": "nonsense"},
    {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"},
    {"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"},
    {"NO_PROXY": "[::"},
    {"PYTHONOPTIMIZE": "1"},
    {"PYTHONHASHSEED": "1", "PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
    {"PYTHONIOENCODING": "ascii"},
    {"GRPC_POLL_STRATEGY": "poll"},
    {"GRPC_VERBOSITY": "nonsense", "GRPC_TRACE": "nonsense", "GRPC_EXPERIMENTS": "nonsense"},
    {"GRPC_DNS_RESOLVER": "nonsense", "grpc_proxy": "nonsense"},
    {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    dict.fromkeys(("GODEBUG", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOTRACEBACK"), "nonsense"),
    {"TMPDIR": NOWHERE},
    {"TMPDIR": ""},
    {"HOME": None},
    {"HOME": "relative", "XDG_DATA_HOME": "relative", "XDG_STATE_HOME": "relative"},
    {"PATH": None},
    {"PATH": ""},
    {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "de_DE.ISO-8859-1", "LANG": "nonsense"},
    {"TF_LOG": "trace", "TF_CLI_ARGS": "-nonsense", "TF_WORKSPACE": "x", "TF_DATA_DIR": NOWHERE},
    {"TF_REATTACH_PROVIDERS": "nonsense", "TF_CLI_CONFIG_FILE": NOWHERE, "TF_PLUGIN_CACHE_DIR": NOWHERE},
    {"TZ": "nonsense"},
    {"TZ": "Asia/Kathmandu"},
    {"COLUMNS": "nonsense", "TERM": "nonsense"},
    {"SSLKEYLOGFILE": NOWHERE},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallSite, str]]:
    """A queue with a pilot, and the pilot's reference."""
    with SmallStack() as cloud:
        limits = {"MaxTotalJobs": "1000", "MaxWaitingJobs": "1000"}
        options = {"Terraform_Module": "bulk", "Terraform_MaxRetries": "0", "Workspace_Cooldown": "0", **limits}
        site = SmallSite(tmp_path_factory.mktemp("odd"), cloud, cloud.url, options=options)
        (site.folder / "probe.py").write_text(PROBE)
        (reference,) = site.submit().json["references"]
        yield site, reference


def ran(site: SmallSite, changes: Mapping[str, str | None], *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: text for name, text in {**site.environment(), **changes}.items() if text is not None}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, check=False, cwd=site.folder
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said and "unexpected" not in said and HUSH not in said, said
    return done


def answers(place: tuple[SmallSite, str], changes: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """What each verb answered."""
    site, reference = place
    done = ran(site, changes, str(site.folder / "probe.py"), str(site.cfg), site.name, reference)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and tuple(one["verb"] for one in found) == VERBS, done.stderr
    return {one.pop("verb"): one for one in found}


def assert_well(place: tuple[SmallSite, str], verb: str, answer: Mapping[str, Any]) -> None:
    value = answer.get("value")
    good = {
        "poll": value == {place[1]: "Running"},
        "count": isinstance(value, dict) and value.get("RunningJobs", 0) >= 1,
        "status": isinstance(value, list) and set(value) == {"Running"},
        "submit": value == [],
    }
    assert good[verb], answer


@pytest.mark.parametrize(("changes", "named", "concerned"), FAULTY, ids=lambda one: str(one)[:40])
def test_a_variable_that_cannot_be_is_named_with_its_cure(
    place: tuple[SmallSite, str], changes: dict[str, str], named: str, concerned: tuple[str, ...]
) -> None:
    for verb, answer in some(answers(place, changes).items()):
        if verb not in concerned:
            assert_well(place, verb, answer)
            continue
        assert named in answer["problem"] and "unset it" in answer["cure"], (verb, answer)
    doctor = ran(place[0], changes, "-m", "tfce.cli", "doctor", place[0].name)
    assert doctor.returncode == 1 and named in doctor.stdout and "unset it" in doctor.stdout, doctor.stdout


@pytest.mark.parametrize("changes", drawn.some(HARMLESS, 0.3, "environments"), ids=lambda one: "-".join(one)[:40])
def test_whatever_else_is_odd_changes_nothing(
    place: tuple[SmallSite, str], changes: dict[str, str | None]
) -> None:
    for verb, answer in answers(place, changes).items():
        assert_well(place, verb, answer)
