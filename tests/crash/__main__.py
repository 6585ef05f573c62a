"""A crash before every step of every verb, on real Terraform and an EC2 API: ``python -m tests.crash``.

First each verb runs to its end under watch: that finds its steps. Then it runs again and again, and before a step
tfce alone, its Terraform alone, or the whole group is killed, or the power goes. The next cycle follows, and then
the cloud itself is asked. Prints steps, tried, lost; exit code 1 where anything was lost."""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.checking import WAIT
from tests.rigs.localstack import Emulator, Moto
from tests.rigs.proxy import Proxy
from tests.site import WRAPPER, Site
from tfce.app import Parts
from tfce.model.errors import BusyError
from tfce.model.record import Record

_LEAST, _MOST = 3, 6  # VMs of a site; fewer are added to, more are let go before the next try
_JOBS = 2
_ENOUGH = 30  # tries, below which a sample shows nothing


@dataclass(frozen=True)
class Try:
    """One crash: of which verb, before which step, and who dies."""

    verb: str
    step: int
    name: str
    victim: str


class Ground:
    """A site that is crashed over and over. What goes on running must go on running."""

    def __init__(self, folder: Path, cloud: Emulator, proxy: Proxy, batch: str) -> None:
        options = {"Terraform_Module": "bulk", "Terraform_Batch": batch, "Terraform_Parallelism": "1"}
        options["Workspace_LockTimeout"] = "10"
        number = next(_NUMBERS)
        ce = f"crash-{number}.example.org"
        self.folder = folder / str(number)
        self.site = Site(self.folder, cloud, proxy, ce=ce, options=options)
        self.stranger = self.site.stranger({"Name": "tfce-0000000A", "tfce:key": "0000000A", "tfce:ce": "other"})

    def parts(self) -> Parts:
        """Another process's parts."""
        return self.site.parts()

    # -- before a verb --------------------------------------------------------------------------------------

    def arrange(self, verb: str) -> list[str]:
        """What the verb shall meet; its arguments."""
        if verb != "first" and len(self.site.instances()) < _LEAST:
            self._twice(lambda: self.parts().fleet.submit(WRAPPER.encode(), 2))
        living = sorted(self.site.instances())
        for node in living[_MOST:]:
            self.site.do("TerminateInstances", node)
        if verb == "reap":
            self.site.do("StopInstances", living[0])
        elif verb == "repair":
            (self.site.private / "record.json").write_text("{")
        elif verb == "kill":
            return ["kill", self.site.name, f"cloud://{living[0]}"]
        return self.site.submission(2) if verb in ("submit", "first") else [verb, self.site.name]

    def crashed(self, command: list[str], step: int, victim: str) -> list[str]:
        """Run a command, and let ``victim`` die before ``step`` (0: nobody); the steps that it took."""
        log = self.folder / "steps"
        log.unlink(missing_ok=True)
        words = [sys.executable, "-m", "tests.crash.agent", str(log), str(step), victim]
        words += [str(self.folder / "root"), *command]
        ended = subprocess.run(
            words, env=self.site.environment(), capture_output=True, text=True, timeout=WAIT * 2
        )
        if "Traceback" in ended.stderr:
            raise AssertionError(ended.stderr)
        if step == 0 and ended.returncode:
            raise AssertionError(f"{command[0]}: {ended.stdout}{ended.stderr}")
        return log.read_text().splitlines()

    # -- after it -------------------------------------------------------------------------------------------

    def mended(self, dice: random.Random) -> None:
        """The next two cycles."""
        if not (self.site.private / "record.json").exists() or dice.random() < 0.5:
            self._twice(lambda: self.parts().fleet.submit(WRAPPER.encode(), 1))
        self._twice(lambda: self.parts().fleet.reap())

    def _twice(self, verb: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT
        while True:
            try:
                verb()
                return
            except BusyError:
                if time.monotonic() > deadline:
                    raise

    def wrong(self, before: set[str]) -> str:
        """What does not agree, asked of the cloud itself; ``before``: VMs that must still be there."""
        found = self.site.instances()
        keys = [tags["tfce:key"] for _, tags in found.values()]
        if len(set(keys)) != len(keys):
            return f"two VMs of one key: {keys}"
        parts = self.parts()
        record = parts.workspace.load()
        known = {instance.id: key for key, instance in parts.terraform.instances().items()}
        wanted = {pilot.id: key for key, pilot in record.pilots.items()}
        mine = {node: tags["tfce:key"] for node, (_, tags) in found.items()}
        if not known == wanted == mine:
            return f"record {wanted}, state {known}, cloud {mine}"
        if before - set(found):
            return f"ended {before - set(found)}"
        if self.stranger not in self.site.everything():
            return "a stranger's VM is gone"
        if record.pending or list(parts.workspace.contexts.iterdir()):
            return f"not settled: {record.pending} {list(parts.workspace.contexts.iterdir())}"
        plan = parts.terraform.plan()
        return "" if plan.empty else f"the plan is not empty: {plan.text}"

    def must_stay(self, verb: str) -> set[str]:
        """The VMs that no verb may end: those that run, less the one that a kill names."""
        running = sorted(node for node, (state, _) in self.site.instances().items() if state == "running")
        return set(running[1:] if verb == "kill" else running)


_NUMBERS = itertools.count(1)
VERBS = ("first", "submit", "reap", "kill", "repair")


def attempt(ground: Ground, one: Try, dice: random.Random) -> str:
    """Crash a verb, go on, and look; "" or what is wrong."""
    try:
        command = ground.arrange(one.verb)
        stays = ground.must_stay(one.verb)
        ground.crashed(command, one.step, one.victim)
        if one.verb == "repair":
            _mend(ground)
        ground.mended(dice)
        return ground.wrong(stays)
    except Exception as error:  # whatever it is, the matrix goes on, and counts it
        return f"{type(error).__name__}: {error}"


def _mend(ground: Ground) -> None:
    """A repair that died is asked for again where the record still is what it was to repair."""
    try:
        Record.load((ground.site.private / "record.json").read_text())
    except (ValueError, OSError):
        ground._twice(lambda: ground.parts().fleet.repair())


def tries(steps: dict[str, list[str]]) -> list[Try]:
    """Every step, with everybody who may die there."""
    found: list[Try] = []
    for verb, lines in steps.items():
        for line in lines:
            number, _, rest = line.partition(" ")
            at_work, name = rest[:1] == "*", rest[2:]
            victims = ("tfce", "power", *(("terraform", "group") if at_work else ()))
            found += [Try(verb, int(number), name, victim) for victim in victims if number != "0"]
    return found


class Matrix:
    """All tries, shared out to some grounds."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.dice, self.deadline = random.Random(seed), time.monotonic() + seconds
        self.lost: list[str] = []
        self.tried = 0
        self._lock = threading.Lock()

    def work(self, make: Callable[[], Ground], queue: Iterator[Try]) -> None:
        """Take tries until there are none, or the time is up."""
        ground: Ground | None = None
        while time.monotonic() < self.deadline:
            with self._lock:
                one, dice = next(queue, None), random.Random(self.dice.random())
            if one is None:
                return
            if ground is None or one.verb == "first":
                ground = make()
            said = attempt(ground, one, dice)
            with self._lock:
                self.tried += 1
                if said:
                    self.lost.append(f"{one.verb}, {one.victim} before {one.step} ({one.name}): {said}")
                    print(self.lost[-1], file=sys.stderr, flush=True)
            if said or one.verb == "first":
                ground = None


def main() -> int:
    """Walk the matrix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every step, however long that takes")
    parser.add_argument("--seed", type=int, default=0, help="of a run before; random unless given")
    parser.add_argument("--seconds", type=float, default=130, help="for the sample")
    parser.add_argument("--verb", choices=VERBS, help="this one only")
    options = parser.parse_args()
    seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    print(f"seed {seed}", flush=True)
    with ExitStack() as stack:
        cloud = stack.enter_context(Moto())
        proxies = [stack.enter_context(Proxy(cloud.url, mend=False)) for _ in range(_JOBS)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfce-crash-")))
        batches = ("100", "1")
        makes = [
            lambda proxy=proxy, batch=batch: Ground(folder, cloud, proxy, batch)
            for proxy, batch in zip(proxies, batches, strict=True)
        ]
        steps = found_steps(makes[0], [options.verb] if options.verb else list(VERBS))
        chosen = tries(steps)
        matrix = Matrix(seed, 10**6 if options.all else options.seconds)
        matrix.dice.shuffle(chosen)
        queue = iter(chosen)
        workers = [threading.Thread(target=matrix.work, args=(make, queue)) for make in makes]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    number = sum(map(len, steps.values()))
    print(f"{number} steps, {len(chosen)} crashes, {matrix.tried} tried, {len(matrix.lost)} lost")
    enough = len(chosen) if options.all else min(len(chosen), _ENOUGH)
    if matrix.tried < enough:
        print(f"too few were tried: {enough} should have been")
    return 1 if matrix.lost or matrix.tried < enough else 0


def found_steps(make: Callable[[], Ground], verbs: list[str]) -> dict[str, list[str]]:
    """What each verb does, step by step, where nothing goes wrong."""
    ground, steps = make(), {}
    for verb in verbs:
        steps[verb] = [line for line in ground.crashed(ground.arrange(verb), 0, "nobody") if line[0] != "0"]
        print(f"{verb}: {len(steps[verb])} steps", flush=True)
    return steps


if __name__ == "__main__":
    sys.exit(main())
