"""Asking cloud-init for its opinion; the real one is asked in tests/guest/stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfce.config.clouds.ec2 import USER_DATA as EC2
from tfce.model.errors import ConfigError
from tfce.userdata import schema
from tfce.userdata.document import ContextError, Recipe

RECIPE = Recipe(None, (), 60, EC2)


def command(folder: Path, script: str) -> str:
    path = folder / "cloud-init"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_no_fault_when_cloud_init_has_none(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    accepts = command(tmp_path, f'[ "$1 $2" = "schema -c" ] && cp "$3" {kept}')
    assert schema.schema_fault(RECIPE, accepts) == ""
    assert kept.read_text().startswith("#cloud-config\n")


def test_its_words_when_it_has_some(tmp_path: Path) -> None:
    refuses = command(tmp_path, "echo 'runcmd: wrong'; echo '  really' >&2; exit 1")
    assert schema.schema_fault(RECIPE, refuses) == "runcmd: wrong really"


def test_no_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContextError, match="could not check"):
        schema.schema_fault(RECIPE, str(tmp_path / "absent"))
    monkeypatch.setattr(schema, "TIMEOUT", 0.2)
    with pytest.raises(ContextError, match="could not check"):
        schema.schema_fault(RECIPE, command(tmp_path, "exec sleep 60"))


def test_a_broken_template_is_found_before_cloud_init_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        schema.schema_fault(Recipe(tmp_path / "absent", (), 60, EC2), str(tmp_path / "absent"))


def test_cloud_init_is_looked_for_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert schema.cloud_init() is None
    path = command(tmp_path, "true")
    assert schema.cloud_init() == path
