"""The command line: a user's mistake is one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from tests.claims import every, subset
from tests.fakes import FakeCloud, Sky
from tfce import __version__, app
from tfce.cli import commands, completion, main, show, tables
from tfce.cli.parser import parser
from tfce.cloud.listing import Listing
from tfce.config import trust
from tfce.model.endings import Cause, Ending
from tfce.model.reasons import Kind, Reason, Stopped
from tfce.model.vm import VM, Owner, State
from tfce.pilots.audit import Row
from tfce.pilots.execute import Removal
from tfce.pilots.fleet import Submission, Sweep
from tfce.terraform import providers

NAME = "cloud.example.org/long"
CFG = """
CEs
{{
  cloud.example.org
  {{
    CloudType = EC2
    CloudAuth = {folder}/cloud.auth
    Driver_host = 127.0.0.1
    Driver_port = 9
    Driver_secure = no
    Instance_Image = ami-1
    Instance_Flavor = t3.micro
    Workspace_Root = {folder}/root
    Workspace_LockTimeout = 0
    {more}
    Queues
    {{
      long
      {{
      }}
    }}
  }}
}}
"""
COMMANDS = {
    "render": [],
    "plan": [],
    "submit": ["--wrapper", __file__],
    "status": [],
    "reap": [],
    "kill": ["cloud://i-1"],
    "audit": [],
    "log": ["cloud://i-1"],
    "repair": [],
    "migrate": [],
    "doctor": [],
    "drain": [],
    "why": [],
    "path": [],
}


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A site's CFG; its cloud and its Terraform cannot be reached."""
    path = tmp_path / "site.cfg"
    path.write_text(CFG.format(folder=tmp_path, more=""))
    (tmp_path / "cloud.auth").touch(0o600)
    (tmp_path / "cloud.auth").write_text("[DEFAULT]\nkey = AKIAHUSH\nsecret = hush-hush\n")
    monkeypatch.setenv("TFCE_CONFIG", str(path))
    before = signal.getsignal(signal.SIGTERM)
    yield path
    signal.signal(signal.SIGTERM, before)


def more(cfg: Path, text: str) -> None:
    cfg.write_text(CFG.format(folder=cfg.parent, more=text))


class Shell:
    """``tfce …`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        try:
            code = main.main(arguments)
        except SystemExit as done:  # argparse
            code = int(done.code or 0)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err and "hush" not in out + err
        return code, out, err


@pytest.fixture
def tfce(cfg: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage"),
        (["frobnicate"], "invalid choice"),
        (["audit"], "CE/QUEUE"),
        (["status", NAME, "--watch"], "is for all queues"),
        (["submit", NAME], "--wrapper"),
        (["submit", NAME, "--wrapper", "x", "--count", "0"], "at least 1"),
        (["submit", NAME, "--wrapper", "x", "--count", "-3"], "at least 1"),
        (["submit", NAME, "--wrapper", "x", "--count", "many"], "many"),
        (["kill", NAME], "REFERENCE"),
        (["log", NAME], "REFERENCE|KEY"),
        (["log", NAME, "cloud://i-1", "--lines", "0"], "at least 1"),
        (["status", NAME, "--jsn"], "tfce status: error: unrecognized arguments: --jsn"),
        (["history", NAME, "more"], "usage: tfce history"),
        (["status", ""], "the first argument is empty"),
        (["kill", NAME, ""], f"what follows {NAME} is empty"),
        (["status", "--config", ""], "what follows --config is empty"),
        (["status", "--config="], "what follows --config is empty"),
        (["submit", NAME, "--wrapper", ""], "what follows --wrapper is empty"),
        (["submit", NAME, "--wrapper", "/dev/null"], "--wrapper = /dev/null: is empty"),
        (["status", "--config", "/tmp"], "/tmp: is a folder that"),
        (["submit", NAME, "--wrapper", "/none"], "--wrapper = /none"),
        (["render", NAME, "--wrapper", "/none"], "add --context"),
        (["render", NAME, "--context", "--wrapper", "/none"], "--wrapper = /none"),
        (["render", NAME, "--context", "--check"], "not allowed with"),
        (["submit", NAME, "--wrapper", "/"], "--wrapper = /"),
        (
            ["submit", NAME, "--wrapper", "/dev/zero"],
            "--wrapper = /dev/zero: cannot be read: has more than 16777216 bytes",
        ),
        (["audit", NAME, "--references", "/none"], "--references = /none"),
        (["status", "cloud.example.org"], f"use one of: {NAME}"),
        (["status", "cloud.example.org/short"], f"use one of: {NAME}"),
        (["status", NAME, "--config", "/none.cfg"], "/none.cfg: cannot be read"),
        (["queues", "--config", "/"], "cannot be read"),
    ],
)
def test_usage_errors_are_two(tfce: Shell, arguments: list[str], words: str) -> None:
    code, out, err = tfce(*arguments)
    assert (code, out) == (2, "") and words in err


def test_no_option_takes_whatever_is_typed_nor_names_what_reads_it() -> None:
    found = {
        word: action.type
        for action in completion.arguments(parser())
        for word in action.option_strings
        if callable(action.type) and action.type is not Path
    }
    assert len(found) > 8
    for word, reads in found.items():
        for text in ("x", "0", "-1", "1e3", "9" * 30, "\u0663"):
            with pytest.raises(argparse.ArgumentTypeError) as caught:
                reads(text)
            assert len(str(caught.value)) > 10, word


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["queues", "status", f"status {NAME}", f"history {NAME}", "account", "doctor"])
def test_a_closed_stream_is_nothing_unexpected(cfg: Path, command: str, closed: str) -> None:
    line = f"{shlex.quote(sys.executable)} -m tfce.cli {command} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 5 and "unexpected" not in done.stderr, done


def test_references_may_come_from_a_pipe(tfce: Shell, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=["cloud://i-1\n"])
    writer.start()
    code, _, err = tfce("audit", NAME, "--references", str(pipe))
    writer.join()
    assert code == 3 and "does not answer" in err  # the cloud, which is asked later


def test_a_pipe_into_which_nobody_writes_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="nobody wrote"):
        trust.read_given(pipe, 100, regular=False, patience=0.01)


def test_without_a_command_all_are_shown(tfce: Shell) -> None:
    code, out, err = tfce()
    assert (code, out) == (2, "") and "check configuration, tools and cloud" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_a_wrong_configuration(tfce: Shell, cfg: Path, command: str) -> None:
    more(cfg, "Terraform_Parallelism = many\n    Terraform_X = 1")
    code, out, err = tfce(command, NAME, *COMMANDS[command])
    assert (code, out) == (2, "")
    assert "Terraform_Parallelism = many" in err and "Terraform_X = 1" in err


def test_without_a_configuration(tfce: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFCE_CONFIG")
    code, _, err = tfce("status", NAME)
    assert code == 2 and "--config FILE" in err and "TFCE_CONFIG" in err


def test_the_option_goes_before_the_variable(tfce: Shell, cfg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFCE_CONFIG", "/none.cfg")
    assert tfce("queues", "--config", str(cfg)) == (0, f"{NAME}\n", "")
    cfg.write_text("CEType = Terraform\nInstance_Image = ami-1\n")  # without the section around it
    code, out, err = tfce("queues", "--config", str(cfg))
    assert (code, out) == (2, "") and "holds no queue that tfce serves; a queue is `CEs {" in err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("render", "path", "doctor")])
def test_credentials_that_others_can_read_stop_every_command_that_needs_them(
    tfce: Shell, cfg: Path, command: str
) -> None:
    (cfg.parent / "cloud.auth").chmod(0o644)
    code, _, err = tfce(command, NAME, *COMMANDS[command])
    assert code == 2 and "chmod 600" in err


@pytest.mark.parametrize("command", ["status", "reap", "kill", "log"])
def test_a_cloud_that_does_not_answer_is_three(tfce: Shell, command: str) -> None:
    code, _, err = tfce(command, NAME, *COMMANDS[command])
    assert code == 3 and "does not answer" in err and err.count("\n") == 1


def test_a_migration_needs_the_prefix_and_a_cloud_that_answers(tfce: Shell, cfg: Path) -> None:
    code, out, err = tfce("migrate", NAME)
    assert (code, out) == (2, "") and "Workspace_AdoptPrefix" in err and "VMDIRAC3_" in err
    more(cfg, "Workspace_AdoptPrefix = VMDIRAC3_")
    code, out, err = tfce("migrate", NAME)
    assert (code, out) == (3, "") and "does not answer" in err and err.count("\n") == 1


def test_a_queue_that_never_was_can_be_audited_and_reaped_as_far_as_the_cloud_answers(tfce: Shell) -> None:
    for command in (["audit", NAME], ["reap", NAME, "--dry-run"]):
        code, _, err = tfce(*command)
        assert code == 3 and "does not answer" in err


def test_a_busy_queue_is_four(tfce: Shell, cfg: Path) -> None:
    _, folder, _ = tfce("path", NAME)
    tfce("render", NAME)
    code = (
        "import sys, time; from pathlib import Path; from tfce.store.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 0, 'x'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, f"{folder.strip()}/lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    for command in ("render", "submit", "repair", "reap"):
        found, _, err = tfce(command, NAME, *COMMANDS[command])
        assert found == 4 and "is busy" in err
    holder.communicate("", timeout=10)


def test_rendering_needs_no_credentials_and_checking_writes_nothing(tfce: Shell, cfg: Path) -> None:
    (cfg.parent / "cloud.auth").unlink()
    code, diff, _ = tfce("render", NAME, "--check")
    assert code == 1 and '+flavor            = "t3.micro"' in diff
    assert not (cfg.parent / "root").exists()
    code, out, _ = tfce("render", NAME)
    assert code == 0 and "(unchanged)" not in out
    assert tfce("render", NAME, "--check") == (0, "", "")
    assert "(unchanged)" in tfce("render", NAME)[1]
    more(cfg, "Instance_Flavor = m5.large")
    code, diff, _ = tfce("render", NAME, "--check")
    assert (
        code == 1
        and re.search(r'^-flavor .*t3.micro"$', diff, re.M)
        and re.search(r'^\+flavor .*m5.large"$', diff, re.M)
    )


def test_another_clone_on_another_host_is_judged_by_its_shape_alone(
    tfce: Shell, cfg: Path, tmp_path: Path
) -> None:
    """What CI has: the configuration and a clone; no root, no login, no record of pilots."""
    assert tfce("render", NAME)[0] == 0
    clone = tmp_path / "clone"
    (cfg.parent / "root" / "workspaces").rename(clone)
    (clone / "scale" / "cloud.example.org" / "long" / "scale.tfvars.json").write_text("another's")
    shutil.rmtree(cfg.parent / "root")
    (cfg.parent / "cloud.auth").unlink()
    assert tfce("render", NAME, "--check", "--files", str(clone)) == (0, "", "")
    copy = clone / "shape" / "cloud.example.org" / "long" / "pilot.json"
    copy.write_text(copy.read_text().replace("1209600", "3600"))
    code, diff, _ = tfce("render", NAME, "--check", "--files", str(clone))
    assert code == 1 and '-    "max_lifetime": 3600' in diff and "queue.tfvars" not in diff
    assert not (cfg.parent / "root").exists()


def test_a_context_is_shown_masked_without_credentials_cloud_or_workspace(
    tfce: Shell, cfg: Path, tmp_path: Path
) -> None:
    (cfg.parent / "cloud.auth").unlink()
    code, out, err = tfce("render", NAME, "--context")
    assert code == 0 and out.startswith("#cloud-config\n") and "stand-in" in err
    assert re.search(r"# \d+ of 16384 bytes of EC2", out.splitlines()[-1])
    wrapper = tmp_path / "wrapper"
    wrapper.write_bytes(b"#!/bin/sh\n# hush-wrapper\n-----BEGIN PRIVATE KEY-----\n")
    code, out, err = tfce("render", NAME, "--context", "--wrapper", str(wrapper))
    assert (code, err) == (0, "") and "<EXECUTABLE_STR: 53 bytes, sha256" in out
    more(cfg, "Context_ProxyLifetime = 86400")
    code, out, err = tfce("render", NAME, "--context", "--wrapper", str(wrapper))
    assert code == 0 and "<PROXY_STR: " in out and "a proxy of its own" in err
    assert not (cfg.parent / "root").exists()


def test_a_context_that_cannot_be_is_two(tfce: Shell, cfg: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(random.Random(1).randbytes(30000))
    code, out, err = tfce("render", NAME, "--context", "--wrapper", str(tmp_path / "large"))
    assert code == 2 and "of 16384 bytes" in out and "16384 at most" in err
    (tmp_path / "own.yaml").write_text("#cloud-config\nwrite_files: [\n")
    more(cfg, f"Context_Template = {tmp_path}/own.yaml")
    code, out, err = tfce("render", NAME, "--context")
    assert (code, out) == (2, "") and f"{tmp_path}/own.yaml: is not valid YAML: line 3" in err


def test_a_corrupt_record_is_two_and_stays_as_it_is(tfce: Shell) -> None:
    tfce("render", NAME)
    record = Path(tfce("path", NAME)[1].strip()) / "record.json"
    record.write_text('{"schema": 1, "pil')
    for command in ("render", "plan", "submit", "status", "audit", "reap"):
        code, _, err = tfce(command, NAME, *COMMANDS[command])
        assert code == 2 and f"tfce repair {NAME}" in err and err.count("\n") == 1
    assert record.read_text() == '{"schema": 1, "pil'


def test_a_workspace_that_cannot_be_made_is_two(tfce: Shell, cfg: Path) -> None:
    (cfg.parent / "root").write_text("a file where the folder should be")
    for command in ("render", "submit", "plan"):
        code, _, err = tfce(command, NAME, *COMMANDS[command])
        assert code == 2 and str(cfg.parent / "root") in err


def test_version_and_help(tfce: Shell) -> None:
    code, out, _ = tfce("--version")
    assert code == 0 and re.match(
        rf"tfce {re.escape(__version__)}\n(Terraform|OpenTofu) \d+\.\d+.*\nprovider tfce ", out
    )
    assert "provider hashicorp/aws " in out and "provider terraform-provider-openstack/openstack " in out
    code, out, _ = tfce("--help")
    assert code == 0 and "Exit codes" in out and every(command in out for command in COMMANDS)


def test_the_version_names_the_native_providers_that_are_here(
    tfce: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"terraform-provider-openstack_3.4.0_{providers.PLATFORM}.zip"
    place = tmp_path / "mirror" / providers.REGISTRY / "terraform-provider-openstack" / "openstack" / name
    place.parent.mkdir(parents=True)
    place.touch()
    monkeypatch.setenv("TFCE_PROVIDER_MIRROR", str(tmp_path / "mirror"))
    out = tfce("--version")[1]
    assert "provider terraform-provider-openstack/openstack 3.4.0 (TFCE_PROVIDER_MIRROR" in out
    assert [path.name for path in tmp_path.rglob("*openstack_*")] == [name]  # nothing is unpacked


# -- terminals -------------------------------------------------------------------------------------------------


def in_terminal(*arguments: str, width: int, **variables: str) -> str:
    """What a command shows in a terminal that is so wide."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "CI")}
    around = {**kept, "TERM": "xterm-256color", **variables}
    line = [sys.executable, "-m", "tfce.cli", *arguments]
    with subprocess.Popen(line, stdin=follower, stdout=follower, stderr=follower, env=around) as process:
        os.close(follower)
        read = b""
        with contextlib.suppress(OSError):  # a terminal whose other end is closed
            while chunk := os.read(leader, 65536):
                read += chunk
        process.wait(60)
    os.close(leader)
    return read.decode().replace("\r\n", "\n")


def test_a_table_takes_the_terminals_width_and_its_colours(cfg: Path) -> None:
    drawn = in_terminal("status", width=100)
    assert "\x1b[1;31mneeds you" in drawn and "\x1b[1mQUEUE" in drawn
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert max(map(len, plain.splitlines())) <= 100 and "does not answer" in " ".join(plain.split())


def test_a_narrow_terminal_without_colour_still_shows_all_of_it(cfg: Path) -> None:
    drawn = in_terminal("status", width=40, NO_COLOR="1")
    assert "\x1b" not in drawn and max(map(len, drawn.splitlines()[:-1])) <= 40
    words = " ".join(drawn.split())
    assert f"QUEUE {NAME}" in words and "needs you" in words and "looks at login" in words


def test_in_a_pipe_a_row_is_a_line_without_colour_however_narrow(cfg: Path) -> None:
    around = {**os.environ, "COLUMNS": "40"}
    line = [sys.executable, "-m", "tfce.cli", "status"]
    done = subprocess.run(line, capture_output=True, text=True, env=around, check=False)
    heads, row, last = done.stdout.splitlines()
    assert "\x1b" not in done.stdout and heads.split()[0] == "QUEUE" and len(row) > 100
    assert row.startswith("needs you") and last.startswith("1 queue, 1 needs you")


def test_the_man_page_has_every_command_and_reads_without_a_warning() -> None:
    page = Path(__file__).parents[2] / "tfce" / "cli" / "tfce.1"
    text = page.read_text()
    assert subset(COMMANDS, re.findall(r"[a-z]+", text)) and ".TH " in text[:200]
    program = shutil.which("man")
    if program is None:
        pytest.skip("no man here")
    line = [program, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)]
    done = subprocess.run(
        line, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(tfce: Shell, shell: str, tmp_path: Path) -> None:
    code, out, _ = tfce("completion", shell)
    assert code == 0 and "history" in out and "dry-run" in out
    program = shutil.which(shell)
    if program:
        (tmp_path / "script").write_text(out)
        assert subprocess.run([program, "-n", tmp_path / "script"], check=False).returncode == 0


COMPLETED = [
    ("tfce hist", "history"),
    ("tfce status clou", NAME),
    ("tfce doctor --js", "--json"),
    ("tfce submit x --wrapper /etc/host.con", "/etc/host.conf"),
]


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
@pytest.mark.parametrize(("words", "completed"), COMPLETED)
def test_fish_really_completes(tfce: Shell, tmp_path: Path, words: str, completed: str) -> None:
    (tmp_path / "script").write_text(tfce("completion", "fish")[1])
    code = (
        f"function tfce; {shlex.quote(sys.executable)} -m tfce.cli $argv; end; source {tmp_path}/script; "
        f"complete -C '{words}'"
    )
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=False)
    assert completed in [line.split("\t")[0] for line in done.stdout.splitlines()], done


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
@pytest.mark.parametrize(("words", "completed"), COMPLETED)
def test_zsh_really_completes(tfce: Shell, tmp_path: Path, words: str, completed: str) -> None:
    (tmp_path / "script").write_text(tfce("completion", "zsh")[1])
    (tmp_path / "tfce").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tfce.cli "$@"\n')
    (tmp_path / "tfce").chmod(0o700)
    begin = f"PATH={tmp_path}:$PATH; PS1='> '; autoload -Uz compinit; compinit -u -D; "
    begin += f"eval \"$(cat {tmp_path}/script)\"; echo RE''ADY\n"
    shown = typed("zsh -f -i", (begin, "READY\r"), (f"{words}\t", completed))
    assert completed in shown, shown


def typed(program: str, *turns: tuple[str, str]) -> str:
    """What a terminal shows of a program, once what each turn of typing awaits is there, or 20 s passed."""
    child, terminal = pty.fork()
    if not child:
        os.execvpe(program.split()[0], program.split(), {**os.environ, "TERM": "dumb"})
    shown = ""
    for text, awaited in turns:
        os.write(terminal, text.encode())
        shown, deadline = "", time.monotonic() + 20
        while awaited not in shown and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(terminal)
    return shown


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("hist", "history"),
        ("status clou", NAME),
        ("log ", NAME),
        ("plan other", ""),
        ("doctor --js", "--json"),
        ("submit x --wrapper /etc/host.con", "/etc/host.conf"),
    ],
)
def test_bash_really_completes(tfce: Shell, tmp_path: Path, words: str, completed: str) -> None:
    """Commands, options, and the queues of the configuration that TFCE_CONFIG names."""
    (tmp_path / "script").write_text(tfce("completion", "bash")[1])
    line = shlex.split(words) + [""] * words.endswith(" ")
    code = (
        f'tfce() {{ {shlex.quote(sys.executable)} -m tfce.cli "$@"; }}; source {tmp_path}/script\n'
        f"COMP_WORDS=(tfce {shlex.join(line)}); COMP_CWORD={len(line)}\n"
        "$(complete -p tfce | sed 's/.*-F \\([^ ]*\\).*/\\1/') tfce; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == completed, done


def test_doctor_of_all_queues_has_a_line_for_the_broken(tfce: Shell, cfg: Path) -> None:
    text = cfg.read_text()
    cfg.write_text(
        text.replace("      long\n", "      odd\n      {\n        MaxTotalJobs = many\n      }\n      long\n")
    )
    code, out, _ = tfce("doctor", "--json")
    checks = json.loads(out)["queues"]
    assert code == 1 and not checks["cloud.example.org/odd"][0]["ok"]
    assert {one["check"]: one["ok"] for one in checks[NAME]}["cloud"] is False
    assert re.search(r"^FAULT +cloud.example.org/odd .*MaxTotalJobs = many", tfce("doctor")[1], re.M)


def test_metrics_of_queues_that_never_were_are_an_exposition(tfce: Shell) -> None:
    code, out, _ = tfce("metrics")
    assert code == 0 and "# TYPE tfce_pilots gauge" in out and "tfce_build_info{" in out


@pytest.mark.parametrize("text", ["9753", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_that_is_none_is_a_usage_error(tfce: Shell, text: str) -> None:
    code, _, err = tfce("metrics", "--listen", text)
    assert code == 2 and "such as 127.0.0.1:9753" in err


def test_repair_is_json_too(tfce: Shell) -> None:
    tfce("render", NAME)
    code, out, _ = tfce("repair", NAME, "--json")
    assert (code, out) == (3, "") or json.loads(out)["done"] == []


def unignored() -> None:
    """In a child: what whoever runs the tests ignores, as nohup does, is not ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def with_a_terminal() -> None:
    """In a child: its standard input is the terminal that its session has."""
    unignored()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_an_interrupt_is_told_in_one_line(cfg: Path, tmp_path: Path) -> None:
    # A reader that is too slow gives the time: the wrapper is a pipe that nobody fills.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        child = subprocess.Popen(
            [sys.executable, "-m", "tfce.cli", "submit", NAME, "--wrapper", str(pipe)],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=unignored,
        )
        with pipe.open("w"):  # opens only once the child reads it
            child.send_signal(number)
            _, err = child.communicate(timeout=20)
        assert child.returncode == -number and err.startswith("tfce: interrupted") and err.count("\n") == 1


def test_a_terminal_that_closes_is_no_fault_of_tfces(cfg: Path, tmp_path: Path) -> None:
    pipe, reports = tmp_path / "pipe", tmp_path / "reports"
    os.mkfifo(pipe)
    reports.mkdir()
    mine, its = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "tfce.cli", "submit", NAME, "--wrapper", str(pipe)],
        stdin=its,
        stdout=its,
        stderr=its,
        env=os.environ | {"TMPDIR": str(reports)},
        start_new_session=True,
        preexec_fn=with_a_terminal,
    )
    os.close(its)
    with pipe.open("w"):
        os.close(mine)
        child.wait(timeout=20)
    assert child.returncode == -signal.SIGHUP and not list(reports.iterdir())


# A signal at the import of a module, as if it came by chance just then.
AT_IMPORT = """
import os, sys
class At:
    def find_spec(self, name, *more):
        if name == "{module}":
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, At())
sys.argv = ["tfce", "queues"]
from TfceDIRAC.engine import run_tfce
run_tfce()
"""


@pytest.mark.parametrize("module", ["tfce.cli.main", "tfce.app", "diraccfg"])
def test_ctrl_c_while_a_command_starts_is_no_traceback(cfg: Path, module: str) -> None:
    code = AT_IMPORT.format(module=module, number=int(signal.SIGINT))
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, preexec_fn=unignored
    )
    assert child.returncode == -signal.SIGINT
    assert not child.stderr or child.stderr == "tfce: interrupted; the next command finds out what was begun\n"


def test_what_a_shell_s_background_ignores_stays_ignored(cfg: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = subprocess.Popen(
        [sys.executable, "-m", "tfce.cli", "submit", NAME, "--wrapper", str(pipe)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    with pipe.open("w"):
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        assert "interrupted" in child.communicate(timeout=20)[1]


def test_a_reader_that_has_gone_is_no_traceback(cfg: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run(
        [sys.executable, "-m", "tfce.cli", "queues"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert "Traceback" not in child.stderr


# -- what is printed ---------------------------------------------------------------------------------------


def test_a_submission_as_json_and_for_people() -> None:
    submission = Submission(
        {"cloud://i-1": "0000000A"}, {"0000000B": Reason(Kind.CAPACITY, "no capacity")}, seconds=1.23456
    )
    submission.calls.update({"RunInstances": 2})
    assert tables.submission_json(submission) == {
        "references": ["cloud://i-1"],
        "stamps": {"cloud://i-1": "0000000A"},
        "failed": [{"key": "0000000B", "reason": "no capacity", "kind": "capacity"}],
        "calls": {"RunInstances": 2},
        "seconds": 1.235,
        "limited": "",
    }
    text = tables.submission_table(submission)
    assert "cloud://i-1" in text and "no capacity" in text and "2 API calls (RunInstances 2), 1.2 s" in text


@pytest.mark.parametrize(
    ("stamps", "failed", "stopped", "code"),
    [
        ({"r": "A"}, {}, Stopped.NO, 0),
        ({"r": "A"}, {"B": Kind.UNREACHABLE}, Stopped.NO, 1),
        ({}, {"B": Kind.UNREACHABLE}, Stopped.NO, 3),
        ({}, {"B": Kind.AUTHENTICATION}, Stopped.NO, 3),
        ({}, {"B": Kind.QUOTA}, Stopped.NO, 1),
        ({}, {"B": Kind.UNREACHABLE}, Stopped.TIMED_OUT, 1),
        ({}, {"A": Kind.AUTHENTICATION, "B": Kind.AUTHENTICATION, "C": Kind.CAPACITY}, Stopped.NO, 3),
    ],
)
def test_a_submissions_exit_code(
    stamps: dict[str, str], failed: dict[str, Kind], stopped: Stopped, code: int
) -> None:
    reasons = {key: Reason(kind, "x") for key, kind in failed.items()}
    assert commands.submission_code(Submission(stamps, reasons, stopped=stopped)) == code


def test_a_sweep_as_json_and_for_people() -> None:
    sweep = Sweep(
        removed=[
            Removal("0000000A", "cloud://i-1", "tfce-0000000A", Ending(Cause.STOPPED), State.STOPPED, 312),
            Removal("0000000B", None, "tfce-0000000B", Ending(Cause.GONE), State.DELETED, None),
        ],
        failed={"cloud://i-3": "denied"},
        held=[Removal("0000000C", "cloud://i-4", "tfce-0000000C", Ending(Cause.OVERDUE), State.DELETED, 9)],
        adopted=["0000000D"],
        absent=["cloud://i-5"],
        later=["cloud://i-6"],
        kept=4,
    )
    shown = tables.sweep_json(sweep)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["removed"] == [
        {
            "reference": "cloud://i-1",
            "name": "tfce-0000000A",
            "cause": "stopped",
            "reason": "stopped",
            "lived_s": 312,
        },
        {"reference": None, "name": "tfce-0000000B", "cause": "gone", "reason": "gone", "lived_s": None},
    ]
    assert shown["failed"] == [{"reference": "cloud://i-3", "reason": "denied"}] and shown["kept"] == 4
    assert (shown["absent"], shown["later"]) == (["cloud://i-5"], ["cloud://i-6"])
    assert shown["looked_only"] is False
    text = tables.sweep_table(sweep)
    for words in ("LIVED_S", "312", "held back: overdue", "FAILED: denied", "0000000D", "4 kept"):
        assert words in text
    assert "only looked" not in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("cloud://")}
    assert "knows no such VM" in rows["cloud://i-5"] and "its removal is remembered" in rows["cloud://i-6"]
    assert tables.sweep_table(Sweep(kept=2)).startswith("nothing to remove\n2 kept")


def test_a_sweep_that_only_looked_says_so() -> None:
    sweep = Sweep(
        removed=[Removal("0000000A", "cloud://i-1", "tfce-0000000A", Ending(Cause.STOPPED), State.STOPPED, 312)],
        looked_only=True,
    )
    assert tables.sweep_json(sweep)["looked_only"] is True
    text = tables.sweep_table(sweep, "WOULD GO")
    assert text.startswith("WOULD GO") and "nothing was removed: tfce only looked" in text


def test_an_audit_shows_each_cure() -> None:
    row = Row("0000000A", "cloud://i-1", True, False, "running", "unrecorded", f"tfce reap {NAME}")
    text = tables.audit_table([row])
    assert f"tfce reap {NAME}" in text and "yes" in text


class Lists(FakeCloud):
    """A cloud that lists these VMs, whoever asks."""

    def __init__(self, *nodes: VM) -> None:
        super().__init__(Sky())
        self._nodes = nodes
        self.calls["DescribeInstances"] = 1

    def vms(self, *owners: Owner) -> Listing:
        return Listing(self._nodes)


def test_a_migration_lists_the_vms_of_the_prefix_and_prints_the_sql(
    tfce: Shell, cfg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more(cfg, "Workspace_AdoptPrefix = VMDIRAC3_")
    born = datetime.now(UTC) - timedelta(hours=1)
    ours = {"tfce:key": "0000000A"}
    cloud = Lists(
        VM("i-1", "VMDIRAC3_A", State.RUNNING, "running", born),
        VM("i-2", "VMDIRAC3_B", State.STOPPED, "stopped", None),
        VM("i-3", "VMDIRAC3_C", State.DELETED, "terminated", born),
        VM("i-4", "database", State.RUNNING, "running", born),
        VM("i-5", "VMDIRAC3_D", State.RUNNING, "running", born, ours),
    )
    real = app.assemble
    monkeypatch.setattr(
        "tfce.cli.commands.assemble", lambda queue, **more: replace(real(queue, **more), cloud=cloud)
    )
    code, out, _ = tfce("migrate", NAME, "--json")
    shown = json.loads(out)
    assert code == 0 and shown["calls"] == {"DescribeInstances": 1}
    running, stopped = shown["vms"]
    assert 3600 <= running.pop("age_s") < 3660
    assert running == {"reference": "cloud://i-1", "name": "VMDIRAC3_A", "state": "Running"}
    assert stopped == {"reference": "cloud://i-2", "name": "VMDIRAC3_B", "state": "Done", "age_s": None}
    code, text, _ = tfce("migrate", NAME)
    assert code == 0 and "VMDIRAC3_B" in text and "database" not in text
    assert text.endswith(f"{shown['statement']}\n") and "DestinationSite = 'cloud.example.org'" in text
    cloud._nodes = ()
    assert "no VM is left over" in tfce("migrate", NAME)[1]


def test_columns_line_up() -> None:
    lines = show.table(("A", "LONGER"), [("longer than a", 1), ("x", None)]).splitlines()
    assert len({line.index(cell) for line, cell in zip(lines, ("LONGER", "1", "None"), strict=True)}) == 1
    assert show.table(("A",), []) == "A"
    assert tables.status_table([]).startswith("REFERENCE")


def test_one_is_not_said_as_many() -> None:
    assert [tables.cost({"ListServers": n} if n else {}, 1).split(" (")[0] for n in (0, 1, 2)] == [
        "0 API calls",
        "1 API call",
        "2 API calls",
    ]
    assert [show.queues(*some) for some in ((1, 0), (1, 1), (2, 2))] == [
        "1 queue, 0 need you",
        "1 queue, 1 needs you",
        "2 queues, 2 need you",
    ]


def test_a_time_of_the_journal_says_how_long_ago_it_was() -> None:
    assert show.since(f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}").endswith("Z (3 h ago)")
    assert show.since("yesterday") == "yesterday"  # a line that somebody edited


def test_ages_and_names_of_pilots_whose_vm_nobody_lists() -> None:
    from tfce.model.pilot import Pilot
    from tfce.pilots.fleet import SeenPilot

    born = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    now = datetime(2026, 1, 31, 12, 1, tzinfo=UTC)
    row = tables.seen_row(SeenPilot(Pilot("0000000A", born, "b", "i-1"), None, "Deleted"), now, "tfce-")
    assert (row["reference"], row["name"], row["node_state"], row["age_s"]) == (
        "cloud://i-1",
        "tfce-0000000A",
        None,
        60,
    )
    seen = SeenPilot(Pilot("0000000A", born, "b"), None, "Deleted")
    assert tables.seen_row(seen, now, "tfce-")["reference"] is None
