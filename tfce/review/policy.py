"""What a site's policy says of a plan: the program conftest is asked, with the rules that the site wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfce.cloud import clean
from tfce.config.credentials import base_environment
from tfce.model.errors import ConfigError, TfceError, shorten
from tfce.terraform import process

_PATIENCE = 120.0


class PolicyError(TfceError):
    """The policy could not be judged: that is no consent."""

    kind = "policy"


@dataclass(frozen=True)
class PolicyVerdict:
    """What the rules say: ``denied`` and ``warned``, in their own words; ``passed``: how many said nothing."""

    denied: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    passed: int = 0


def conftest(rules: Path) -> str:
    """The program that judges by ``rules``. Raises ``ConfigError`` where there is none."""
    program = shutil.which("conftest")
    if program is None:
        problem = "needs the program conftest, which is not on the PATH: the policy was not judged"
        raise ConfigError("--policy", str(rules), problem, "install it, see https://www.conftest.dev")
    return program


def judge(rules: Path, documents: Sequence[Path]) -> PolicyVerdict:
    """Ask conftest about ``documents``; ``rules``: the folder with the policy, and with ``data`` for it."""
    program = conftest(rules)
    data = ["--data", str(rules / "data")] if (rules / "data").is_dir() else []
    line = [program, "test", "--output", "json", "--policy", str(rules), *data, *map(str, documents)]
    ended = process.run(line, folder=Path.cwd(), environment=base_environment(), timeout=_PATIENCE)
    try:
        return _read(json.loads(ended.out))
    except (ValueError, TypeError, KeyError, AttributeError):
        said = shorten(clean.line(ended.err or ended.out or ended.how))
        raise PolicyError(f"conftest gave no judgement: {said}", "run it by hand on the same files") from None


def _read(results: list[dict[str, object]]) -> PolicyVerdict:
    if not isinstance(results, list) or not any("successes" in one or "failures" in one for one in results):
        raise ValueError("nothing was judged")
    found: dict[str, list[str]] = {"failures": [], "warnings": []}
    for kind, texts in found.items():
        for result in results:
            told = result.get(kind) or []
            texts += [clean.line(str(one["msg"]))[:500] for one in told]  # type: ignore[attr-defined]
    passed = sum(int(str(result.get("successes", 0))) for result in results)
    return PolicyVerdict(tuple(dict.fromkeys(found["failures"])), tuple(dict.fromkeys(found["warnings"])), passed)
