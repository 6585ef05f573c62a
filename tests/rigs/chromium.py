"""Debian's Chromium, headless, driven by its own protocol over two pipes: no port, no driver, no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rigs import debian
from tests.rigs.errors import RigError

_NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
_SECONDS = 60.0  # that an answer may take on a machine with other work


def program() -> str:
    """Chromium; as root it is installed where ``TFCE_REQUIRE_RIGS`` wants it. Raises ``RigError``."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found:
        return found
    if os.environ.get("TFCE_REQUIRE_RIGS"):
        debian.install(lambda: () if shutil.which("chromium") else ("chromium", "fonts-dejavu-core"))
        found = shutil.which("chromium")
    if not found:
        raise RigError("no chromium on the PATH: apt-get install chromium")
    return found


class Browser:
    """One page of a headless Chromium. ``heard``: every event of the protocol, in order."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self._profile = tempfile.TemporaryDirectory(prefix="tfce-chromium-")
        self._number, self._rest, self._session = 0, b"", ""

    def __enter__(self) -> Self:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        options = [
            "--headless",
            "--no-sandbox",  # root has none
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._profile.name}",
        ]
        line = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", line, "-", program(), *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile.name, ignore_errors=True)

    # -- the protocol --------------------------------------------------------------------------------------

    def call(self, method: str, **parameters: Any) -> Any:
        """One command, and its answer."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        text = json.dumps({"id": self._number, "method": method, "params": parameters, **session})
        os.write(self._out, text.encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.heard.append(answer)
        if "error" in answer:
            raise RigError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            read = os.read(self._in, 2**16) if ready else b""
            if not read:
                raise RigError("chromium does not answer" if not ready else "chromium has ended")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    # -- the page ------------------------------------------------------------------------------------------

    def screen(self, width: int, height: int, dark: bool = False, colours: bool = True) -> None:
        """Look from now on as on such a screen."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setEmulatedVisionDeficiency", type="none" if colours else "achromatopsia")

    def open(self, path: Path) -> None:
        """Load a file, to its end."""
        del self.heard[:]
        self.call("Page.navigate", url=path.as_uri())
        while not any(one.get("method") == "Page.loadEventFired" for one in self.heard):
            self.heard.append(self._next())

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression is worth."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in told:
            raise RigError(str(told["exceptionDetails"]))
        return told["result"].get("value")

    def picture(self, path: Path, whole: bool = False) -> bytes:
        """A screenshot, of the whole page or of what a screen shows."""
        image = base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
        return image

    def names(self) -> list[tuple[str, str]]:
        """Role and name of all that a screen reader tells."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        told = [node for node in nodes if not node.get("ignored")]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in told]
