"""A pull request in Markdown: what changes for new pilots, and what the policy says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfce.review.policy import Verdict
from tfce.review.propose import Change

_KEEP = "Running pilots keep what they were made of. How many there are is not decided here."


def markdown(found: Change, verdict: Verdict | None = None) -> str:
    """The text to put below the pull request; whatever it quotes is text there, not markup."""
    return "\n".join([f"### {_quoted(found.label)}: {_head(found)}", "", *_body(found), *_policy(verdict)])


def _head(found: Change) -> str:
    if found.new is None:
        return "not a shape"
    if found.before == found.after:
        return "nothing changes"
    return "what changes for new pilots" if found.old else "the first shape"


def _body(found: Change) -> Iterator[str]:
    if found.new is None:
        yield from (f"It would not be taken: {_quoted(found.trouble)}", "")
    elif found.differences:
        yield from ("| option | now | with this |", "|---|---|---|")
        for one in found.differences:
            cells = (_quoted(text).replace("|", "\\|") for text in (one.option, one.approved, one.asked))
            yield f"| {' | '.join(cells)} |"
        yield ""
    elif found.before != found.after:
        yield from ("Only the text is another; pilots are made as before." if found.old else "", "")
    if found.before != found.after:
        yield from (
            _KEEP,
            "",
            "<details><summary>the files</summary>",
            "",
            *_fenced(found.diff()),
            "</details>",
            "",
        )


def _fenced(text: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", text.rstrip("\n"), fence, ""]


def _policy(verdict: Verdict | None) -> Iterator[str]:
    if verdict is None:
        return
    word = "refuses" if verdict.denied else "has nothing against it"
    yield from (f"**Policy {word}** ({verdict.passed} rules passed)", "")
    for head, texts in (("refused", verdict.denied), ("warned", verdict.warned)):
        yield from (f"- {head}: {_quoted(text)}" for text in texts)
    yield ""


def _quoted(text: str) -> str:
    """``text`` as code: no markup, no mention, no link."""
    flat = " ".join(text.split())
    if not flat:
        return "-"
    fence = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    space = " " if "`" in (flat[0], flat[-1]) else ""
    return f"{fence}{space}{flat}{space}{fence}"
