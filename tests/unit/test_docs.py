"""The pages speak of what there is: links lead somewhere, tests that are named exist."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.e2e.hostile import cases
from tests.links import CLONE, PAGES, asked, far, told
from tests.rigs.quiet import QuietServer
from tfce.cli import demo
from tfce.cli.parser import parser
from tfce.config.settings import OPTIONS

_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+)`|` \|$)", re.MULTILINE)  # a program may end a row


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CLONE)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for place, anchor in _LINK.findall(page.read_text()):
        target = page.parent / place if place else page
        assert target.exists(), f"{place} is not there"
        assert not anchor or anchor in anchors(target), f"{place or page.name} has no heading #{anchor}"


def test_links_to_elsewhere_are_encrypted_and_whole() -> None:
    """Whether they answer asks `make links`: tests need no network."""
    links = far()
    assert len(links) >= 3
    assert [link for link in links if not re.fullmatch(r"https://[\w.-]+\.[a-z]+(/[\w./#?=%~+-]*)?", link)] == []


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server that has /there, sends on from /moved, and wants no programs at /people."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            codes = {"/there": 200, "/moved": 301, "/people": 403, "/was": 410}
            self.send_response(codes.get(self.path, 404))
            self.send_header("Location", "/there")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "there"), [("/there", True), ("/moved", True), ("/not", False), ("/was", False), ("/people", None)]
)
def test_a_link_is_there_or_gone_or_nobody_can_tell(elsewhere: str, path: str, there: bool | None) -> None:
    assert asked(elsewhere + path)[0] is there


def test_without_network_each_link_is_skipped_by_name() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        link = f"http://127.0.0.1:{nobody.getsockname()[1]}/x"
        ((there, line),) = told({link: [CLONE / "README.md"]})
    assert there is None and line.startswith(f"skipped: {link} (README.md): ") and "refused" in line


NAMING = [page for page in PAGES if _TEST.search(page.read_text())]


@pytest.mark.parametrize("page", NAMING, ids=lambda page: page.stem)
def test_every_test_that_is_named_exists(page: Path) -> None:
    for file, name in _TEST.findall(page.read_text()):
        assert (CLONE / file).exists(), f"{page.name} names {file}"
        assert not name or f"def {name}(" in (CLONE / file).read_text(), f"{page.name} names {file}::{name}"


_CODE = re.compile(r"```.*?^ *```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"(?<![\w./'-])(?<!module )(?<!from )tfce +([a-z]+(?:-[a-z]+)*)([^`\n#|&>]*)")
_HISTORY = ("CHANGELOG.md", "readers.md")  # they speak of what was, too
TYPED = [page for page in PAGES if page.name not in _HISTORY and _CALL.search(page.read_text())]


def calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands of tfce's that a page shows as code, and their long options."""
    for code in _CODE.findall(page.read_text()):
        for command, rest in _CALL.findall(code):
            yield command, re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest)


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.stem)
def test_every_command_and_option_that_is_shown_exists(page: Path) -> None:
    groups = next(one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    for command, options in calls(page):
        assert command in groups.choices, f"{page.name}: tfce {command}"
        known = groups.choices[command]._option_string_actions
        assert not set(options) - set(known), f"{page.name}: tfce {command} {' '.join(options)}"


_TARGET = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")


def test_every_target_of_make_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CLONE / "Makefile").read_text(), re.MULTILINE))
    shown = {
        (page.name, name)
        for page in PAGES
        for code in _CODE.findall(page.read_text())
        for name in _TARGET.findall(code)
    }
    assert len(shown) >= 10 and not {one for one in shown if one[1] not in targets}


def test_every_option_of_a_queue_that_is_shown_exists() -> None:
    known = {option.name for option in OPTIONS}
    shown = {
        (page.name, name)
        for page in PAGES
        if page.name not in _HISTORY
        for name in re.findall(r"\b(?:Terraform|Workspace|Context|Instance)_[A-Z]\w*", page.read_text())
    }
    assert len(shown) >= 40 and not {one for one in shown if one[1] not in known}


def test_the_demos_page_has_each_step_in_the_demos_words() -> None:
    calls = [one for one in ast.walk(ast.parse(inspect.getsource(demo.Demo))) if isinstance(one, ast.Call)]
    said = [one.args[-1] for one in calls if ast.unparse(one.func) in ("say", "self._status")]
    fixed = [one for one in said if isinstance(one, ast.Constant | ast.JoinedStr)]
    texts = [ast.literal_eval(re.sub(r"{.*?}", "…", ast.unparse(one).removeprefix("f"))) for one in fixed]
    page = (CLONE / "docs/tutorial/demo.md").read_text()
    assert len(texts) >= 8 and not [text for text in texts if text not in page and not text.startswith("done")]


def test_the_readme_is_short() -> None:
    assert len((CLONE / "README.md").read_text().splitlines()) <= 120


def test_the_faults_of_a_hostile_cloud_are_as_many_as_the_page_says() -> None:
    (drawn, whole), *_ = re.findall(r"draws (\d+) of its (\d+) cases", (CLONE / "docs/security.md").read_text())
    assert (int(drawn), int(whole)) == (cases.SAMPLE, len(cases.every()))


def test_a_cloud_is_added_in_as_many_lines_as_contributing_says() -> None:
    text = (CLONE / "CONTRIBUTING.md").read_text()
    most = re.search(r"an emulator of it in at most (\d+) lines", text)
    files = re.findall(r"`(tests/rigs/clouds/(?!yours)\w+\.py)`", text)
    lines = {name: len((CLONE / name).read_text().splitlines()) for name in files}
    assert most and len(files) == 2 and not {n: m for n, m in lines.items() if m > int(most.group(1))}


RECORDS = sorted((CLONE / "docs" / "adr").glob("0*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_has_status_and_date_is_listed_and_named_where_it_replaces_another(record: Path) -> None:
    text, number = record.read_text(), int(record.name[:4])
    assert re.search(r"^(\*Accepted|Status: (accepted|proposed)), \d{4}-\d\d-\d\d", text, re.M)
    assert f"({record.name})" in (CLONE / "docs/adr/README.md").read_text()
    named = re.findall(r"(?:[Ss]upersedes|replaces parts of) ([^.]*?(?:\.md[^.]*?)*)\.[*\n ]", text)
    older = {int(found) for part in named for found in re.findall(r"(?<![\d-])\[?(\d{1,2})\b(?!\d*-)", part)}
    for other in (path for path in RECORDS if int(path.name[:4]) in older):
        assert f"[{number}]({record.name})" in other.read_text(), (
            f"{other.name} does not say that {number} replaces it"
        )


def test_the_rules_are_about_something() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert len(_LINK.findall(text)) > 50 and len(_TEST.findall(text)) > 30
    assert sum(len(list(calls(page))) for page in TYPED) > 100
