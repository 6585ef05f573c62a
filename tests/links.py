"""Whether the pages' links to elsewhere answer: ``make links``. 1 where one is gone.

What cannot be asked from here, without network or of a host that wants no programs, is named and is no failure.
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
PAGES = sorted([*CLONE.glob("*.md"), *CLONE.glob("docs/**/*.md"), *CLONE.glob("[!.]*/README.md")])
FAR = re.compile(r"\]\((https?:[^)\s]*)\)|<(https?:[^>\s]*)>")
_GONE = (404, 410)
_SECONDS = 20


def far(pages: Iterable[Path] = PAGES) -> dict[str, list[Path]]:
    """The links to elsewhere, and the pages that have each."""
    found: dict[str, list[Path]] = {}
    for page in pages:
        for pair in FAR.findall(page.read_text()):
            found.setdefault("".join(pair), []).append(page)
    return found


def asked(link: str, seconds: float = _SECONDS) -> tuple[bool | None, str]:
    """Whether what ``link`` names is there, None where nobody can tell from here; and why not."""
    request = urllib.request.Request(link, headers={"User-Agent": "tfce-links"})
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            return True, ""
    except urllib.error.HTTPError as error:
        error.close()
        return (False if error.code in _GONE else None), f"{error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        return None, str(getattr(error, "reason", "") or error) or type(error).__name__


def told(links: dict[str, list[Path]], seconds: float = _SECONDS) -> Iterator[tuple[bool | None, str]]:
    """A line for each link that did not answer."""
    with ThreadPoolExecutor(8) as pool:
        for link, (there, why) in zip(links, pool.map(lambda one: asked(one, seconds), links), strict=True):
            pages = ", ".join(dict.fromkeys(page.name for page in links[link]))
            if not there:
                yield there, f"{'skipped' if there is None else 'GONE'}: {link} ({pages}): {why}"


def main() -> int:
    """Ask all; print what did not answer."""
    links = far()
    lines = list(told(links))
    print(*(text for _, text in lines), sep="\n", end="\n" if lines else "")
    gone = sum(1 for there, _ in lines if there is False)
    print(
        f"{len(links)} links: {len(links) - len(lines)} answer, {gone} are gone, {len(lines) - gone} were skipped"
    )
    return int(gone > 0)


if __name__ == "__main__":
    sys.exit(main())
