"""Proposals, publications and pull requests, in a real clone, by the command line; and drift."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.conftest import MakeProgram
from tests.unit.test_cli import CFG, NAME, Shell, cfg, more, tfce
from tests.unit.test_review import Repository, changed
from tfce.config.cfg import load_queue
from tfce.model.errors import ConfigError
from tfce.model.pilot import Pilot, moment
from tfce.review import policy, shape
from tfce.review.commits import Clone
from tfce.review.policy import PolicyVerdict
from tfce.review.propose import change
from tfce.review.pull import markdown
from tfce.store.review_copies import REST, VARIABLES
from tfce.store.workspace import Workspace

__all__ = ["CFG", "cfg", "tfce"]
FOLDER = "shape/cloud.example.org/long"
SCALE = "scale/cloud.example.org/long/scale.tfvars.json"


@pytest.fixture
def clone(tmp_path: Path, cfg: Path) -> Repository:
    """A clone on main in which the shape of the CFG is merged; nobody has any login."""
    made = Repository(tmp_path / "clone")
    made.merge(shape.texts(load_queue(cfg, NAME)))
    (cfg.parent / "cloud.auth").unlink()
    return made


def ask(cfg: Path, text: str) -> None:
    more(cfg, text)


# -- propose ----------------------------------------------------------------------------------------------------


def test_a_changed_option_becomes_a_branch_with_its_message(tfce: Shell, cfg: Path, clone: Repository) -> None:
    place, before = str(clone.place), clone.git("rev-parse", "HEAD")
    assert tfce("propose", NAME, "--clone", place) == (
        0,
        f"{NAME}: what the options ask for is there already\n",
        "",
    )
    ask(cfg, "Instance_Flavor = m5.large")
    (clone.place / "dirty").write_text("half a thought")
    clone.git("add", "dirty")
    code, out, _ = tfce("propose", NAME, "--clone", place)
    branch = out.splitlines()[0].removeprefix("branch ")
    assert code == 0 and branch.startswith("tfce/cloud.example.org-long-")
    said = clone.git("log", "-1", "--format=%B", branch)
    assert said.startswith(f"{NAME}: Instance_Flavor t3.micro to m5.large\n") and "Running pilots keep" in said
    assert clone.git("diff", "--name-only", f"main..{branch}") == f"{FOLDER}/{VARIABLES}"
    assert '+flavor            = "m5.large"' in clone.git("diff", f"main..{branch}")
    assert clone.git("rev-parse", "HEAD", f"{branch}~1") == f"{before}\n{before}"
    assert clone.git("status", "--porcelain") == "A  dirty"
    tip = clone.git("rev-parse", branch)
    assert tfce("propose", NAME, "--clone", place)[0] == 0 and clone.git("rev-parse", branch) == tip
    assert not (cfg.parent / "root").exists()


def test_a_proposal_runs_nothing_of_the_clone(tfce: Shell, cfg: Path, clone: Repository, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    hooks = clone.place / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "pre-commit", "post-commit", "commit-msg", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    for name in ("filter.x.clean", "core.fsmonitor", "core.editor", "gpg.program"):
        clone.git("config", name, f"touch {mark}")
    clone.git("config", "commit.gpgSign", "true")
    (clone.place / ".git" / "info").mkdir(exist_ok=True)
    (clone.place / ".git" / "info" / "attributes").write_text("* filter=x\n")
    ask(cfg, "Instance_Flavor = m5.large")
    code, out, _ = tfce("propose", NAME, "--clone", str(clone.place), "--branch", "mine")
    assert (code, out.splitlines()[0]) == (0, "branch mine") and not mark.exists()


def test_a_proposal_is_pushed_when_that_is_asked_for_and_only_then(
    tfce: Shell, cfg: Path, clone: Repository, tmp_path: Path
) -> None:
    remote = Repository(tmp_path / "remote")
    clone.git("remote", "add", "origin", str(remote.place))
    ask(cfg, "Instance_Flavor = m5.large")
    tfce("propose", NAME, "--clone", str(clone.place), "--branch", "mine")
    assert remote.git("branch", "--list", "mine") == ""
    assert tfce("propose", NAME, "--clone", str(clone.place), "--branch", "mine", "--push", "origin")[0] == 0
    assert remote.git("rev-parse", "mine") == clone.git("rev-parse", "mine")


@pytest.mark.parametrize("more", [["--branch", "-x"], ["--branch", "a..b"], ["--push", "--upload-pack=x"]])
def test_names_that_are_options_are_refused(tfce: Shell, cfg: Path, clone: Repository, more: list[str]) -> None:
    ask(cfg, "Instance_Flavor = m5.large")
    flag, value = more
    code, _, err = tfce("propose", NAME, "--clone", str(clone.place), f"{flag}={value}")
    assert code == 2 and flag in err


def test_what_is_no_clone_is_told(tfce: Shell, tmp_path: Path) -> None:
    code, _, err = tfce("propose", NAME, "--clone", str(tmp_path))
    assert code == 2 and "is not the top folder of a git clone" in err
    assert tfce("publish", "--clone", str(tmp_path / "none"))[0] == 2


# -- publish ----------------------------------------------------------------------------------------------------


def running(cfg: Path, *keys: str) -> None:
    workspace = Workspace(load_queue(cfg, NAME))
    with workspace.locked():
        record = workspace.prepare()
        born = moment("2026-01-31T12:00:00Z")
        workspace.save(record.without(record.pilots).including(Pilot(key, born, "s") for key in keys))


def test_scale_is_one_commit_a_while_with_its_summary(tfce: Shell, cfg: Path, clone: Repository) -> None:
    place = str(clone.place)
    assert tfce("publish", "--clone", place) == (0, "nothing changed since the last commit\n", "")
    running(cfg, "0000000A", "0000000B")
    assert tfce("publish", "--clone", place)[0] == 0
    running(cfg, "0000000B", "0000000C", "0000000D")
    code, out, _ = tfce("publish", NAME, "--clone", place)
    assert (code, out) == (0, f"Scale: 3 pilots in 1 queue (+2, -1)\n\n{NAME}: 2 -> 3 (+2, -1)\n")
    assert clone.git("log", "-1", "--format=%B") == out.strip()
    assert tfce("publish", "--clone", place)[1] == "nothing changed since the last commit\n"
    assert clone.git("rev-list", "--count", "HEAD") == "3" and clone.git("status", "--porcelain") == ""
    assert set(json.loads((clone.place / SCALE).read_text())["pilots"]) == {"0000000B", "0000000C", "0000000D"}


def test_scale_goes_to_a_branch_of_its_own_where_that_is_wished(tfce: Shell, cfg: Path, clone: Repository) -> None:
    running(cfg, "0000000A")
    head = clone.git("rev-parse", "HEAD")
    assert tfce("publish", "--clone", str(clone.place), "--branch", "scale")[0] == 0
    assert clone.git("rev-parse", "HEAD") == head and not (clone.place / SCALE).exists()
    assert "0000000A" in clone.git("show", f"scale:{SCALE}")


# -- pull requests ----------------------------------------------------------------------------------------------


def test_a_pull_request_says_what_changes_without_any_login(tfce: Shell, cfg: Path, clone: Repository) -> None:
    place = str(clone.place)
    code, out, _ = tfce("plan", NAME, "--pull-request", "--clone", place, "--base", "main")
    assert code == 0 and "nothing changes" in out
    file = clone.place / FOLDER / VARIABLES
    file.write_text(file.read_text().replace("t3.micro", "m5.large"))
    code, out, _ = tfce("plan", NAME, "--pull-request", "--clone", place, "--base", "main")
    assert code == 2 and "| `Instance_Flavor` | `t3.micro` | `m5.large` |" in out
    assert '+flavor            = "m5.large"' in out and "Running pilots keep what they were made of" in out
    file.write_text(file.read_text().replace('"m5.large"', "var.x"))
    code, out, _ = tfce("plan", NAME, "--pull-request", "--clone", place, "--base", "main")
    assert code == 1 and "not a shape" in out
    assert not (cfg.parent / "root").exists()


@pytest.mark.parametrize("fault", ["option", "clone", "conftest", "queue"])
def test_what_cannot_be_judged_does_not_look_like_a_change(
    tfce: Shell, cfg: Path, clone: Repository, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A pipeline takes 2 for "new pilots change", and goes on."""
    place = str(clone.place)
    monkeypatch.setenv("PATH", os.environ["PATH"].replace(str(Path.home()), "/none"))
    file = clone.place / FOLDER / VARIABLES
    file.write_text(file.read_text().replace("t3.micro", "m5.large"))
    line = ["plan", NAME, "--pull-request", "--clone", place, "--base", "main"]
    if fault == "option":
        ask(cfg, "Terraform_Parallelism = many")
    elif fault == "clone":
        line[4] = "/none"
    elif fault == "queue":
        line[1] = "cloud.example.org/short"
    else:
        line += ["--policy", place]
    code, out, err = tfce(*line)
    assert (code, out) == (1, "") and err.startswith("tfce: ")
    assert {"option": "many", "clone": "/none", "conftest": "not judged", "queue": NAME}[fault] in err


def test_what_a_pull_request_quotes_is_text(cfg: Path) -> None:
    queue = load_queue(cfg, NAME)
    texts = shape.texts(queue)
    evil = "x`|<img src=x>@everyone [a](b)"
    found = change(queue, texts, changed(texts, VARIABLES, "t3.micro", evil))
    text = markdown(found, PolicyVerdict(denied=("no @everyone | ```",)))
    table = next(line for line in text.splitlines() if "Instance_Flavor" in line)
    assert table.count("|") - table.count("\\|") == 4 and "``x`\\|<img src=x>@everyone [a](b)``" in table
    assert "refuses" in text and "- refused: ```` no @everyone | ``` ````" in text


def test_a_pull_request_says_what_an_hour_costs_before_and_after(cfg: Path) -> None:
    ask(cfg, "Workspace_Price = t3.micro=0.0104, m5.large=0.096, EUR\n    MaxTotalJobs = 20")
    texts = shape.texts(queue := load_queue(cfg, NAME))
    table = markdown(change(queue, texts, changed(texts, VARIABLES, "t3.micro", "name:m5.large"))).splitlines()
    assert "| a VM | `t3.micro` 0.0104 EUR | `m5.large` 0.096 EUR |" in table
    assert "| 20 VMs (MaxTotalJobs), at most | 0.208 EUR | 1.92 EUR |" in table
    table = markdown(change(queue, {}, changed(texts, VARIABLES, "t3.micro", "x9|huge"))).splitlines()
    assert "| a VM | - | `x9\\|huge` unknown |" in table
    assert "| 20 VMs (MaxTotalJobs), at most | - | unknown |" in table
    ask(cfg, "MaxTotalJobs = 20")
    assert "cost" not in markdown(change(load_queue(cfg, NAME), {}, texts))


CONFTEST = """#!/bin/sh
[ "$1" = test ] || exit 9
for file; do last=$file; done
grep -q . "$last" || exit 8
echo "$@" > {place}/asked
cat {place}/answer
exit 1
"""


def test_a_policy_refuses_warns_or_gives_no_judgement(
    tmp_path: Path, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, document = tmp_path / "rules", tmp_path / "plan.json"
    (rules / "data").mkdir(parents=True)
    document.write_text("{}")
    monkeypatch.setenv("PATH", f"{tmp_path}/none:/usr/bin:/bin")
    with pytest.raises(ConfigError, match="was not judged"):
        policy.judge(rules, [document])
    program = make_program("bin/conftest", CONFTEST.format(place=tmp_path))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    answer = [{"filename": "p", "successes": 3, "failures": [{"msg": "too big"}], "warnings": [{"msg": "hm"}]}]
    (tmp_path / "answer").write_text(json.dumps(answer))
    assert policy.judge(rules, [document]) == PolicyVerdict(("too big",), ("hm",), 3)
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:3] == ["test", "--output", "json"] and asked[-1] == str(document) and "--data" in asked
    for text in ("", "no such rule", "{}", "[]", "[{}]", '[{"failures": [1]}]'):
        (tmp_path / "answer").write_text(text)
        with pytest.raises(policy.PolicyError, match="no judgement"):
            policy.judge(rules, [document])


def test_the_first_shape_and_a_lost_one_are_told(cfg: Path) -> None:
    queue = load_queue(cfg, NAME)
    texts = shape.texts(queue)
    assert "the first shape" in markdown(change(queue, {}, texts))
    assert "not a shape" in markdown(change(queue, texts, {}))
    assert "Only the text is another" in markdown(
        change(queue, texts, changed(texts, VARIABLES, "# Which", "#  Which"))
    )
    assert change(queue, texts, texts).differences == ()
    assert REST in texts and Clone(Path("/")).folder == Path("/")


# -- doctor, audit ----------------------------------------------------------------------------------------------


def approval(tfce: Shell) -> dict[str, object]:
    checks = json.loads(tfce("doctor", NAME, "--json")[1])["checks"]
    return next(one for one in checks if one["check"] == "approval")


def test_the_doctor_asks_the_repository_now_and_makes_nothing(tfce: Shell, cfg: Path, clone: Repository) -> None:
    review = "Workspace_Review = shape\n    Workspace_Approved = {}"
    ask(cfg, review.format("/nowhere/site@main"))
    found = approval(tfce)
    assert not found["ok"] and "cannot be read" in str(found["detail"]) and found["cure"]
    ask(cfg, review.format(f"{clone.place}@main"))
    assert approval(tfce)["ok"] and "by Ada <ada@example.org>" in str(approval(tfce)["detail"])
    ask(cfg, review.format(f"{clone.place}@main") + "\n    Instance_Flavor = m5.large")
    found = approval(tfce)
    assert found["ok"] and "m5.large is asked for, t3.micro is approved" in str(found["detail"])
    assert "tfce propose" in str(found["cure"])
    clone.git("rm", "-rq", "shape")
    clone.git("commit", "-qm", "gone")
    assert "no shape of" in str(approval(tfce)["detail"]) and not (cfg.parent / "root" / "review").exists()


@pytest.mark.parametrize("arguments", [[], [NAME, "--all"]])
def test_an_audit_is_of_one_queue_or_of_all(tfce: Shell, arguments: list[str]) -> None:
    code, _, err = tfce("audit", *arguments)
    assert code == 2 and "give CE/QUEUE or --all, not both" in err


def test_a_queue_that_cannot_be_judged_is_said_and_is_no_consent(tfce: Shell, cfg: Path) -> None:
    assert tfce("audit", "--all", "--drift")[0] == 0  # nothing was ever submitted: nothing can differ
    running(cfg, "0000000A")
    code, out, _ = tfce("audit", "--all", "--drift", "--json")
    (row,) = json.loads(out)["drift"]
    assert code == 3 and row["between"] == "not judged" and row["alert"]
    assert tfce("audit", "--all")[0] == 3
    file = Workspace(load_queue(cfg, NAME)).private / "queue.auto.tfvars"
    file.write_text("flavor = 1\n")
    assert tfce("audit", NAME, "--drift")[0] == 3
