"""A pull request in Markdown: what changes for new pilots, and what the policy says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfce.config.options import Queue
from tfce.model.price import MICRO, Prices, plain
from tfce.review.policy import PolicyVerdict
from tfce.review.propose import Change

_KEEP = "Running pilots keep what they were made of. How many there are is not decided here."


def markdown(found: Change, verdict: PolicyVerdict | None = None) -> str:
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
            cells = map(_cell, (one.option, one.approved, one.asked))
            yield f"| {' | '.join(cells)} |"
        yield ""
    elif found.before != found.after:
        yield from ("Only the text is another; pilots are made as before." if found.old else "", "")
    if found.before != found.after:
        yield from _costs(found)
        yield from (
            _KEEP,
            "",
            "<details><summary>the files</summary>",
            "",
            *_fenced(found.diff()),
            "</details>",
            "",
        )


def _costs(found: Change) -> Iterator[str]:
    """What an hour costs before and after, where prices are known; these are the options', the same for both."""
    if found.new is None or not found.new.queue.allowance.prices:
        return
    sides = [one.queue if one else None for one in (found.old, found.new)]
    yield from ("| cost an hour | now | with this |", "|---|---|---|")
    yield f"| a VM | {' | '.join(_each(queue) for queue in sides)} |"
    most = found.new.queue.limits.total
    if most is not None:
        yield f"| {most} VMs (MaxTotalJobs), at most | {' | '.join(_all(queue, most) for queue in sides)} |"
    yield ""


def _each(queue: Queue | None) -> str:
    """The price of each flavor, in the order in which they are tried."""
    if queue is None:
        return "-"
    prices = queue.allowance.prices
    return ", ".join(f"{_cell(plain(one))} {_money(prices.rate(one), prices)}" for one in queue.shape.flavors)


def _all(queue: Queue | None, most: int) -> str:
    """The dearest flavor for all of them, "unknown" where any has no price."""
    if queue is None:
        return "-"
    prices = queue.allowance.prices
    rates = [prices.rate(one) for one in queue.shape.flavors]
    known = [rate for rate in rates if rate is not None]
    return _money(max(known) * most if known and len(known) == len(rates) else None, prices)


def _money(rate: int | None, prices: Prices) -> str:
    if rate is None:
        return "unknown"
    return f"{rate / MICRO:.6f}".rstrip("0").rstrip(".") + f" {prices.currency}".rstrip()


def _cell(text: str) -> str:
    return _quoted(text).replace("|", "\\|")


def _fenced(text: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", text.rstrip("\n"), fence, ""]


def _policy(verdict: PolicyVerdict | None) -> Iterator[str]:
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
