"""Approved shapes with a real repository, real Terraform and an EC2 API; and the example that the pages show."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.claims import every, some
from tests.rigs import rego
from tests.site import Site
from tests.unit.test_review import Repository
from tfce.config import options
from tfce.config.cfg import load_queue
from tfce.review import shape
from tfce.store.review_copies import VARIABLES
from tfce.terraform import programs, variables

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "review"
NAME = "cloud.example.org/long"


def flavors(site: Site) -> list[str]:
    return sorted(row["flavor"] for row in site.status())


def test_pilots_follow_what_was_merged(site: Site, tmp_path: Path) -> None:
    """The reviewer's day: nothing, a first proposal, a change that waits, its merge."""
    repository = Repository(tmp_path / "repository")
    repository.merge({"README": "of the site"}, ".")
    site.configure(
        Workspace_Review="shape", Workspace_Approved=f"{repository.place}@main", Workspace_ReviewAge="0"
    )
    nothing = site.submit(1)
    assert nothing.code == 1 and nothing.json["references"] == [] and "is approved at" in nothing.json["limited"]
    assert site.instances() == {}
    place = str(repository.place)
    proposal = site.run("propose", site.name, "--clone", place, "--branch", "first")
    assert proposal.code == 0, proposal.err
    repository.git("merge", "-q", "--no-edit", "first")
    assert site.submit(1).code == 0
    site.configure(Instance_Flavor="t3.small")
    waiting = site.submit(1)
    words = "waits for approval: Instance_Flavor: t3.small is asked for, name:t3.micro is approved"
    assert waiting.code == 0 and words in waiting.err and flavors(site) == ["t3.micro"] * 2
    for command in ("status", "plan", "why"):
        assert words in site.run(command, site.name).err
    told = site.run("status", site.name, "--json").json["review"]
    assert told["waiting"] == [{"option": "Instance_Flavor", "approved": "name:t3.micro", "asked": "t3.small"}]
    drift = site.run("audit", "--all", "--drift", "--json")
    assert drift.code == 1 and [row["between"] for row in drift.json["drift"]] == ["approval"]
    assert site.run("propose", site.name, "--clone", place, "--branch", "second").code == 0
    repository.git("merge", "-q", "--no-ff", "--no-edit", "second")
    merged = repository.git("rev-parse", "HEAD")
    assert site.submit(1).code == 0 and flavors(site) == ["t3.micro", "t3.micro", "t3.small"]
    assert site.run("plan", site.name).code == 0
    noted = [line["shape"] for line in site.parts().workspace.journal.entries() if line["event"] == "submit"]
    assert [one["commit"] == merged for one in noted] == [False, False, True]
    assert noted[-1]["author"] == "Ada <ada@example.org>" and len({one["digest"] for one in noted}) == 2
    assert f"approved in {merged[:12]} by Ada" in site.run("history", site.name).out
    older = site.run("audit", "--all", "--drift", "--json")
    assert older.code == 0 and {row["between"] for row in older.json["drift"]} == {"older"}


def test_what_is_rendered_is_as_terraform_formats_it(tmp_path: Path) -> None:
    more = {"Terraform_Tags": "b=2, a=%{x}", "Instance_Networks": "n", "Terraform_RootVolume": "40"}
    named = {"CloudType": "EC2", "Instance_Image": 'a"${b}', "Instance_Flavor": "x"}
    queue = options.parse("ce", "q", {**named, **more}, tmp_path, tmp_path)
    path = tmp_path / VARIABLES
    path.write_text(variables.render(queue))
    program = list(programs.find_program(None).argv)
    line = [*program, "fmt", "-check", "-diff", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


# -- the example ------------------------------------------------------------------------------------------------


@pytest.fixture
def example(tmp_path: Path) -> Repository:
    """The example's files in a repository of their own, merged."""
    made = Repository(tmp_path / "site")
    shutil.copytree(EXAMPLE, made.place, dirs_exist_ok=True)
    made.merge({}, ".")
    return made


def judge(example: Repository, tmp_path: Path, conftest: bool = True) -> tuple[int, str]:
    """What the example's pipeline says of the work tree, with conftest where the host has it, else with another
    evaluator of Rego in its place."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    text = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.rigs.rego "$@"\n'
    real = shutil.which("conftest")
    if conftest:
        text = f'#!/bin/sh\nexec {real} "$@"\n' if real else text
        (tools / "conftest").write_text(text)
    (tools / "tfce").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tfce.cli "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    others = [one for one in os.environ["PATH"].split(":") if not (Path(one) / "conftest").exists()]
    around = {"PATH": ":".join([str(tools), *others]), "HOME": str(tmp_path), "REQUIRE_POLICY": "1"}
    line = ["bash", "-c", "git show main:judge.sh | bash -s main"]
    done = subprocess.run(line, cwd=example.place, env=around, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_example_judges_a_pull_request(example: Repository, tmp_path: Path) -> None:
    file = example.place / "shape" / NAME / VARIABLES
    good = file.read_text()
    file.write_text(good.replace("name:t3.medium", "name:m5.4xlarge"))
    code, said = judge(example, tmp_path)
    assert code == 0 and "| `Instance_Flavor` | `name:t3.medium, name:t3.xlarge` |" in said, said
    assert "Policy has nothing against it" in said
    assert "| a VM | `t3.medium` 0.0456 EUR, `t3.xlarge` 0.1824 EUR | `m5.4xlarge` 0.856 EUR" in said
    file.write_text(good.replace("name:t3.medium", "name:m5.24xlarge").replace("grid-worker", "who-knows"))
    rules = example.place / "policy" / "pilots.rego"  # a change that would let itself through
    rules.write_text(rules.read_text().replace("max_cores := 16", "max_cores := 160"))
    (example.place / "judge.sh").write_text("exit 0\n")
    (example.place / "site.cfg").write_text("")
    code, said = judge(example, tmp_path)
    assert code == 1 and "- refused: `flavor m5.24xlarge has 96 cores, more than 16`" in said
    assert "- refused: `image who-knows-2026.11 is not ours" in said
    plan = json.loads((example.place / "plan.json").read_text())
    (pilots,) = [one for one in plan["planned_values"]["root_module"]["resources"] if one["type"] == "tfce_pilots"]
    assert plan["variables"]["flavor"]["value"] == "name:m5.24xlarge" and pilots["values"]["flavor"]


def test_the_example_passes_nothing_that_it_could_not_judge(example: Repository, tmp_path: Path) -> None:
    file = example.place / "shape" / NAME / VARIABLES
    good = file.read_text()
    file.write_text(good.replace("name:t3.medium", "name:m5.4xlarge"))
    code, said = judge(example, tmp_path, conftest=False)
    assert code == 1 and "the policy was not judged" in said
    broken = (example.place / "site.cfg").read_text().replace("CEType", "Terraform_X = 1\n    CEType", 1)
    example.merge({"site.cfg": broken}, ".")
    code, said = judge(example, tmp_path)
    assert code == 1 and "Terraform_X" in said
    example.merge({"site.cfg": ""}, ".")
    assert judge(example, tmp_path)[0] != 0


def test_the_policy_knows_the_alternatives_and_the_publishers() -> None:
    rules, data = EXAMPLE / "policy", EXAMPLE / "policy" / "data"
    said = rego.denied(rules, data, json.dumps({"alternatives": {"flavors": ["name:m5.24xlarge", "x9.huge"]}}))
    assert len(said) == 2 and "96 cores" in said[0] and "x9.huge: nobody wrote down" in said[1]
    named = {"flavor": {"value": "t3.medium"}, "image": {"value": "name:grid-worker-1"}}
    for owners, number in ((["self"], 0), (["self", "amazon"], 1)):
        plan = {"variables": {**named, "image_owners": {"value": owners}}}
        assert len(rego.denied(rules, data, json.dumps(plan))) == number


def test_the_examples_shape_is_what_its_configuration_asks_for() -> None:
    queue = load_queue(EXAMPLE / "site.cfg", NAME)
    for name, text in some(shape.texts(queue).items()):
        there = (EXAMPLE / "shape" / NAME / name).read_text()
        assert re.sub(r'"[0-9a-f]{64}"', "", there) == re.sub(r'"[0-9a-f]{64}"', "", text)


def test_the_examples_pipelines_run_the_judge_and_apply_nothing() -> None:
    texts = [(EXAMPLE / name).read_text() for name in (".github/workflows/pilots.yml", "atlantis.yaml")]
    assert every(":judge.sh" in text and "bash -s" in text for text in texts) and "terraform apply" not in "".join(
        texts
    )
    assert "secrets." not in texts[0] and "pull_request_target" not in texts[0]
