"""Random verbs from three hosts, while everything breaks: ``python -m tests.e2e.hosts.trial --seconds 60``.

Processes and whole hosts are killed, or paused beyond a lease, or lose their disks; the backend and the cloud are
killed in the middle of requests and come back; ways to them are cut, answers lost; clocks are up to an hour apart.
Each host is a user of its own where the machine lets it. All the time, and at the end, the cloud itself is asked.
Prints its seed, which draws the backend, too, where none is named; exit code 1 where a law was broken."""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.checking import until
from tests.e2e.hosts import users
from tests.e2e.hosts.backends import KINDS, Mortal, mortal
from tests.e2e.hosts.harms import HALF_AN_HOUR, HARMS
from tests.e2e.hosts.site import Host, Hosts, ended, strike
from tests.rigs.kept import KeptMoto
from tests.site import vms_of

LIMIT = 5
FEW, PATIENCE = 3, 60.0  # pilots that must have started, and seconds more for that
FINAL = {"Done", "Failed", "Aborted", "Deleted", "Killed"}
EXPECTED = {"busy", "backend", "unreachable", "terraform"}  # what a verb may say where something is broken
VERBS = (("submit", 6), ("reap", 3), ("poll", 3), ("kill", 2), ("status", 1), ("drain", 1), ("open", 3))


class Trial:
    """One queue, three hosts, and what must hold."""

    def __init__(
        self, hosts: Hosts, cloud: Mortal, backend: Mortal, seed: int, seconds: float, pace: float
    ) -> None:
        self.hosts, self.cloud, self.backend, self.pace = hosts, cloud, backend, pace
        self.seed, self.deadline = seed, time.monotonic() + seconds
        self.dice = random.Random(seed)
        self.broken: list[str] = []
        self.did: Counter[str] = Counter()
        self.known: set[str] = set()  # references that were told
        self.dismissed: set[str] = set()  # VMs that may go: they ended, or somebody named them
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.strangers = {hosts[0].stranger({"Name": "tfce-0000000A", "tfce:key": "0000000A", "tfce:ce": "other"})}
        self.lock = threading.RLock()

    def goes_on(self) -> bool:
        """Until the time is up; on a machine with much else to do, until a few pilots have started."""
        late = time.monotonic() - self.deadline
        return late < 0 or (len(self.known) < FEW and late < PATIENCE)

    # -- what hosts do ---------------------------------------------------------------------------------------

    def guarded(self, work: Callable[[], None]) -> None:
        """Work that breaks and ends the trial where it breaks itself."""
        try:
            work()
        except Exception:
            self.broken.append(traceback.format_exc())
            self.deadline = -PATIENCE

    def work(self, host: Host) -> None:
        """One verb after the other until the time is up."""
        dice = random.Random(f"{self.seed} {host.letter}")
        names, weights = zip(*VERBS, strict=True)
        while self.goes_on():
            verb = dice.choices(names, weights)[0]
            words = self._words(verb, dice)
            with self.lock:
                process = self.running[host.letter] = host.begin(verb, *words)
            try:
                answer = ended(process)
            except AssertionError as error:
                if process.returncode != -signal.SIGKILL:
                    self.broken.append(f"{host.letter} {verb}: {error}")
                continue
            self._heard(host, verb, answer)

    def _words(self, verb: str, dice: random.Random) -> list[str]:
        with self.lock:
            known = sorted(self.known)
        if verb == "submit":
            return [str(dice.randint(1, 3))]
        if verb == "poll":
            return known
        if verb == "kill" and known:
            named = dice.choice(known)
            self.dismissed.add(named)
            return [named]
        return []

    def _heard(self, host: Host, verb: str, answer: dict[str, Any]) -> None:
        kind = answer.get("error", "said")
        self.did[f"{verb} {kind}"] += 1
        if kind != "said" and kind not in EXPECTED:
            self.broken.append(f"{host.letter} {verb}: {answer}")
        elif kind == "said" and verb == "submit":
            with self.lock:
                self.known |= set(answer["said"]["stamps"])
        elif kind == "said" and verb == "poll":
            living = {f"cloud://{node}" for node in self.hosts.living()}
            false = {ref for ref, word in answer["said"].items() if word in FINAL and ref in living}
            if false - self.dismissed:  # one that somebody named ends a moment later
                self.broken.append(f"{host.letter}: {false} live, and are said to be over")

    # -- what breaks -----------------------------------------------------------------------------------------

    def harm(self) -> None:
        """Break one thing after the other until the time is up."""
        while self.goes_on():
            name = self.dice.choice(sorted(HARMS))
            self.did[f"-- {name}"] += 1
            HARMS[name](self)
            time.sleep(self.dice.uniform(0.2, 2.5) * self.pace)

    def victim(self) -> Host:
        """Whom it hits."""
        return self.dice.choice(self.hosts.all)

    def each(self, hosts: Sequence[Host], number: int) -> list[subprocess.Popen[str]]:
        """A signal for all that runs on some hosts."""
        with self.lock:
            hit = [process for host in hosts if (process := self.running.get(host.letter)) is not None]
            hit = [process for process in hit if process.poll() is None]
            for process in hit:
                strike(process, number)
        return hit

    def leap(self, asleep: Host | None = None) -> None:
        """A lease's time passes for everybody. What was asked of the cloud has got there, or never will; so has
        what was asked of a backend where locks are broken by time, but by a host that is ``asleep``."""
        try:
            with self.lock:  # no verb begins: hosts that wait for a dead one's lock are never quiet together
                until(lambda: not self._busy(asleep), "the end of the requests", pause=0.005)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._busy(asleep)}") from None
        for host in self.hosts.all:
            host.pass_lease()

    def _busy(self, asleep: Host | None) -> list[str]:
        """Which hosts wait for an answer, and of whom."""
        writers = [] if self.hosts.backend.name == "pg" else [host for host in self.hosts.all if host != asleep]
        cloud = [f"{host.letter} cloud" for host in self.hosts.all if host.proxy.busy]
        return cloud + [f"{host.letter} backend" for host in writers if host.wire and host.wire.busy]

    # -- what must hold --------------------------------------------------------------------------------------

    def watch(self, stop: threading.Event) -> None:
        """Ask the cloud, again and again."""
        before: set[str] = set()
        while not stop.wait(0.3):
            found = vms_of(self.hosts.cloud)
            mine = {node: tags for node, (_, tags) in found.items() if tags.get("tfce:ce") == self.hosts.ce}
            keys = Counter(tags["tfce:key"] for tags in mine.values())
            running = sorted(node for node in mine if found[node][0] in ("pending", "running"))
            if len(running) > LIMIT:
                self.broken.append(f"{running} at MaxTotalJobs = {LIMIT}")
            if max(keys.values(), default=0) > 1:
                self.broken.append(f"two VMs of one key: {keys}")
            if gone := {f"cloud://{node}" for node in before - set(mine)} - self.dismissed:
                self.broken.append(f"{gone} ran, and nobody had dismissed them")
            if not self.strangers <= set(found):
                self.broken.append("a stranger's VM is gone")
            before = set(mine)

    def settle(self) -> None:
        """Everything is whole again: each host goes through its cycles, then on a right clock. A pilot that starts
        brings the births to the state that a wrong clock had put into the future."""
        for host in self.hosts.all:
            host.apart()
        self.leap()
        for host in self.hosts.all:
            host.insist("reap")
        for host in self.hosts.all:
            host.clock(0, 0)
            host.insist("reap")
        self.hosts[0].insist("open")
        self._start_one()
        self.broken += self.hosts.wrong()
        answers = [host.do("poll", *sorted(self.known)) for host in self.hosts.all]
        if any(answer != answers[0] for answer in answers):
            self.broken.append(f"hosts answer differently: {answers}")

    def _start_one(self) -> None:
        """A pilot, after one was killed where there is no room."""
        first = self.hosts[0]
        if len(living := sorted(self.hosts.living())) >= LIMIT:
            self.dismissed.add(f"cloud://{living[0]}")
            first.insist("kill", f"cloud://{living[0]}")
        started = first.insist("submit", 1)["stamps"]
        self.known |= set(started)
        if not started:
            self.broken.append("no pilot starts where all is whole")

    def run(self) -> None:
        """The whole trial."""
        stop = threading.Event()
        watcher = threading.Thread(target=self.guarded, args=(lambda: self.watch(stop),))
        workers = [
            threading.Thread(target=self.guarded, args=(partial(self.work, host),)) for host in self.hosts.all
        ]
        for thread in (watcher, *workers):
            thread.start()
        self.guarded(self.harm)
        for thread in workers:
            thread.join()
        self.guarded(self.settle)
        stop.set()
        watcher.join()


def main() -> int:
    """Run one trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of a trial before; random unless given")
    parser.add_argument("--backend", choices=KINDS)
    options = parser.parse_args()
    seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    kind = options.backend or random.Random(seed).choice(KINDS)
    print(f"seed {seed}, {options.seconds:.0f} s on {kind}", flush=True)
    with ExitStack() as stack:
        cloud = stack.enter_context(KeptMoto())
        place, server = mortal(kind, stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfce-trial-")))
        wanted: dict[str, Any] = {"MaxTotalJobs": str(LIMIT), "Workspace_LockTimeout": "2"}
        whom, why = users.some(3)
        print(f"all hosts are one user: {why}" if why else "each host is a user of its own", flush=True)
        hosts = stack.enter_context(Hosts(folder, cloud, place, "abc", users=whom, **wanted))
        for host, wrong in zip(hosts.all, (-HALF_AN_HOUR, HALF_AN_HOUR, 0), strict=True):
            host.clock(wrong, 0)
        hosts[0].insist("status")  # a database's schema is there
        begun = time.monotonic()
        hosts[0].insist("status")
        trial = Trial(hosts, cloud, server, seed, options.seconds, pace=max(1.0, time.monotonic() - begun))
        trial.run()
    for what, number in sorted(trial.did.items()):
        print(f"{number:5} {what}")
    for fault in dict.fromkeys(trial.broken):
        print(fault, file=sys.stderr)
    done = f"{sum(trial.did.values())} steps, {len(trial.known)} pilots, {len(trial.broken)} laws broken"
    print(f"{done}; seed {seed} on {kind}")
    return 1 if trial.broken or not trial.known else 0


if __name__ == "__main__":
    sys.exit(main())
