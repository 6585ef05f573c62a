"""From nothing to the first pilot: ``python -m benchmarks.first``.

A fresh environment gets the wheel of this tree. Timed: the installation, most of it downloads; the demo, first and
repeated, the same from a clone; and the first pilot of a CloudCE configuration in which only CEType was changed,
on moto.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.rigs.localstack import Moto

CLONE = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
CE = "cloudprov.mysite.example"
CFG = """\
CEs
{{
  {ce}
  {{
    CEType = Terraform
    CloudType = EC2
    CloudAuth = {folder}/cloud.auth
    Driver_region = us-east-1
    Driver_host = 127.0.0.1
    Driver_port = {port}
    Driver_secure = False
    Instance_Image = {image}
    Instance_Flavor = name:t3.micro
    Context_MaxLifetime = 100000
    MaxTotalJobs = 10
    Queues
    {{
      long
      {{
        maxCPUTime = 1440
      }}
    }}
  }}
}}
"""


class Bench:
    """Steps in a folder of its own, each timed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "venv/bin"
        self.seconds: dict[str, float] = {}

    def step(self, title: str, *command: str | Path, **more: str) -> None:
        """Run a command; its seconds."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "TFCE_", "TF_"))}
        environment = (
            kept | {"PATH": f"{self.bin}:{without_terraform(kept['PATH'])}", "HOME": str(self.folder)} | more
        )
        begun = time.monotonic()
        words = list(map(str, command))
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(
                f"{title}: {' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr[-2000:]}"
            )
        self.seconds[title] = round(time.monotonic() - begun, 1)
        print(f"{self.seconds[title]:7.1f} s  {title}", flush=True)

    def installed(self) -> None:
        """The wheel in an environment of its own, without pip's cache."""
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
        self.step("a wheel of this tree", sys.executable, *pip, "wheel", "--no-deps", "-w", self.folder, CLONE)
        (wheel,) = self.folder.glob("*.whl")
        self.step("python -m venv", sys.executable, "-m", "venv", self.folder / "venv")
        python = self.bin / "python"
        self.step(
            "pip install TfceDIRAC[demo], nothing in pip's cache",
            python,
            *pip,
            "install",
            "--no-cache-dir",
            f"{wheel}[demo]",
        )

    def demos(self) -> None:
        """``tfce demo``, twice."""
        for title in ("tfce demo, the first time", "tfce demo, repeated"):
            self.step(title, self.bin / "tfce", "demo")

    def cloned(self) -> None:
        """``make demo`` in a fresh clone, without pip's cache, then once more."""
        clone = self.folder / "clone"
        self.step("git clone", "git", "clone", "--quiet", CLONE, clone)
        for title in ("make demo in a fresh clone, nothing in pip's cache", "make demo, repeated"):
            self.step(title, "make", "-C", clone, "demo", PIP_NO_CACHE_DIR="1")

    def first_pilot(self) -> None:
        """A pilot from a configuration of CloudCE's."""
        with Moto() as cloud:
            image = cloud.call("DescribeImages", **{"Owner.1": "amazon"}).findtext("imagesSet/item/imageId", "")
            site = {"ce": CE, "folder": self.folder, "port": cloud.port, "image": image}
            (self.folder / "site.cfg").write_text(CFG.format(**site))
            (self.folder / "cloud.auth").touch(0o600)
            (self.folder / "cloud.auth").write_text("[DEFAULT]\nkey = user\nsecret = planted\n")
            (self.folder / "wrapper.sh").write_text("#!/bin/bash\necho a pilot wrapper\n")
            own = {"TFCE_CONFIG": str(self.folder / "site.cfg"), "TFCE_ROOT": str(self.folder / "root")}
            tfce, queue = self.bin / "tfce", f"{CE}/long"
            self.step("tfce doctor", tfce, "doctor", queue, **own)
            wrapper = ("--wrapper", self.folder / "wrapper.sh")
            self.step("the first pilot", tfce, "submit", queue, "--count", "1", *wrapper, **own)
            self.step("the second pilot", tfce, "submit", queue, "--count", "1", *wrapper, **own)


def without_terraform(path: str) -> str:
    """The folders of PATH that hold no Terraform: an empty machine has none."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if not (Path(part) / "terraform").exists())


def main() -> None:
    """All steps; the figures go to a file of the day."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.installed()
        bench.demos()
        bench.cloned()
        bench.first_pilot()
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    facts = {"cores": os.cpu_count(), "python": sys.version.split()[0], "seconds": bench.seconds}
    (RESULTS / f"first-{today}.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
