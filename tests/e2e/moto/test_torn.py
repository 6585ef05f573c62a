"""What a killed Terraform leaves half written, on real Terraform: each of its files, all that may become of it,
every verb; for a queue whose state is here, in a backend that hosts share, or in one of the module's own. A
sample of one of these; SEED repeats one, ALL=1 walks all."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.test_files import DAMAGES, VERBS, absent, cured
from tests.drawn import some
from tests.e2e.hosts.backends import OnHttp
from tests.e2e.moto.test_files import Ground, unsettled
from tests.rigs.localstack import Emulator
from tests.rigs.proxy import Proxy
from tests.rigs.statehttp import StateServer
from tests.site import Site
from tfce.config.data import data_path

ALL = bool(os.environ.get("ALL"))
SECONDS = float(os.environ.get("SECONDS", "8"))  # that a sample may take
KINDS = ("local", "own", "shared")
TORN = {name: DAMAGES[name] for name in ("empty", "half", "random", "folder", "endless")}
STATES = {"local": "terraform.tfstate.d", "own": "states"}
# What Terraform writes, whole or not: in the queue's folder, and where its states are.
ITS_FILES = (
    ".terraform/terraform.tfstate",
    ".terraform/environment",
    ".terraform/modules/modules.json",
    ".terraform.lock.hcl",
    "errored.tfstate",
)
STATE_FILES = ("terraform.tfstate", "terraform.tfstate.backup", ".terraform.tfstate.lock.info")
MINE = ".terraform/tfce-initialised"
BACKEND = """terraform {{
  backend "local" {{
    path          = "own.tfstate"
    workspace_dir = "{states}"
  }}
}}

module "beside" {{
  source = "{beside}"
}}
"""


def own_module(folder: Path) -> str:
    """A module of a site's own, with a backend of its own and a module beside it."""
    place, beside = folder / "module", folder / "beside"
    shutil.copytree(data_path("terraform") / "bulk", place)
    beside.mkdir()
    (beside / "main.tf").write_text('output "one" {\n  value = 1\n}\n')
    (place / "more.tf").write_text(BACKEND.format(states=STATES["own"], beside=beside))
    return str(place)


def files_of(kind: str, site: Site) -> list[str]:
    """What may be torn in the folder of such a queue."""
    name = site.parts().workspace.name
    states = [f"{STATES[kind]}/{name}/{path}" for path in STATE_FILES] if kind in STATES else []
    beside = [f"shared/{path}" for path in ITS_FILES] if kind == "shared" else []
    return [*ITS_FILES, *states, *beside]


@pytest.fixture
def make(tmp_path: Path, emulator: Emulator, proxy: Proxy) -> Iterator[Callable[[str], Ground]]:
    """A ground whose queue is of a kind."""
    with ExitStack() as stack:

        def made(kind: str) -> Ground:
            folder = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            options = {"Terraform_Module": "bulk", "Terraform_Batch": "100"}
            if kind == "own":
                options["Terraform_Module"] = own_module(folder)
            if kind == "shared":
                auth = folder / "backend.auth"
                auth.touch(0o600)
                auth.write_text(OnHttp(stack.enter_context(StateServer())).section())
                options |= {"Terraform_Backend": "http", "Terraform_BackendFile": str(auth)}
            options["Workspace_Installation"] = f"torn-{folder.name}"
            ce = f"{folder.name}-{os.urandom(4).hex()}.example.org"
            return Ground(Site(folder / "site", emulator, proxy, ce=ce, options=options))

        yield made


def can_be(name: str, what: str) -> bool:
    """What should be a state of the module's own backend, and is no file, is nobody's of ours to move or read."""
    return not (name.startswith(STATES["own"]) and what in ("folder", "endless"))


def cell(ground: Ground, name: str, damage: Callable[[Path], None], verb: str, killed: bool) -> str:
    """Try one; "" or what is wrong. ``killed``: tfce's own mark says that an init had begun and did not end."""
    ground.fresh()
    path = ground.site.private / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "errored.tfstate" and not path.exists():
        path.write_text('{"version": 4, "serial": 900, "lineage": "another", "resources": []}')
    damage(path)
    mark = ground.site.private / MINE
    if killed:
        mark.write_text("\n".join(["0" * 64, *mark.read_text().splitlines()[1:]]))
    before = set(ground.running())

    def cure() -> None:
        if path.match(f"{STATES['own']}/*/terraform.tfstate"):  # "remove there": in the module's own backend
            absent(path)
        ground.site.parts().fleet.repair()

    doomed, wrong = cured(lambda: ground.act(verb), cure, "" if verb == "repair" else verb, "tfce repair")
    if wrong:
        return wrong
    lost = before - set(ground.running()) - {doomed}
    if lost:
        return f"ended {lost}"
    # A kill and a sweep go on without the state: its damage may first be met here.
    said, wrong = cured(lambda: unsettled(ground), cure, "submit", "tfce repair")
    return said or wrong


@pytest.mark.parametrize("kind", some(KINDS, 1 / len(KINDS), "torn"))
def test_whatever_a_killed_terraform_left_half_written(make: Callable[[str], Ground], kind: str) -> None:
    ground = make(kind)
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    dice, first, names = random.Random(seed), ground.site.parts().workspace.name, files_of(kind, ground.site)
    cells = [(name, what, verb) for name in names for what in TORN for verb in VERBS if can_be(name, what)]
    dice.shuffle(cells)
    tried, wrong, end = 0, list[str](), time.monotonic() + SECONDS
    for name, what, verb in cells:
        killed = dice.random() < 0.5
        if not ALL and tried and time.monotonic() > end:
            break
        tried += 1
        here = name.replace(first, ground.site.parts().workspace.name)
        try:
            said = cell(ground, here, TORN[what], verb, killed)
        except Exception as error:  # a traceback is the worst of all
            said = f"{type(error).__name__}: {error}"
        if said:
            print(f"wrong: {name}, {what}, {verb}: {said}", flush=True)
            wrong.append(f"{name}, {what}, {verb}{', killed' if killed else ''}: {said}")
            ground = make(kind)
        if len(ground.running()) < 3:
            ground.fresh()
            ground.site.parts().fleet.submit(b"#!/bin/bash\nexec sleep 3600\n", 2)
            ground.keep()
    print(f"SEED={seed}: {len(names)} files, {len(cells)} cells, {tried} tried, {len(wrong)} wrong")
    assert tried and wrong == [], "\n".join(wrong)
