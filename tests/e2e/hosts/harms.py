"""What breaks in a trial. The cloud and the backend keep on disk what they did, so both are killed at any moment,
also between what they were asked to do and their answer, and come back."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tests.e2e.hosts.backends import Fated, Mortal
from tests.e2e.hosts.site import Host, strike
from tests.rigs.fate import UNANSWERED, UNDONE, Moment
from tests.rigs.proxy import ALWAYS, Fault

if TYPE_CHECKING:
    from tests.e2e.hosts.trial import Trial

HALF_AN_HOUR = 1800


def _end(trial: Trial) -> None:
    living = sorted(trial.hosts.living())
    if living:
        node = trial.dice.choice(living)
        trial.dismissed.add(f"cloud://{node}")
        trial.hosts.stop(node)


def _kill(trial: Trial) -> None:
    trial.each([trial.victim()], signal.SIGKILL)


def _kill_all(trial: Trial) -> None:
    trial.each(trial.hosts.all, signal.SIGKILL)
    trial.leap()


def _pause(trial: Trial) -> None:
    host = trial.victim()
    hit = trial.each([host], signal.SIGSTOP)
    _while(trial, 0, 3)  # others see what it holds
    trial.leap(asleep=host)
    _while(trial, 1, 5)
    for process in hit:
        if process.poll() is None:
            strike(process, signal.SIGCONT)


def _disk(trial: Trial) -> None:
    """All that the host had written is gone; options and logins are put there again."""
    host = trial.victim()
    with trial.lock:
        for process in trial.each([host], signal.SIGKILL):
            process.wait()
        shutil.rmtree(host.folder / "root", ignore_errors=True)
    trial.leap()


def _clock(trial: Trial) -> None:
    host = trial.victim()
    host.clock(trial.dice.uniform(-HALF_AN_HOUR, HALF_AN_HOUR), host.passed)


def _kill_server(which: Callable[[Trial], Mortal], trial: Trial) -> None:
    server = which(trial)
    server.kill()
    _while(trial, 0, 2)
    server.start()


def _pause_server(which: Callable[[Trial], Mortal], trial: Trial) -> None:
    server = which(trial)
    server.strike(signal.SIGSTOP)
    _while(trial, 0.5, 4)
    server.strike(signal.SIGCONT)


def _doom_server(which: Callable[[Trial], Mortal], moment: Moment, trial: Trial) -> None:
    """It dies at that moment of what it is asked next, if it is asked to change something; else so."""
    server = which(trial)
    if isinstance(server, Fated):
        server.doom(moment)
        _while(trial, 1, 5)
    _kill_server(which, trial)


def _cloud(trial: Trial) -> Mortal:
    return trial.cloud


def _backend(trial: Trial) -> Mortal:
    return trial.backend


def _kill_everything(trial: Trial) -> None:
    """As when a computing centre loses its power."""
    trial.each(trial.hosts.all, signal.SIGKILL)
    for server in (trial.cloud, trial.backend):
        server.kill()
    for server in (trial.cloud, trial.backend):
        server.start()
    trial.leap()


def _kill_api(trial: Trial) -> None:
    for host in trial.hosts.all:
        host.proxy.refuse()
    _while(trial, 0, 3)
    for host in trial.hosts.all:
        host.proxy.listen()


def _lose_answers(trial: Trial) -> None:
    host = trial.victim()
    host.proxy.add(Fault("*", "lose", times=ALWAYS))
    _while(trial, 1, 4)
    host.proxy.clear()


def _no_backend(trial: Trial) -> None:
    with _cut_off(trial.victim(), backend=True):
        _while(trial, 1, 4)


def _no_cloud(trial: Trial) -> None:
    with _cut_off(trial.victim(), cloud=True):
        _while(trial, 1, 4)


def _alone(trial: Trial) -> None:
    with _cut_off(trial.victim(), backend=True, cloud=True):
        _while(trial, 1, 4)


@contextmanager
def _cut_off(host: Host, **what: bool) -> Iterator[None]:
    host.apart(**what)
    yield
    host.apart()


def _while(trial: Trial, least: float, most: float) -> None:
    """It lasts so many seconds."""
    time.sleep(trial.dice.uniform(least, most))


def _leap(trial: Trial) -> None:
    trial.leap()


HARMS: dict[str, Callable[[Trial], None]] = {
    "a pilot ends": _end,
    "a second pilot ends": _end,
    "a host is killed": _kill,
    "all hosts are killed": _kill_all,
    "a host is paused beyond its lease": _pause,
    "a host loses its disk": _disk,
    "a host's clock is set": _clock,
    "everything is killed": _kill_everything,
    "the backend is killed": partial(_kill_server, _backend),
    "the backend is paused": partial(_pause_server, _backend),
    "the backend dies before it does it": partial(_doom_server, _backend, UNDONE),
    "the backend dies before it answers": partial(_doom_server, _backend, UNANSWERED),
    "the cloud is killed": partial(_kill_server, _cloud),
    "the cloud is paused": partial(_pause_server, _cloud),
    "the cloud dies before it does it": partial(_doom_server, _cloud, UNDONE),
    "the cloud dies before it answers": partial(_doom_server, _cloud, UNANSWERED),
    "the cloud's API is killed": _kill_api,
    "a host hears no answer of the cloud": _lose_answers,
    "a host loses the backend": _no_backend,
    "a host loses the cloud": _no_cloud,
    "a host loses both": _alone,
    "a lease's time passes": _leap,
}
