"""The page of `tfce report` in Debian's own Chromium: on a phone, in the dark, without colour, read aloud.

Pictures of each are left in `report/` of the cache, for people to look at.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims import every
from tests.contract.edges import FakeEdge
from tests.contract.test_report import FAULTS, HELD, queue_report, week
from tests.rigs import chromium
from tests.rigs.cache import cache
from tests.rigs.chromium import Browser
from tests.rigs.errors import RigError
from tfce.cli.reporting import page

DESK, PHONE = (1280, 900), (390, 844)
# Where a text is first shown, in pixels from the top of the screen.
FOUND = """(words => {
  for (const one of document.querySelectorAll("li")) {
    const box = one.getBoundingClientRect();
    if (one.innerText.replace(/\\s+/g, " ").includes(words) && box.height > 0) return box.bottom;
  }
  return null;
})(%s)"""
# The least contrast of any text with what lies below it (WCAG 2).
CONTRAST = """(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const part = c => c / 255 <= .03928 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const c = rgb(getComputedStyle(one).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let least = 21, where = "";
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || one.closest("defs, style, desc, title")) continue;
    const style = getComputedStyle(one), ink = one instanceof SVGElement ? style.fill : style.color;
    const pair = [light(rgb(ink)), light(ground(one))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < least) { least = ratio; where = one.tagName + ": " + walk.currentNode.textContent.trim(); }
  }
  return [least, where];
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        chromium.program()
    except RigError as error:
        if os.environ.get("TFCE_REQUIRE_RIGS"):
            raise
        pytest.skip(f"no browser: {error}")
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A page of each planted fault; "all": of all of them beside a queue with a week's life."""
    folder, every, found = tmp_path_factory.mktemp("report"), [], {}
    for number, (fault, (plant, options, _)) in enumerate(FAULTS.items()):
        edge = FakeEdge(folder / f"edge-{number}")
        plant(edge)
        every.append(queue_report(edge, **options))
        found[fault] = folder / f"{number}.html"
        found[fault].write_text(page(every[-1:], edge.now(), 7))
    lived = FakeEdge(folder / "edge-week")
    week(lived)
    every.append(queue_report(lived, Workspace_Price="*=0.2, EUR"))
    found["all"] = folder / "all.html"
    found["all"].write_text(page(sorted(every, key=lambda one: one.status.order), lived.now(), 7))
    yield found
    HELD.close()


def bottom(browser: Browser, words: str) -> float:
    """Where the item with these words ends on the screen."""
    place = browser.ask(FOUND % repr(words))
    return float("inf") if place is None else float(place)


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_each_planted_fault_is_on_the_first_screen(
    browser: Browser, pages: dict[str, Path], screen: tuple[int, int]
) -> None:
    browser.screen(*screen)
    hidden = {}
    for fault, (_, _, words) in FAULTS.items():
        browser.open(pages[fault])
        if bottom(browser, words) > screen[1]:
            hidden[fault] = browser.ask("document.querySelector('.causes').innerText")
    assert len(FAULTS) >= 12 and hidden == {}


def test_twelve_at_once_fit_on_the_first_screen(browser: Browser, pages: dict[str, Path]) -> None:
    browser.screen(*DESK)
    browser.open(pages["all"])
    shown = [fault for fault, (_, _, words) in FAULTS.items() if bottom(browser, words) <= DESK[1]]
    assert len(shown) >= 12, shown


def test_it_fits_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    browser.screen(*PHONE)
    browser.open(pages["all"])
    browser.picture(cache("report") / "phone.png", whole=True)
    assert browser.ask("document.scrollingElement.scrollWidth") <= PHONE[0]
    assert (
        browser.ask(
            "Math.min(...[...document.querySelectorAll('p, li, td')].map("
            "one => parseFloat(getComputedStyle(one).fontSize)))"
        )
        >= 14
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everything_can_be_read_by_day_and_in_the_dark(
    browser: Browser, pages: dict[str, Path], dark: bool
) -> None:
    browser.screen(*DESK, dark=dark)
    browser.open(pages["all"])
    browser.picture(cache("report") / f"{'dark' if dark else 'light'}.png", whole=True)
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (paper != "rgb(255, 255, 255)") is dark
    least, where = browser.ask(CONTRAST)
    assert least >= 4.5, where


def test_without_colour_each_series_still_looks_otherwise(browser: Browser, pages: dict[str, Path]) -> None:
    browser.screen(*DESK, colours=False)
    browser.open(pages["all"])
    browser.picture(cache("report") / "no-colour.png", whole=True)
    fills = browser.ask(
        "[...document.querySelectorAll('.key')].map("
        "key => [...key.querySelectorAll('rect')].map(one => one.getAttribute('fill')))"
    )
    assert fills and every(
        len(set(key)) == len(key) and all(one.startswith("url(#p") for one in key) for key in fills
    )
    weights = browser.ask(
        "[...document.querySelectorAll('.causes li')].map("
        "one => [one.className, getComputedStyle(one).borderLeftStyle])"
    )
    assert {tuple(one) for one in weights} == {("person", "solid"), ("", "dashed")}


def test_it_asks_nobody_and_says_nothing_to_the_console(browser: Browser, pages: dict[str, Path]) -> None:
    browser.screen(*DESK)
    browser.open(pages["all"])
    methods = Counter(one.get("method", "") for one in browser.heard)
    asked = [
        one["params"]["request"]["url"]
        for one in browser.heard
        if one.get("method") == "Network.requestWillBeSent"
    ]
    assert asked == [pages["all"].as_uri()]
    assert (
        not methods["Log.entryAdded"]
        and not methods["Runtime.exceptionThrown"]
        and not methods["Runtime.consoleAPICalled"]
    )


def test_a_screen_reader_is_told_all_of_it(browser: Browser, pages: dict[str, Path]) -> None:
    browser.screen(*DESK)
    browser.open(pages["all"])
    browser.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    told = browser.names()
    headings = [name for role, name in told if role == "heading"]
    assert headings[:3] == ["tfce report", "What is wrong", "What happened"]
    images = [name for role, name in told if role in ("image", "img")]
    assert len(images) == 8 and every(images) and len(set(images)) == 8
    tables = [name for role, name in told if role == "table"]
    assert len(tables) == 9 and every(tables)
    aloud = " ".join(name for _, name in told)
    aloud = " ".join(aloud.split())
    assert [fault for fault, (_, _, words) in FAULTS.items() if words not in aloud] == []
