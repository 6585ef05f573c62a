"""``tfce plan --pull-request``: for the pipeline that judges a pull request; needs no login and no workspace."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tfce.cli import terminal
from tfce.config import trust
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, TfceError
from tfce.review import offline, policy, propose
from tfce.review.commits import Clone
from tfce.review.policy import PolicyVerdict
from tfce.review.pull import markdown
from tfce.store.review_copies import REST

_NOTHING, _REFUSED, _CHANGES = 0, 1, 2


def arguments(plan: argparse.ArgumentParser) -> None:
    """The arguments that ``tfce plan`` has for this."""
    plan.add_argument(
        "--pull-request",
        action="store_true",
        help="print in Markdown what the files in a clone change for new pilots; needs no login",
    )
    more = plan.add_argument_group("with --pull-request")
    more.add_argument("--clone", type=Path, default=Path(), metavar="DIR", help="the clone (default: here)")
    more.add_argument(
        "--base", default="", metavar="REF", help="what it is compared with (default: what is approved)"
    )
    more.add_argument(
        "--show-json", type=Path, metavar="FILE", help="write `terraform show -json` of the plan there"
    )
    more.add_argument("--policy", type=Path, metavar="DIR", help="ask conftest, with the rules in this folder")


def pull_request(load: Callable[[], Queue], options: argparse.Namespace) -> int:
    """0: nothing changes; 2: new pilots change; 1: it is no shape, the policy refuses it, or a wrong option or a
    missing program kept it from being judged, which must not look like a change."""
    try:
        return _compared(load(), options)
    except TfceError as error:
        if error.exit_code != _CHANGES:
            raise
        terminal.say(error.message)
        return _REFUSED


def _compared(queue: Queue, options: argparse.Namespace) -> int:
    if options.policy:
        policy.conftest(options.policy)  # a missing one is said before Terraform plans
    clone, approved = Clone.at(options.clone), queue.review.approved
    base = clone.base(options.base, approved.ref if approved else "")
    place = f"{propose.below(queue)}{propose.folder(queue)}"
    after = propose.existing(lambda name: _text(clone.folder, f"{place}/{name}"))
    found = propose.change(queue, propose.committed(clone, base, queue), after)
    verdict = _judged(found, options) if found.new and (options.policy or options.show_json) else None
    print(markdown(found, verdict), end="")
    if found.new is None or (verdict and verdict.denied):
        return _REFUSED
    return _NOTHING if found.before == found.after else _CHANGES


def _text(top: Path, path: str) -> str | None:
    try:
        return trust.read_beneath(top, top / path)
    except (OSError, UnicodeDecodeError, TfceError):
        return None


def _judged(found: propose.Change, options: argparse.Namespace) -> PolicyVerdict | None:
    assert found.new is not None
    text = offline.plan(found.new.queue, terminal.say)
    if options.show_json:
        _write(options.show_json, text)
    if not options.policy:
        return None
    with tempfile.TemporaryDirectory(prefix="tfce-") as folder:
        documents = {"plan.json": text, REST: found.after[REST]}
        for name, content in documents.items():
            (Path(folder) / name).write_text(content)
        return policy.judge(options.policy.absolute(), [Path(folder) / name for name in documents])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(
            "--show-json", str(path), str(error.strerror), "name a file that can be written"
        ) from None
