"""A queue whose last writer was version 0.1, with its own provider's state, on a real API."""

from __future__ import annotations

from pathlib import Path

from tests.site import Site

FIXTURE = Path(__file__).parents[2] / "fixtures/workspace-0.1-batch"
KEYS = ("34D09565", "3B9B7E2D")
KILLED = "cloud://i-a0e635f61f11aa8ea"


def left_by_version_0_1(site: Site) -> dict[str, str]:
    """Put its workspace and its VMs into the site; the VMs' references by key."""
    tags = {"tfce:installation": "a5514738eb1d", "tfce:ce": site.ce, "tfce:queue": site.queue}
    ids = {key: site.stranger({**tags, "tfce:key": key, "Name": f"tfce-{key}"}) for key in KEYS}
    root = site.folder / "root"
    for path in (path for path in FIXTURE.rglob("*") if path.is_file()):
        text = path.read_text().replace("{root}", str(root)).replace("{port}", str(site.proxy.port))
        for key, node in ids.items():
            text = text.replace(f"{{{key}}}", node)
        place = root / path.relative_to(FIXTURE)
        if path.name == "state.json":
            place = place.with_name("terraform.tfstate.d") / f"{site.ce}.{site.queue}" / "terraform.tfstate"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return {key: f"cloud://{node}" for key, node in ids.items()}


def test_a_batch_of_version_0_1_goes_on(site: Site) -> None:
    old = Site(site.folder / "old", site.emulator, site.proxy, ce="c0.example.org", options=site.options)
    references = list(left_by_version_0_1(old).values())
    assert {one["state"] for one in old.status()} == {"Running"}
    assert old.run("reap", old.name, "--dry-run", "--json").json["removed"] == []
    site.proxy.counts(reset=True)
    result = old.submit(1)
    assert result.code == 0 and len(result.json["references"]) == 1, result.err
    assert site.proxy.counts()["RunInstances"] == 1
    assert old.run("reap", old.name, "--json").json["removed"] == []
    polled = old.parts().fleet.poll([*references, KILLED])
    assert polled == {**dict.fromkeys(references, "Running"), KILLED: "Deleted"}
    assert old.audit()["mismatches"] == 0 and len(old.instances()) == 3
    assert not (old.private / "ledger.json").exists() and (old.private / "record.json").exists()
    removed = old.run("kill", old.name, references[0], "--json").json["removed"]
    assert [one["reference"] for one in removed] == references[:1] and len(old.instances()) == 2
