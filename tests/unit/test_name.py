"""The extension package that DIRAC imports, and what it says where another ``tfce`` took the module's place."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import TfceDIRAC

import tfce

CLONE = Path(tfce.__file__).parents[1]
EXTENSION = CLONE / "tfce" / "_extension"


def run(*path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A Python that knows the standard library and these folders only."""
    code = f"import sys; sys.path[:0] = {[str(one) for one in path]!r}\n{code}"
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_dirac_learns_the_priority_without_any_import() -> None:
    code = (
        "before = set(sys.modules); import TfceDIRAC; "
        "print(TfceDIRAC.extension_metadata()['priority'] > 0, set(sys.modules) - before)"
    )
    assert run(EXTENSION, code=code).stdout == "True {'TfceDIRAC'}\n"
    assert not hasattr(TfceDIRAC, "version")  # DIRAC would show it as its own


def test_the_distribution_is_named_like_the_package_and_the_version_is_in_one_place() -> None:
    assert version(TfceDIRAC.__name__) == tfce.__version__
    written = re.compile(rf"(?<![\d.]){re.escape(tfce.__version__)}(?![\d.])")
    sources = [path for path in (CLONE / "tfce").rglob("*.py") if written.search(path.read_text())]
    assert sources == [CLONE / "tfce" / "__init__.py"]
    assert not written.search((CLONE / "pyproject.toml").read_text())
    assert f"\nversion: {tfce.__version__}\n" in (CLONE / "CITATION.cff").read_text()


STRANGERS = {
    "a module that works": "__version__ = '0.1.0'",
    "a module whose own needs are missing": "import numpy_is_not_here",
    "a module whose first file was removed": None,
}


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("command", ["run_tfce", "run_provider"])
def test_a_strangers_module_is_refused_with_the_cure(tmp_path: Path, kind: str, command: str) -> None:
    (tmp_path / "tfce").mkdir()
    (tmp_path / "tfce" / "core.py").touch()
    if (text := STRANGERS[kind]) is not None:
        (tmp_path / "tfce" / "__init__.py").write_text(text)
    done = run(tmp_path, EXTENSION, code=f"from TfceDIRAC import engine; sys.exit(engine.{command}())")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip uninstall -y tfce; pip install --force-reinstall --no-deps TfceDIRAC" in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1


def test_our_own_module_is_no_clash() -> None:
    done = run(CLONE, EXTENSION, code="from TfceDIRAC.engine import clash; print([clash()])")
    assert done.stdout == "['']\n", done.stderr
