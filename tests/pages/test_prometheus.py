"""The alert rules and the dashboard that come with the package, on Debian's own Prometheus."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tests.rigs import prometheus
from tests.rigs.errors import RigError
from tfce.cli.monitoring import ALERTS, DASHBOARD
from tfce.model.metrics import BY_NAME

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: tfce
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
SITE = """
CEs
{{
  cloud.example.org
  {{
    CloudType = EC2
    Instance_Image = ami-1
    Instance_Flavor = t3.micro
    MaxTotalJobs = 20
    Workspace_Root = {root}
    Queues
    {{
      long
      {{
      }}
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def programs() -> tuple[Path, Path]:
    try:
        return prometheus.programs()
    except RigError as error:
        if os.environ.get("TFCE_REQUIRE_RIGS"):
            raise
        pytest.skip(f"no Prometheus: {error}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def ask(address: str, seconds: float = 20) -> Any:
    """The JSON or text at ``address``, which may be about to listen."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return reply.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_every_alert_fires_where_it_should_and_nowhere_else(programs: tuple[Path, Path], tmp_path: Path) -> None:
    for path in (ALERTS, Path(__file__).with_name("alerts_test.yml")):
        shutil.copy(path, tmp_path)
    command = [str(programs[1]), "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    named = ALERTS.read_text().count("- alert: ")
    assert named == Path(tmp_path / "alerts_test.yml").read_text().count("eval_time: 9h, alertname") > 0


@pytest.fixture
def served(programs: tuple[Path, Path], tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes `tfce metrics --listen` of a queue that has seen everything."""
    edge = FakeEdge(tmp_path)
    edge.sky.at("create", Refused("InsufficientInstanceCapacity: none left"), nth=2)
    options = {"MaxTotalJobs": "20", "Workspace_MaxHours": "90000/month", "Workspace_Price": "*=0.1, EUR"}
    first = edge.parts(**options).fleet.submit(WRAPPER, 3)
    edge.stop(first.references[0].removeprefix("cloud://"))
    edge.parts(**options).fleet.reap()
    edge.sky.down = "connection refused"
    with pytest.raises(Exception, match="refused"):
        edge.parts(**options).fleet.count()
    site, config = tmp_path / "site.cfg", tmp_path / "prometheus.yml"
    ours, theirs = free_port(), free_port()
    site.write_text(SITE.format(root=tmp_path / "root"))
    config.write_text(CONFIG.format(rules=ALERTS, port=ours))
    listen, where = f"127.0.0.1:{ours}", f"127.0.0.1:{theirs}"
    tfce = [sys.executable, "-m", "tfce.cli", "metrics", "--config", str(site), "--listen", listen]
    server = [str(programs[0]), f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb"]
    with (
        subprocess.Popen(tfce, stderr=subprocess.DEVNULL) as one,
        subprocess.Popen([*server, f"--web.listen-address={where}"], stderr=subprocess.DEVNULL) as other,
    ):
        try:
            assert "tfce_pilots_wanted{" in ask(f"http://{listen}/metrics")
            ask(f"http://{where}/-/ready")
            yield where
        finally:
            for process in (one, other):
                process.terminate()


def query(where: str, expression: str) -> list[Any]:
    expression = expression.replace("$__rate_interval", "30s").replace("$ce", ".*").replace("$queue", ".*")
    answer = json.loads(ask(f"http://{where}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
    assert answer["status"] == "success"
    found: list[Any] = answer["data"]["result"]
    return found


def test_every_query_of_the_dashboard_finds_something(served: str) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = {target["expr"]: panel["title"] for panel in panels for target in panel["targets"]}
    assert len(queries) > 10
    deadline, empty = time.monotonic() + 30, set(queries)
    while empty and time.monotonic() < deadline:  # a rate wants two scrapes
        empty = {one for one in empty if not query(served, one)}
        time.sleep(0.5 if empty else 0)
    assert not {queries[one]: one for one in empty}


def test_the_dashboard_and_the_rules_name_only_metrics_that_there_are() -> None:
    for path in (ALERTS, DASHBOARD):
        named = set(re.findall(r"\btfce_[a-z_]+", path.read_text()))
        assert named and named <= set(BY_NAME), path
