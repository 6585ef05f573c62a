"""CFG files: the snippet works wherever it was cut out, and a mistake is explained."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tfce.config.cfg import load_queue, load_queues, queue_names
from tfce.model.errors import ConfigError

QUEUES = """
Queues
{
  long
  {
    maxCPUTime = 1440
    Context_MaxLifetime = 100
  }
  short
  {
  }
}
"""
OPTIONS = """
CEType = Terraform
CloudType = EC2
Instance_Image = name:debian 12 # not a comment
Instance_Flavor = t3.micro
Context_MaxLifetime = 200
Terraform_Parallelism = 7
Workspace_Root = /srv/tfce
"""


def section(name: str, body: str) -> str:
    return f"{name}\n{{\n{textwrap.indent(body.strip(chr(10)), '  ')}\n}}\n"


CE = section("cloud.example.org", OPTIONS + QUEUES)
SITE = section("LCG.Cloud.org", "Name = x\n" + section("CEs", CE))
DEFAULTS = section(
    "Computing",
    section("CEDefaults", "Terraform_Parallelism = 3\nTerraform_MaxRetries = 3\nTerraform_RootVolume = 3")
    + section("Terraform", "Terraform_Parallelism = 4\nTerraform_MaxRetries = 4")
    + section("SSH", "Terraform_RootVolume = 9"),
)
RESOURCES = section("Resources", DEFAULTS + section("Sites", section("LCG", SITE)))
LEVELS = {
    "the CE": CE,
    "CEs": section("CEs", CE),
    "the site": SITE,
    "Resources": RESOURCES,
    "a whole dirac.cfg": section("DIRAC", "Setup = x\n" + section("Configuration", "Servers = a, b")) + RESOURCES,
}


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    return tmp_path / "site.cfg"


@pytest.mark.parametrize("text", LEVELS.values(), ids=LEVELS)
def test_a_snippet_from_any_level(cfg: Path, text: str) -> None:
    cfg.write_text(text)
    long, short = (load_queue(cfg, f"cloud.example.org/{name}") for name in ("long", "short"))
    assert (long.ce, long.name, long.shape.image) == (
        "cloud.example.org",
        "long",
        "name:debian 12 # not a comment",
    )
    assert (long.userdata.max_lifetime, short.userdata.max_lifetime) == (100, 200)
    assert long.terraform.parallelism == 7
    assert queue_names(cfg) == ["cloud.example.org/long", "cloud.example.org/short"]


@pytest.mark.parametrize("line", ["Context_MaxLifetime", "Context_MaxLifetime : 5", "# x\nhush hush"])
def test_a_line_that_is_neither_option_nor_section_is_said(cfg: Path, line: str) -> None:
    cfg.write_text(section("cloud.example.org", OPTIONS + line + QUEUES))
    number = cfg.read_text().splitlines().index(f"  {line.splitlines()[-1]}") + 1
    for load in (load_queues, lambda path: load_queue(path, "cloud.example.org/long")):
        with pytest.raises(ConfigError, match=f"line {number} is neither") as caught:
            load(cfg)
        assert "hush" not in caught.value.message


def test_the_mark_of_an_editor_hides_no_section(cfg: Path) -> None:
    cfg.write_text(f"\ufeff{RESOURCES}", encoding="utf-8")
    assert load_queue(cfg, "cloud.example.org/long").terraform.max_retries == 4


def test_the_levels_above_fill_in_what_the_ce_does_not_say(cfg: Path) -> None:
    cfg.write_text(RESOURCES)
    queue = load_queue(cfg, "cloud.example.org/long")
    assert (queue.terraform.parallelism, queue.terraform.max_retries, queue.shape.root_volume) == (
        7,
        4,
        3,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Resources = x\n" + CE,
        section("Resources", "Computing = x") + CE,
        section("Resources", section("Computing", "Terraform = x")) + CE,
    ],
)
def test_options_where_sections_are_expected_do_no_harm(cfg: Path, text: str) -> None:
    cfg.write_text(text)
    assert load_queue(cfg, "cloud.example.org/short").terraform.parallelism == 7


@pytest.mark.parametrize(
    "name", ["", "/", "cloud.example.org", "cloud.example.org/", "cloud.example.org/Long", "/long"]
)
def test_an_unknown_queue_is_answered_with_the_known_ones(cfg: Path, name: str) -> None:
    cfg.write_text(RESOURCES)
    with pytest.raises(ConfigError) as caught:
        load_queue(cfg, name)
    assert "cloud.example.org/long, cloud.example.org/short" in caught.value.message


OTHERS = section("cream.example.org", "CEType = CREAM\n" + section("Queues", section("cream-sge-long", "")))


def test_a_whole_configuration_has_queues_that_are_nobodys_here(cfg: Path) -> None:
    """As `dirac-configuration-dump-local-cache` writes it."""
    plain = CE.replace("CEType = Terraform\n", "")
    mixed = section("Sites", section("A", section("CEs", OTHERS + plain)))
    for text in (
        mixed + section("Computing", section("CEDefaults", "CEType = Terraform")),
        section("CEs", CE + OTHERS),
    ):
        cfg.write_text(section("Resources", text))
        mine = ["cloud.example.org/long", "cloud.example.org/short"]
        assert queue_names(cfg) == list(load_queues(cfg)) == mine
    cfg.write_text(section("Resources", mixed + section("Computing", section("CEDefaults", "CEType = ARC"))))
    assert queue_names(cfg) == []
    with pytest.raises(ConfigError, match="holds no queue that tfce serves"):
        load_queues(cfg)


def test_what_cloudce_serves_still_is_said_with_the_line_that_changes(cfg: Path) -> None:
    cfg.write_text(section("CEs", CE.replace("CEType = Terraform", "CEType = Cloud") + OTHERS))
    with pytest.raises(
        ConfigError, match=r"; cloud\.example\.org: there CEType = Cloud becomes CEType = Terraform$"
    ):
        load_queues(cfg)


def test_a_ce_that_stands_at_two_sites_is_named_with_both(cfg: Path) -> None:
    cfg.write_text(section("A", section("CEs", CE)) + section("B", section("CEs", CE)))
    with pytest.raises(ConfigError) as caught:
        load_queue(cfg, "cloud.example.org/long")
    assert "/A/CEs/cloud.example.org" in caught.value.message and "/B/CEs/" in caught.value.message
    assert "more than once" in caught.value.message


BROKEN = {
    "twice at one level": CE + CE,
    "an open brace": "A\n{\n",
    "a brace too many": "A\n{\n}\n}\n",
    "adding to nothing": "A\n{\n  x += 1\n}\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_no_cfg(cfg: Path, text: str) -> None:
    cfg.write_text(text)
    for look in (lambda: load_queue(cfg, "cloud.example.org/long"), lambda: queue_names(cfg)):
        with pytest.raises(ConfigError) as caught:
            look()
        assert str(cfg) in caught.value.message and "brace" in caught.value.message


@pytest.mark.parametrize("text", ["", "nothing of a CFG at all\n", "[DEFAULT]\nkey = AKIA\nsecret = hush-hush\n"])
def test_a_file_without_queues(cfg: Path, text: str) -> None:
    cfg.write_text(text)
    assert queue_names(cfg) == []
    with pytest.raises(ConfigError, match="none is configured") as caught:
        load_queue(cfg, "a/b")
    assert "hush" not in caught.value.message


def test_a_file_that_cannot_be_read(cfg: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_queue(cfg, "a/b")
    cfg.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_queue(cfg, "a/b")
    cfg.rmdir()
    cfg.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not text"):
        load_queue(cfg, "a/b")


def test_a_queue_of_another_kind_is_left_to_others(cfg: Path) -> None:
    cfg.write_text(CE.replace("CEType = Terraform", "CEType = Cloud"))
    with pytest.raises(ConfigError, match="CEType = Cloud"):
        load_queue(cfg, "cloud.example.org/long")


def test_faults_of_the_options_come_through(cfg: Path) -> None:
    cfg.write_text(CE.replace("Terraform_Parallelism = 7", "Terraform_Parallelism = many\n  Terraform_X = 1"))
    with pytest.raises(ConfigError) as caught:
        load_queue(cfg, "cloud.example.org/long")
    assert {fault.option for fault in caught.value.faults} == {"Terraform_Parallelism", "Terraform_X"}
