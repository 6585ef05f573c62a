"""`tfce plan`: what would change, without a lock and without a trace, also of options that nobody uses yet."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.site import Site
from tfce.store.locks import exclusive


def everything(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Each file and folder: rights, when it was written and when anything of it changed, and the bytes."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content
    return found


def test_a_plan_takes_no_lock_and_writes_nothing(together: Site) -> None:
    site = together
    assert site.run("plan", site.name).code == 0  # on a fresh root, as root or anybody
    assert not site.parts().workspace.private.exists()
    site.submit(2)
    (site.parts().workspace.private / "queue.auto.tfvars").write_text(
        'flavor = "x"\n'
    )  # somebody's: it stays, too
    with exclusive(site.parts().workspace.private / "lock", 0, "x"):
        before = everything(site.folder)
        assert site.run("plan", site.name).code == 2
        assert site.run("plan", site.name, "--json", "--no-refresh").code == 2
        assert everything(site.folder) == before


def test_a_candidate_shows_what_new_pilots_would_be_and_that_the_others_stay(
    together: Site, tmp_path: Path
) -> None:
    site = together
    site.submit(2)
    before, living = everything(site.folder), set(site.everything())
    candidate = tmp_path / "candidate.cfg"
    candidate.write_text(re.sub(r"Instance_Flavor = .*", "Instance_Flavor = m5.large", site.cfg.read_text()))
    assert "m5.large" in candidate.read_text()
    result = site.run("plan", site.name, "--config", str(candidate))
    assert result.code == 2 and "2 pilots that are there keep what they have" in result.out
    assert "+flavor" in result.out.replace(" ", "") and "m5.large" in result.out
    shown = json.loads(site.run("plan", site.name, "--json", "--config", str(candidate)).out)
    assert shown["pilots"] == 2 and any("m5.large" in line for line in shown["shape"])
    assert "destroy" not in shown["plan"].lower().replace("0 to destroy", "")
    assert everything(site.folder) == before and set(site.everything()) == living


def test_what_the_cloud_does_not_have_is_said_of_the_options_all_at_once(together: Site, tmp_path: Path) -> None:
    site, candidate = together, tmp_path / "candidate.cfg"
    text = re.sub(r"Instance_Image = .*", "Instance_Image = name:no-such-image", site.cfg.read_text())
    candidate.write_text(re.sub(r"Instance_Flavor = .*", "Instance_Flavor = t9.none", text))
    result = site.run("plan", site.name, "--config", str(candidate))
    assert (result.code, result.out) == (3, "") and "main.tf" not in result.err, result.err
    for option, value in (("Instance_Image", "no-such-image"), ("Instance_Flavor", "t9.none")):
        assert any(option in line and value in line for line in result.err.splitlines()), result.err
