"""Jobs that several workers share out among themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

Worker = TypeVar("Worker")
Job = TypeVar("Job")


def share_out(workers: Sequence[Worker], jobs: Iterable[Job], do: Callable[[Worker, Job], bool]) -> list[Job]:
    """``do`` each job once, with whichever worker is free, each in a thread of its own. A worker for which ``do``
    is false takes no more; returned are the jobs that nobody took. What ``do`` raises is raised at the end."""
    waiting: SimpleQueue[Job] = SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def work(worker: Worker) -> None:
        with suppress(Empty):
            while do(worker, waiting.get_nowait()):
                pass

    with ThreadPoolExecutor(max(len(workers), 1)) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result()
    return [waiting.get() for _ in range(waiting.qsize())]
