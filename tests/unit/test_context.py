"""User data: what is in it, that bytes survive, and what is refused."""

from __future__ import annotations

import base64
import bz2
import hashlib
import os
import random
import re
import subprocess
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import userdata
from tests.claims import every, some
from tfce.config.capabilities import NOVA as OPENSTACK
from tfce.config.clouds.ec2 import USER_DATA as EC2
from tfce.config.data import data_path
from tfce.model import userdata as wire
from tfce.model.errors import ConfigError
from tfce.model.pilot import Batch
from tfce.userdata.document import (
    ContextError,
    Limit,
    Recipe,
    check,
    preview,
    render,
    takes_batches,
)

KEY = "0A1B2C3D"
PEM = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(random.Random(8).randbytes(700))
DEFAULT = Recipe(None, (), 86400, EC2)
PREPARED = Recipe(data_path("templates") / "prepared-image.yaml", (), 86400, OPENSTACK)

AWKWARD = {
    "quotes": b"#!/bin/bash\necho \"it's\" '\"' `date` $HOME \\n \\\\\n",
    "no newline at the end": b"#!/bin/bash\ntrue",
    "many newlines at the end": b"#!/bin/bash\ntrue\n\n\n",
    "blanks before the first word": b"\n\n   #!/bin/bash\n",
    "blanks at the ends of lines": b"#!/bin/bash  \necho a \t\n",
    "CRLF": b"#!/bin/bash\r\necho a\r\n",
    "YAML": b"---\n- a: b\n...\n%TAG ! x\n#cloud-config\nruncmd: [poweroff]\n'\n",
    "MIME": b'MIME-Version: 1.0\nContent-Type: a/b; boundary="=.="\n\n--=.=\n\nFrom me\n--=.=--\n',
    "placeholders": b"STAMP_STR LIFETIME_STR EXECUTABLE_STR PROXY_STR SQUIDS_STR\n",
    "a placeholder alone": b"PROXY_STR",
    "jinja": b"## template: jinja\n{{ v1.instance_id }} {% raw %}\n",
    "UTF-8": "#!/bin/bash\necho 'Zürich, Å and A\u030a, \u2028, \ufeff'\n".encode(),
    "Latin-1": b"#!/bin/bash\necho '\xfc'\n",
    "binary": bytes(range(256)) * 3,
    "zero": b"\0",
    "number": b"0755",
    "boolean": b"yes",
    "tabs": b"#!/bin/bash\n\tif true; then\n\t\techo\n\tfi\n",
}


def document(data: bytes) -> dict[str, Any]:
    """What cloud-init would make of the user data."""
    return userdata.document(data.decode("ascii"))


def files(data: bytes) -> dict[str, dict[str, Any]]:
    return {entry["path"]: entry for entry in document(data)["write_files"]}


def wrapper(proxy_bytes: int = 4400) -> bytes:
    """A pilot wrapper of the usual size and kind: a script around Python with a compressed proxy in it."""
    noise = random.Random(7)
    private = b"-----BEGIN PRIVATE KEY-----\n"
    words = ["logger", "urlopen", "location", "pilot.tar", "os.path.join", "except", "sha512", "context", "="]
    lines = [" " * noise.choice((0, 2, 4)) + " ".join(noise.choices(words, k=6)) for _ in range(180)]
    proxy = private + base64.encodebytes(noise.randbytes(proxy_bytes))
    blob = base64.b64encode(bz2.compress(proxy)).decode()
    unpack = f"  fd.write(bz2.decompress(base64.b64decode(b'{blob}')))"
    body = "\n".join(["/usr/bin/env python3 << EOF", *lines[:90], unpack, *lines[90:], "EOF", ""])
    return f"#!/bin/bash\n{body}".encode()


def template(folder: Path, text: str) -> Recipe:
    path = folder / "own.yaml"
    path.write_text(textwrap.dedent(text))
    return Recipe(path, (), 3600, OPENSTACK)


@pytest.mark.parametrize("recipe", [DEFAULT, PREPARED], ids=["default", "prepared"])
@pytest.mark.parametrize("name", AWKWARD)
def test_the_bytes_of_the_wrapper_survive(recipe: Recipe, name: str) -> None:
    data = render(recipe, key=KEY, wrapper=AWKWARD[name]).data
    assert userdata.content(files(data)["/root/run_pilot.sh"]) == AWKWARD[name]


def test_any_bytes_survive() -> None:
    noise = random.Random(42)
    alphabet = [b" ", b"\n", b"\t", b"'", b'"', b":", b"-", b"#", b"|", b">", b"\\", b"a", b"%", b"{", b"\r"]
    for _ in range(150):
        value = b"".join(noise.choices(alphabet, k=noise.randint(1, 60)))
        data = render(PREPARED, key=KEY, wrapper=value, proxy=value).data
        assert userdata.content(files(data)["/root/run_pilot.sh"]) == value
        assert userdata.content(files(data)["/root/proxy.pem"]) == value


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (render(DEFAULT, key=KEY, wrapper=wrapper()) for _ in range(2))
    assert first == second
    assert first.digest == hashlib.sha256(first.data).hexdigest()
    assert render(DEFAULT, key="FFFFFFFF", wrapper=wrapper()).data != first.data


def test_a_usual_wrapper_with_a_bundled_proxy_fits_ec2() -> None:
    usual = wrapper()
    assert len(usual) > 13_000
    data = render(DEFAULT, key=KEY, wrapper=usual).data
    assert len(data) <= EC2.size
    assert data.startswith(b"MIME-Version: 1.0\n")
    assert userdata.content(files(data)["/root/run_pilot.sh"]) == usual


def test_where_a_cloud_takes_bytes_a_third_more_fits() -> None:
    usual, roomy = wrapper(), Recipe(None, (), 86400, EC2.in_bytes)
    data = render(roomy, key=KEY, wrapper=usual).data
    assert data.decode("ascii").startswith("H4sI")
    assert roomy.limit.measure(data) == len(wire.as_bytes(data.decode()))
    assert roomy.limit.measure(data) < 0.77 * len(render(DEFAULT, key=KEY, wrapper=usual).data)
    assert userdata.content(files(data)["/root/run_pilot.sh"]) == usual
    assert base64.b64decode(wire.as_base64(data.decode())) == wire.as_bytes(data.decode())


def test_what_is_plain_and_what_is_mime_travels_as_it_is() -> None:
    for text in ("#cloud-config\na: b\n", "MIME-Version: 1.0\n"):
        assert wire.as_bytes(text) == base64.b64decode(wire.as_base64(text)) == text.encode()
    data = render(Recipe(None, (), 60, EC2.in_bytes), key=KEY, wrapper=b"Mime-Version: 1.0\n").data
    assert userdata.content(files(data)["/root/run_pilot.sh"]) == b"Mime-Version: 1.0\n"


def test_a_wrapper_without_a_proxy_stays_plain_on_openstack_and_fits() -> None:
    data = render(Recipe(None, (), 60, OPENSTACK), key=KEY, wrapper=wrapper(100)).data
    assert data.startswith(b"#cloud-config\n")
    assert OPENSTACK.measure(data) <= OPENSTACK.size


def test_the_bound_counts_what_the_cloud_counts() -> None:
    assert [EC2.measure(b"x" * n) for n in (1, 16384)] == [1, 16384]
    assert [OPENSTACK.measure(b"x" * n) for n in (1, 3, 4)] == [4, 4, 8]
    for limit, largest in ((EC2, 16384), (OPENSTACK, 49151)):
        exact = Limit(limit.measure(b"x" * largest), limit.base64, limit.name)
        assert exact.measure(b"x" * largest) <= exact.size < exact.measure(b"x" * (largest + 3))


def test_exactly_at_the_bound_is_accepted_and_one_byte_less_is_not() -> None:
    size = len(render(DEFAULT, key=KEY, wrapper=wrapper()).data)
    render(Recipe(None, (), 86400, Limit(size, False, "here")), key=KEY, wrapper=wrapper())
    with pytest.raises(ConfigError):
        render(Recipe(None, (), 86400, Limit(size - 1, False, "here")), key=KEY, wrapper=wrapper())


def test_too_large_names_size_bound_and_cure_but_nothing_of_the_wrapper() -> None:
    secret = b"-----BEGIN RSA PRIVATE KEY-----" + random.Random(1).randbytes(20000)
    with pytest.raises(ConfigError) as caught:
        render(DEFAULT, key=KEY, wrapper=secret)
    message = caught.value.message
    assert "16384" in message
    assert "EC2" in message
    assert "20031" in message
    assert "prepared-image.yaml" in message
    assert "PRIVATE" not in message


def test_too_large_says_by_how_much_and_what_each_option_would_change(tmp_path: Path) -> None:
    big = wrapper(9000)
    recipe = Recipe(None, ("gcc",), 86400, EC2)
    with pytest.raises(ConfigError) as caught:
        render(recipe, key=KEY, wrapper=big, proxy=PEM)
    (fault,) = caught.value.faults
    size, over = map(int, re.findall(r"takes (\d+) bytes.*: (\d+) too many", fault.problem)[0])
    assert size - over == EC2.size and f"own proxy {len(PEM)}" in fault.problem
    changed = {words: int(after) for words, after in re.findall(r"(\w+_\w+)[^(]*\(then (\d+) bytes", fault.cure)}
    assert set(changed) == {"Terraform_Module", "Context_ProxyLifetime", "Context_Template", "Context_ExtPackages"}
    assert changed["Context_Template"] < size < 10**5
    assert changed["Context_ProxyLifetime"] < size - 200
    assert changed["Terraform_Module"] < 0.77 * size
    assert fault.cure.index("Terraform_Module") < fault.cure.index("Context_ExtPackages")


@pytest.mark.parametrize("proxy", [None, PEM])
def test_too_large_says_what_is_not_enough_and_blames_no_proxy_that_is_not_there(proxy: bytes | None) -> None:
    with pytest.raises(ConfigError) as caught:
        render(DEFAULT, key=KEY, wrapper=random.Random(9).randbytes(30000), proxy=proxy)
    cure = caught.value.faults[0].cure
    assert re.search(r"Context_Template = .*\(then \d+ bytes, still too many\); or ", cure)
    assert ("fewer attributes" in cure) is bool(proxy) and ("pilot wrapper smaller" in cure) is (proxy is None)


def test_compressed_only_where_it_is_needed() -> None:
    small = render(PREPARED, key=KEY, wrapper=b"#!/bin/sh\ntrue\n").data
    assert small.startswith(b"#cloud-config\n")
    noise = random.Random(3).randbytes(3000)
    tight = Recipe(PREPARED.template, (), 60, Limit(12000, False, "here"))
    data = render(tight, key=KEY, wrapper=noise).data
    assert data.startswith(b"MIME-Version: 1.0\n")
    assert userdata.content(files(data)["/root/run_pilot.sh"]) == noise


def test_plain_text_that_cloud_init_would_take_for_mime_is_sent_as_mime(tmp_path: Path) -> None:
    recipe = template(tmp_path, "write_files: [{path: /p, content: EXECUTABLE_STR}]\n")
    data = render(recipe, key=KEY, wrapper=b"Mime-Version: 1.0\n\nhello\n").data
    assert data.startswith(b"MIME-Version: 1.0\n")
    assert userdata.content(files(data)["/p"]) == b"Mime-Version: 1.0\n\nhello\n"


def stamp_of(script: str, facts: dict[str, str]) -> str:
    """What stamp.sh prints where cloud-init knows ``facts``, and there is no config drive."""
    answers = "".join(f"ds.meta_data.{name}) echo {value} ;;\n" for name, value in facts.items())
    programs = {"cloud-init": f"case $2 in\n{answers}*) exit 1 ;;\nesac\n", "blkid": "exit 2\n"}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in programs.items():
            program = Path(folder) / name
            program.write_text(f"#!/bin/sh\n{text}")
            program.chmod(0o755)
        path = {"PATH": f"{folder}:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", script], env=path, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("recipe", [DEFAULT, PREPARED], ids=["default", "prepared"])
def test_vms_of_a_batch_make_their_stamps_of_their_numbers(recipe: Recipe) -> None:
    batch = Batch("3FA2C0D1", 12)
    assert takes_batches(recipe)
    script = files(render(recipe, key=batch.rule, wrapper=b"x").data)["/root/stamp.sh"]["content"]
    for name in ("launch_index", "ami-launch-index"):
        assert tuple(stamp_of(script, {name: str(number)}) for number in range(12)) == batch.keys
    assert stamp_of(script, {}) == stamp_of(script, {"launch_index": "none"}) == ""


def test_a_template_with_the_stamp_in_it_takes_no_batches(tmp_path: Path) -> None:
    text = "write_files: [{path: /p, content: EXECUTABLE_STR}]\nruncmd: [echo %s]\n"
    assert not takes_batches(template(tmp_path, text % "STAMP_STR"))
    assert not takes_batches(template(tmp_path, text % "STAMP_STR STAMPRULE_STR"))
    assert not takes_batches(template(tmp_path, text % "hello"))
    assert takes_batches(template(tmp_path, text % "STAMPRULE_STR"))


def test_the_stamp_and_the_reference_are_exported() -> None:
    placed = files(render(DEFAULT, key=KEY, wrapper=b"x").data)
    startup, pilot = (placed[f"/root/{name}.sh"]["content"] for name in ("startup", "pilot"))
    assert 'export DIRAC_PILOT_STAMP="$1"\n' in startup and '/mnt/startup.sh $stamp $id"' in pilot
    assert stamp_of(placed["/root/stamp.sh"]["content"], {}) == KEY
    assert 'export PILOT_UUID="cloud://$2"\n' in startup


def test_the_watchdog_knows_the_lifetime_and_the_start_limit() -> None:
    def watchdog(recipe: Recipe) -> list[str]:
        first: list[str] = document(render(recipe, key=KEY, wrapper=b"x").data)["bootcmd"][0]
        return first[4:6]

    assert watchdog(Recipe(None, (), 86400, EC2)) == ["86400", "3600"]
    assert watchdog(Recipe(None, (), 600, EC2)) == ["600", "600"]
    assert watchdog(Recipe(None, (), 600, EC2, start_limit=90)) == ["600", "90"]


@pytest.mark.parametrize("recipe", [DEFAULT, PREPARED], ids=["default", "prepared"])
def test_the_proxy_is_there_only_when_given_and_only_for_its_owner(recipe: Recipe) -> None:
    without = files(render(recipe, key=KEY, wrapper=b"x").data)
    assert "/root/proxy.pem" not in without
    assert "PROXY_STR" not in str(without)
    entry = files(render(recipe, key=KEY, wrapper=b"x", proxy=b"a proxy\n").data)["/root/proxy.pem"]
    assert (entry["permissions"], userdata.content(entry)) == ("0600", b"a proxy\n")
    assert files(render(recipe, key=KEY, wrapper=b"x").data)["/root/run_pilot.sh"]["permissions"] == "0700"


def test_a_proxy_is_private_even_where_the_template_forgot(tmp_path: Path) -> None:
    recipe = template(
        tmp_path,
        """
        write_files:
          - {path: /w, content: EXECUTABLE_STR}
          - {path: /p, content: PROXY_STR, permissions: "0644"}
        """,
    )
    assert files(render(recipe, key=KEY, wrapper=b"x", proxy=b"y").data)["/p"]["permissions"] == "0600"


def test_a_proxy_without_a_place_is_refused(tmp_path: Path) -> None:
    recipe = template(tmp_path, "write_files: [{path: /p, content: EXECUTABLE_STR}]\n")
    with pytest.raises(ConfigError, match="PROXY_STR"):
        render(recipe, key=KEY, wrapper=b"x", proxy=b"y")


def test_packages_are_added(tmp_path: Path) -> None:
    recipe = Recipe(None, ("gcc", "git"), 60, EC2)
    assert document(render(recipe, key=KEY, wrapper=b"x").data)["packages"] == ["cvmfs", "gcc", "git"]
    assert "packages" not in document(render(PREPARED, key=KEY, wrapper=b"x").data)
    bare = Recipe(PREPARED.template, ("gcc",), 60, EC2)
    assert document(render(bare, key=KEY, wrapper=b"x").data)["packages"] == ["gcc"]


def test_cvmfs_proxies_come_from_the_recipe_and_cannot_hold_shell() -> None:
    squid = "http://squid.example.org:3128|http://[2001:db8::1]:3128;DIRECT"
    data = render(Recipe(None, (), 60, EC2, cvmfs_proxies=squid), key=KEY, wrapper=b"x").data
    assert f'CVMFS_HTTP_PROXY="{squid}"\n' in files(data)["/etc/cvmfs/default.local"]["content"]
    for bad in ('a"b', "$(id)", "`id`", "a\nb", "\\"):
        with pytest.raises(ConfigError, match="CVMFSProxies"):
            check(Recipe(None, (), 60, EC2, cvmfs_proxies=bad))


@pytest.mark.parametrize("name", ["packages", "runcmd", "bootcmd"])
def test_an_empty_list_is_one(tmp_path: Path, name: str) -> None:
    made = template(tmp_path, f"write_files:\n  - path: /p\n    content: EXECUTABLE_STR\n{name}:\n")
    assert name not in document(render(made, key=KEY, wrapper=b"x").data)
    more = replace(made, packages=("gcc",))
    assert document(render(more, key=KEY, wrapper=b"x").data)["packages"] == ["gcc"]


CLOUDCE = r"""
#cloud-config

disable_ec2_metadata: true
timezone: UTC
write_files:
 - encoding: gz+b64
   path: /etc/key
   content: |
      H4sIAAAAAAAA/8tIzcnJBwCGphA2BQAAAA==
 - path: /root/proxy.pem
   permissions: '0600'
   content: PROXY_STR
 - path: /root/run_pilot.sh
   permissions: '0755'
   content: EXECUTABLE_STR
 - path: /root/startup.sh
   permissions: '0755'
   content: |
     #!/bin/bash
     export DIRAC_PILOT_STAMP="STAMP_STR"
     bash /mnt/run_pilot.sh &> /mnt/dirac/startup.log
packages:
 - cvmfs
runcmd:
 - [ mkdir, -p, /mnt/cvmfs ]
 - [ sudo, -u, dirac, /mnt/startup.sh ]
 - poweroff
"""


def test_a_template_written_for_cloudce_is_taken_as_it_is(tmp_path: Path) -> None:
    recipe = Recipe(template(tmp_path, CLOUDCE).template, ("gcc",), 60, EC2)
    data = render(recipe, key=KEY, wrapper=b"#!/bin/bash\n# STAMP_STR\n", proxy=b"p").data
    expected = yaml.safe_load(CLOUDCE)
    expected["packages"].append("gcc")
    for entry, text in zip(
        expected["write_files"][1:],
        ("p", "#!/bin/bash\n# STAMP_STR\n", expected["write_files"][3]["content"].replace("STAMP_STR", KEY)),
        strict=True,
    ):
        entry["content"] = text
    assert document(data) == expected


def test_a_jinja_template_stays_one_and_the_wrapper_is_kept_from_jinja(tmp_path: Path) -> None:
    recipe = template(
        tmp_path,
        "## template: jinja\n#cloud-config\nwrite_files: [{path: /p, content: EXECUTABLE_STR}]\n"
        "hostname: '{{ v1.instance_id }}'\n",
    )
    text = render(recipe, key=KEY, wrapper=b"{{ v1.instance_id }}\n").data.decode()
    assert text.startswith("## template: jinja\n#cloud-config\n")
    parsed = yaml.safe_load(text)
    assert parsed["hostname"] == "{{ v1.instance_id }}"
    assert userdata.content(parsed["write_files"][0]) == b"{{ v1.instance_id }}\n"
    assert text.count("{{") == 1


def test_a_folder_of_pieces_is_merged_in_order(tmp_path: Path) -> None:
    (tmp_path / "10.yaml").write_text("runcmd: [a]\ntimezone: UTC\napt: {sources: {a: {source: x}}}\n")
    (tmp_path / "20.yaml").write_text(
        "runcmd: [[sh, -c, {from: b.sh}]]\ntimezone: CET\napt: {sources: {b: {source: y}}}\n"
        "write_files: [{path: /p, content: EXECUTABLE_STR}]\n"
    )
    (tmp_path / "b.sh").write_text("echo STAMP_STR\n")
    merged = document(render(Recipe(tmp_path, (), 60, EC2), key=KEY, wrapper=b"x").data)
    assert merged == {
        "runcmd": ["a", ["sh", "-c", f"echo {KEY}\n"]],
        "timezone": "CET",
        "apt": {"sources": {"a": {"source": "x"}, "b": {"source": "y"}}},
        "write_files": [{"path": "/p", "content": "x"}],
    }


def test_a_copied_template_still_finds_our_scripts(tmp_path: Path) -> None:
    recipe = template(tmp_path, (data_path("templates") / "prepared-image.yaml").read_text())
    assert render(recipe, key=KEY, wrapper=b"x").data == (
        render(Recipe(PREPARED.template, (), 3600, OPENSTACK), key=KEY, wrapper=b"x").data
    )


BROKEN = {
    "tab": ("write_files:\n\t- path: /p\n", "line 2, column 1"),
    "unclosed": ("a: b\nruncmd: [a\n", "line 3"),
    "a tag": ("a: !!python/object/apply:os.system [id]\n", "line 1"),
    "a list": ("- a\n", "mapping"),
    "nothing": ("", "mapping"),
    "a script": ("#!/bin/sh\necho: hello\n", "EXECUTABLE_STR"),
    "no wrapper": ("runcmd: [a]\n", "EXECUTABLE_STR"),
    "files not a list": ("timezone: UTC\nwrite_files: {path: /p}\n", "line 2: write_files is not a list"),
    "no path": (
        "write_files:\n  - path: /p\n  - content: x\n",
        "line 3: an entry of write_files has no path",
    ),
    "content": ("write_files:\n  - path: /p\n    content: [a]\n", "line 3: the content of /p"),
    "command": ("runcmd:\n  - ls\n  - {a: b}\n", "line 3: an entry of runcmd"),
    "nested": ("bootcmd:\n  - [ls, [a]]\n", "line 2: an entry of bootcmd"),
    "packages": ("packages: gcc\n", "line 1: packages is not a list"),
    "twice": ("runcmd: [a]\ntimezone: UTC\nruncmd: [b]\n", "line 3: runcmd stands twice"),
    "a control character": ("a: b\0\n", "control characters"),
    "from": ("runcmd:\n  - {from: nowhere.sh}\n", "nowhere.sh"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_template_is_an_error_with_file_line_and_reason(tmp_path: Path, name: str) -> None:
    text, reason = BROKEN[name]
    with pytest.raises(ConfigError) as caught:
        check(template(tmp_path, text))
    assert reason in caught.value.message and "\n" not in caught.value.message
    assert "own.yaml" in caught.value.message
    assert caught.value.faults[0].option == "Context_Template"


def test_a_missing_unreadable_or_empty_template_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a: \xfc\n")
    (tmp_path / "empty").mkdir()
    for name in ("absent.yaml", "latin", "empty"):
        with pytest.raises(ConfigError, match=name):
            check(Recipe(tmp_path / name, (), 60, EC2))


def _takes(name: str) -> str:
    return (
        f"write_files:\n  - {{path: /p, content: EXECUTABLE_STR}}\n  - {{path: /q, content: {{from: {name}}}}}\n"
    )


@pytest.mark.parametrize("name", ["/etc/hostname", "../out.sh", "sub/../../out.sh", "link.sh", '"a\\0b"', '""'])
def test_a_template_takes_in_nothing_from_beyond_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "out.sh").write_text("echo hidden\n")
    own = tmp_path / "own"
    (own / "sub").mkdir(parents=True)
    (own / "link.sh").symlink_to(tmp_path / "out.sh")
    with pytest.raises(ConfigError, match=r"own\.yaml.* takes a text from .*not beside the template") as caught:
        check(template(own, _takes(name)))
    assert caught.value.faults[0].cure


def test_a_template_takes_in_what_is_beside_it_and_beneath(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.sh").write_text("echo mine\n")
    (tmp_path / "near.sh").symlink_to("sub/a.sh")
    for name in ("sub/a.sh", "near.sh"):
        made = document(render(template(tmp_path, _takes(name)), key=KEY, wrapper=b"x").data)
        assert made["write_files"][1]["content"] == "echo mine\n"


@pytest.mark.parametrize(
    "line", ["d: 2020-13-45", "n: " + "9" * 5000, "a: &a [*a]", "a: &a {b: *a}", "a: " + "[" * 5000 + "]" * 5000]
)
def test_what_yaml_has_and_no_document_can_hold_is_named_with_its_cure(tmp_path: Path, line: str) -> None:
    text = f"{line}\nwrite_files:\n  - {{path: /p, content: EXECUTABLE_STR}}\n"
    with pytest.raises(ConfigError, match=r"own\.yaml") as caught:
        check(template(tmp_path, text))
    assert caught.value.faults[0].cure


def test_of_a_template_only_regular_files_in_trusted_hands_of_some_size_are_read(tmp_path: Path) -> None:
    """A FIFO would never end."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "a.yaml")
    (tmp_path / "huge").write_bytes(b"#" * (2**20 + 1))
    (tmp_path / "open").write_text("a: b\n")
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "latin.sh").write_bytes(b"echo \xfc\n")
    reasons = {"fifo": "regular file", "folder": "regular file", "huge": "bytes", "open": "by everybody"}
    for name, reason in reasons.items():
        with pytest.raises(ConfigError, match=f"{name}.*{reason}"):
            check(Recipe(tmp_path / name, (), 60, EC2))
    for name, reason in {"fifo": "regular file", "folder": "directory", "latin.sh": "utf-8"}.items():
        with pytest.raises(ConfigError, match=f"{name}.*{reason}"):
            check(template(tmp_path, _takes(name)))


def test_ours_pass_the_check_on_every_cloud() -> None:
    for path in (None, PREPARED.template):
        for limit in (EC2, OPENSTACK):
            check(Recipe(path, ("gcc",), 60, limit))


def test_what_cannot_be_a_pilot_is_refused() -> None:
    with pytest.raises(ContextError, match="empty"):
        render(DEFAULT, key=KEY, wrapper=b"")
    for key in ("", 'A"; id; "', "a b", "x" * 33):
        with pytest.raises(ContextError, match="stamp"):
            render(DEFAULT, key=key, wrapper=b"x")


def test_the_preview_masks_wrapper_and_proxy() -> None:
    text = preview(DEFAULT, key=KEY, wrapper=b"#!/bin/bash\nHIDDEN=1\n", proxy=b"PRIVATE KEY\n")
    assert "HIDDEN" not in text
    assert "PRIVATE" not in text
    assert hashlib.sha256(b"PRIVATE KEY\n").hexdigest() in text
    shown = yaml.safe_load(text)
    assert {entry["path"] for entry in shown["write_files"]} >= {"/root/proxy.pem", "/root/run_pilot.sh"}
    assert f"rule='{KEY}'" in text
    assert "of 16384 bytes of EC2 user data" in text


def test_the_unmasked_preview_is_the_document_and_a_preview_is_never_too_large() -> None:
    big = random.Random(5).randbytes(30000)
    assert "bytes of EC2" in preview(DEFAULT, key=KEY, wrapper=big)
    text = preview(DEFAULT, key=KEY, wrapper=wrapper(), masked=False)
    assert yaml.safe_load(text) == document(render(DEFAULT, key=KEY, wrapper=wrapper()).data)


def test_our_scripts_are_valid_shell() -> None:
    for script in some(sorted((data_path("templates") / "default").glob("*.sh"))):
        first = script.read_text().splitlines()[0]
        shell = "bash" if "bash" in first else "sh"
        assert subprocess.run([shell, "-n", script], check=False, capture_output=True).returncode == 0, script


def test_lifetimes_are_spread_over_the_last_tenth_and_are_each_machines_own(tmp_path: Path) -> None:
    guard = (data_path("templates") / "default/guard.sh").read_text()
    lines = re.findall(r"^(?:seed|end)=.*$", guard, re.MULTILINE)
    script = "\n".join(lines).replace("/var/lib/cloud/data/instance-id", "$id") + "\necho $end\n"
    assert len(lines) == 2

    def life(number: int) -> int:
        (tmp_path / "id").write_text(f"i-{number:08x}\n")
        given = {"PATH": os.environ["PATH"], "id": str(tmp_path / "id"), "up": "50", "age": "20"}
        done = subprocess.run(["sh", "-c", script, "sh", "10000"], env=given, capture_output=True, check=True)
        return int(done.stdout) - 30

    lives = [life(number) for number in range(40)]
    assert lives == [life(number) for number in range(40)]
    assert every(9000 <= one <= 10000 for one in lives) and max(lives) - min(lives) > 500
    assert len(set(lives)) > 30


def test_a_machine_is_told_by_its_own_cloud_only() -> None:
    def told(cloud: str) -> str:
        recipe = Recipe(None, (), 60, OPENSTACK, cloud=cloud)
        return str(document(render(recipe, key=KEY, wrapper=b"x").data)["bootcmd"][0][-1])

    assert "spot/instance-action" in told("EC2") and "tfce_drain" in told("OPENSTACK")
    assert told("GCE") == told("a.b.Own") == told("") == ""
