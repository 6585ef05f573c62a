"""The provider that a queue ran stays the one that it runs: Terraform's lock file is kept, and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs import mirror
from tfce.model.errors import TerraformError
from tfce.terraform import pins
from tfce.terraform.providers import PLATFORM, REGISTRY

SOURCE = "hashicorp/aws"
OTHERS = f"""provider "{REGISTRY}/hashicorp/random" {{
  version = "3.1.0"
  hashes = [
    "h1:other",
  ]
}}
"""


def block(digest: str, version: str = "5.1.0", source: str = SOURCE) -> str:
    hashes = f'  hashes = [\n    "{digest}",\n    "zh:00",\n  ]\n'
    return f'provider "{REGISTRY}/{source}" {{\n  version     = "{version}"\n{hashes}}}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "provider").mkdir()
    (tmp_path / "provider" / "terraform-provider-aws_v5.1.0").write_text("a program")
    return tmp_path / "provider"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / ".terraform.lock.hcl"


def test_the_provider_that_the_file_names_is_kept_with_what_else_there_is(lock: Path, folder: Path) -> None:
    lock.write_text("# Terraform's own words\n\n" + block(pins.digest(folder)) + "\n" + OTHERS)
    pins.keep(lock, SOURCE, "5.1.0", folder, PLATFORM)
    assert lock.read_text() == block(pins.digest(folder)) + "\n" + OTHERS


def test_another_program_under_the_same_version_is_refused(lock: Path, folder: Path) -> None:
    lock.write_text(block(pins.digest(folder)))
    (folder / "terraform-provider-aws_v5.1.0").write_text("another program")
    with pytest.raises(TerraformError) as refused:
        pins.keep(lock, SOURCE, "5.1.0", folder, PLATFORM)
    assert str(folder) in refused.value.problem and f"remove {lock}" in refused.value.cure
    lock.unlink()
    pins.keep(lock, SOURCE, "5.1.0", folder, PLATFORM)


@pytest.mark.parametrize(
    "text", [block("h1:old", "5.0.0"), block("h1:old", source="tfce/tfce"), "torn {", "", None]
)
def test_what_says_nothing_of_this_provider_goes(lock: Path, folder: Path, text: str | None) -> None:
    if text is not None:
        lock.write_text(text)
    pins.keep(lock, SOURCE, "5.1.0", folder, PLATFORM)
    assert not lock.exists()


def test_what_a_registry_gives_terraform_compares_itself(lock: Path) -> None:
    lock.write_text(block("h1:registry"))
    pins.keep(lock, SOURCE, "", None, PLATFORM)
    assert "h1:registry" in lock.read_text()


def test_a_published_provider_is_known(lock: Path, folder: Path) -> None:
    ((source, version, platform), known) = next(iter(pins.KNOWN.items()))
    published = mirror.ensure() / REGISTRY / source / version / platform
    assert pins.digest(published) == known
    pins.keep(lock, source, version, published, platform)
    with pytest.raises(TerraformError, match="not the one that was published"):
        pins.keep(lock, source, version, folder, platform)
