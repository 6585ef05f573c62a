"""queue.tfvars: what an option says is what Terraform reads, whatever it says."""

from __future__ import annotations

import re
from dataclasses import replace

import hcl
import pytest

from tests.unit.conftest import MakeQueue
from tfce.config.data import data_path
from tfce.terraform.variables import render, to_hcl, variables

HOSTILE = [
    "%",
    "100%",
    "$",
    "$HOME",
    "${var.x}",
    "$${x}",
    "$${${",
    "%{ if true }",
    "%%{",
    'a"b',
    '"',
    "it's",
    "\\",
    "\\\\",
    "\\${",
    "tab\there",
    "line\nbreak = 1",
    "\r\n",
    "\b\f\x00\x7f",
    "{",
    "}",
    "}${",
    "# c",
    "// c",
    "/* c",
    "<<EOT",
    "null",
    "true",
    "12",
    "[1]",
    "a = b",
    "ü \u2028 😀",
    "{{ label }} {% raw %}",
]


def decoded(literal: str) -> str:
    """What HCL makes of a quoted literal that holds no template and no escape but ``\\uNNNN``."""
    assert literal[0] == literal[-1] == '"' and "${" not in literal and "%{" not in literal
    assert not any(ord(letter) < 32 for letter in literal)
    body = literal[1:-1]
    assert '"' not in body
    text, rest = "", body
    while rest:
        if rest.startswith("\\"):
            assert rest[1] == "u"
            text, rest = text + chr(int(rest[2:6], 16)), rest[6:]
        else:
            text, rest = text + rest[0], rest[1:]
    return text


@pytest.mark.parametrize("value", HOSTILE)
def test_any_text_stays_what_it_is(value: str) -> None:
    assert decoded(to_hcl(value)) == value
    assert to_hcl([value]) == f"[{to_hcl(value)}]"
    assert to_hcl({value: value}) == f"{{ {to_hcl(value)} = {to_hcl(value)} }}"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_queue_with_hostile_options_renders_one_line_for_each_variable(
    make_queue: MakeQueue, value: str
) -> None:
    image = f"x{value}y"
    tags = "a=" + value.replace(",", "").strip()
    options = {"Instance_Image": image, "Instance_SSHKey": image, "Workspace_NamePrefix": image}
    queue = replace(make_queue(Terraform_Tags=tags, **options), ce=image, name=image)
    text = render(queue)
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    wanted = {name for group in variables(queue).values() for name in group}
    assert sorted(line.split(" ", 1)[0] for line in lines) == sorted(wanted)
    read = {line.split("=", 1)[0].strip(): line.split("=", 1)[1].strip() for line in lines}
    for name in ("image", "key_pair", "ce", "queue", "name_prefix"):
        assert decoded(read[name]) == image


@pytest.mark.parametrize("label", ["a\nimage = 1", "a\r\nb", "*/", "a b"])
def test_a_name_cannot_break_out_of_its_comment(make_queue: MakeQueue, label: str) -> None:
    text = render(replace(make_queue(), ce=f"x{label}x"))
    assert sum(line.startswith("image ") for line in text.splitlines()) == 1


def test_the_shape_says_what_the_options_say(make_queue: MakeQueue) -> None:
    queue = make_queue(
        Instance_Networks="name:pilots",
        Terraform_SecurityGroups="sg-1, name:two",
        Terraform_Tags="b=2, a=1",
        Terraform_RootVolume="40",
        Terraform_CreateTimeout="300",
        Driver_host="127.0.0.1",
        Driver_port="4566",
        Driver_secure="no",
    )
    found = hcl.loads(render(queue))
    assert found["ce"] == queue.ce and found["queue"] == "long"
    assert found["networks"] == ["name:pilots"] and found["security_groups"] == ["sg-1", "name:two"]
    assert found["tags"] == {"a": "1", "b": "2"}
    assert (found["root_volume_gb"], found["create_timeout"]) == (40, "300s")
    assert (found["region"], found["endpoint"]) == ("us-east-1", "http://127.0.0.1:4566")
    assert found["availability_zone"] == found["key_pair"] == "null"


def test_the_same_options_give_the_same_bytes(make_queue: MakeQueue) -> None:
    one = render(make_queue(Terraform_Tags="b=2, a=1"))
    assert one == render(make_queue(Terraform_Tags="a=1, b=2"))
    assert one != render(make_queue(Terraform_Tags="a=1"))


def test_neither_token_nor_path_of_the_auth_file_gets_into_it(make_queue: MakeQueue) -> None:
    text = render(make_queue(Driver_token="hush-hush", CloudAuth="/secret/place"))
    assert "hush" not in text and "/secret/place" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (5, "5"), (0, "0"), ([], "[]"), ({}, "{}"), (["a", "b"], '["a", "b"]'), (True, "true")],
)
def test_other_values(value: object, text: str) -> None:
    assert to_hcl(value) == text


# -- the root modules' own declarations ------------------------------------------------------------------------

_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_TYPE = re.compile(r"^  type\s*=\s*(.*?)(?=^  \w|\Z)", re.MULTILINE | re.DOTALL)


def declared(module: str) -> dict[str, tuple[str, bool, bool, bool]]:
    """Of each variable of a root module: its type, and whether it has a default, is secret, may be null."""
    text = (data_path("terraform") / module / "variables.tf").read_text()
    found = {}
    for name, body in _VARIABLE.findall(text):
        kind = _TYPE.search(body)
        assert kind, name
        flat = re.sub(r"\s+", " ", re.sub(r"#.*", "", kind.group(1))).strip()
        marks = [
            re.search(rf"^  {mark}", body, re.MULTILINE) is not None for mark in ("default", "sensitive *= true")
        ]
        found[name] = (flat, marks[0], marks[1], not re.search(r"^  nullable *= false", body, re.MULTILINE))
    return found


def test_the_variables_of_all_root_modules_are_the_same() -> None:
    """The contract of docs/modules.md: one queue.tfvars serves each of them; only our own module is
    told which cloud it is, and makes spot instances. Its pilots have no type: Terraform compares the types of
    all with all, which ten thousand of them make slow."""
    aws, openstack, bulk = declared("aws"), declared("openstack"), declared("bulk")
    assert len(aws) >= 20 and openstack == aws
    assert {"pilots", "instance_count", "contexts"} <= set(bulk)
    assert bulk.pop("cloud") and bulk.pop("pilots") == ("any", *aws.pop("pilots")[1:])
    assert bulk.pop("market") == bulk.pop("max_price") == ("string", True, False, True)
    assert bulk == aws


def test_defaults_and_checks_of_root_modules_differ_only_where_their_clouds_do() -> None:
    said = [
        {name: re.sub(r"(?m)^ *(description|error_message) *=.*\n| +#.*", "", body) for name, body in found}
        for found in (
            _VARIABLE.findall((data_path("terraform") / module / "variables.tf").read_text())
            for module in ("aws", "openstack", "bulk")
        )
    ]
    common = set.intersection(*(set(one) for one in said))
    assert (
        len(common) >= 20 and "default " in said[0]["root_volume_gb"] and "condition " in said[0]["root_volume_gb"]
    )
    differing = {name for name in common if len({one[name] for one in said}) > 1}
    assert differing == {"pilots", "image", "image_owners", "flavor", "networks", "security_groups"}
