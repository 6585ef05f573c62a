"""Every file of a workspace, all that may become of it, every verb, on real Terraform: it works, or ends in one
error whose cure works then; no VM is touched that should not be. A sample, drawn anew each time; SEED repeats one,
ALL=1 walks all."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.contract.test_files import DAMAGES, VERBS, cured, swept
from tests.site import WRAPPER, Site

ALL = bool(os.environ.get("ALL"))
LEAST = 5  # cells that a sample tries, however slow the machine is
SECONDS = float(os.environ.get("SECONDS", "10"))  # that a sample may take


class Ground:
    """A workspace with running pilots, one that ended, one that was removed, on an EC2 API."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.copy = site.folder / "copy"
        self.stranger = site.stranger({"Name": "tfce-0000000A", "tfce:key": "0000000A"})
        parts = site.parts()
        references = parts.fleet.submit(WRAPPER.encode(), 4).references
        parts.fleet.kill(references[:1])
        site.do("StopInstances", references[1])
        parts.fleet.submit(WRAPPER.encode(), 1)
        self.keep()

    def keep(self) -> None:
        """Take the workspace as it is for what shall be damaged next."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.site.folder / "root", self.copy, symlinks=True)

    def files(self) -> list[Path]:
        """Every file of the workspace, and the folders of its user data and consoles; found, not listed."""
        here = [path for path in sorted(self.copy.rglob("*")) if path.is_file() and "providers" not in path.parts]
        folders = [path for path in self.copy.glob("queues/*/*/*") if path.name in ("contexts", "consoles")]
        return [path.relative_to(self.copy) for path in (*here, *folders)]

    def fresh(self) -> None:
        """The workspace as it was kept."""
        root = self.site.folder / "root"
        shutil.rmtree(root)
        shutil.copytree(self.copy, root, symlinks=True)

    def running(self) -> list[str]:
        """The VMs of the queue that run."""
        return sorted(vm for vm, (state, _) in self.site.instances().items() if state == "running")

    def act(self, verb: str) -> str:
        """Do it; the VM that it may end."""
        fleet = self.site.parts().fleet
        if verb == "submit":
            assert len(fleet.submit(WRAPPER.encode(), 1).references) == 1
        elif verb == "kill":
            doomed = self.running()[0]
            assert fleet.kill([f"cloud://{doomed}"]).failed == {}
            return doomed
        else:
            getattr(fleet, verb)()
        return ""


def cell(ground: Ground, name: Path, damage: Callable[[Path], None], verb: str) -> str:
    """Try one; "" or what is wrong."""
    ground.fresh()
    damage(ground.site.folder / "root" / name)
    before = set(ground.running())
    repair = lambda: ground.site.parts().fleet.repair()  # noqa: E731
    doomed, wrong = cured(lambda: ground.act(verb), repair, verb, "tfce repair")
    if wrong:
        return wrong
    lost = before - set(ground.running()) - {doomed}
    return f"ended {lost}" if lost else unsettled(ground)


def unsettled(ground: Ground) -> str:
    """Whether record, state and cloud differ a sweep later."""
    parts = ground.site.parts()
    if parts.workspace.exists:
        wrong = swept(parts.fleet)
        if wrong:
            return wrong
    record, mine = ground.site.parts().workspace.load(), set(ground.running())
    wanted = {pilot.id for pilot in record.pilots.values()}
    known = {instance.id for instance in ground.site.parts().terraform.instances().values()}
    if not mine == wanted == known:
        return f"cloud {mine}, record {wanted}, state {known}"
    if ground.stranger not in ground.site.everything():
        return "a stranger was touched"
    ground.keep()
    return ""


def another(site: Site, number: int) -> Site:
    """A site beside this one, that nothing was done to yet."""
    ce, options = f"{number}.{site.ce}", dict(site.options)
    return Site(site.folder / str(number), site.emulator, site.proxy, ce=ce, options=options)


def test_whatever_becomes_of_a_file(together: Site) -> None:
    ground = Ground(together)
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    files = ground.files()
    cells = [(name, what, verb) for name in files for what in DAMAGES for verb in VERBS]
    random.Random(seed).shuffle(cells)
    tried, wrong, end = 0, list[str](), time.monotonic() + SECONDS
    for name, what, verb in cells:
        if not ALL and tried >= LEAST and time.monotonic() > end:
            break
        tried += 1
        here = Path(str(name).replace(together.ce, ground.site.ce))
        try:
            said = cell(ground, here, DAMAGES[what], verb)
        except Exception as error:  # a traceback is the worst of all
            said = f"{type(error).__name__}: {error}"
        if said:
            print(f"wrong: {name}, {what}, {verb}: {said}", flush=True)
            wrong.append(f"{name}, {what}, {verb}: {said}")
            ground = Ground(another(together, len(wrong)))
        if len(ground.running()) < 3:
            ground.fresh()
            ground.site.parts().fleet.submit(WRAPPER.encode(), 2)
            ground.keep()
    print(f"SEED={seed}: {len(files)} files, {len(cells)} cells, {tried} tried, {len(wrong)} wrong")
    assert tried >= LEAST and wrong == [], "\n".join(wrong)
