"""What conftest does with the arguments that tfce gives it, on another evaluator of Rego, which PyPI has.

``python -m tests.rigs.rego test --output json --policy FOLDER --data FOLDER FILE ...``: the rules ``deny`` of the
package ``main``, asked about each file; exit code 1 where one is denied.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import regopy

_MARK = "|#|"


def denied(policy: Path, data: Path | None, document: str) -> list[str]:
    """What the policy's ``deny`` says of a document."""
    asked = regopy.Interpreter()
    for path in sorted(policy.glob("*.rego")):
        asked.add_module(path.stem, path.read_text())
    for path in sorted(data.glob("*.json")) if data else ():
        asked.add_data_json(path.read_text())
    asked.set_input_term(document)
    (found,) = asked.query(f'x = concat("{_MARK}", sort(data.main.deny))').results
    text = found.bindings["x"]
    return text.split(_MARK) if text else []


def main() -> int:
    """Answer as conftest does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["test"])
    parser.add_argument("--output", choices=["json"], required=True)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    answers = []
    for path in options.files:
        failures = [{"msg": text} for text in denied(options.policy, options.data, path.read_text())]
        answers.append({"filename": str(path), "namespace": "main", "successes": 1, "failures": failures})
    print(json.dumps(answers))
    return int(any(one["failures"] for one in answers))


if __name__ == "__main__":
    sys.exit(main())
