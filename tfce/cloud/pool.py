"""Shares jobs out to several workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from tfce.model import trace

Worker = TypeVar("Worker")
Job = TypeVar("Job")
Answer = TypeVar("Answer")

AT_ONCE = 20  # requests of one kind to one cloud, of one sweep


def run_pool(workers: Sequence[Worker], jobs: Iterable[Job], do: Callable[[Worker, Job], bool]) -> list[Job]:
    """``do`` each job once, with whichever worker is free, each in a thread of its own. ``jobs`` may come late. A
    worker for which ``do`` is false takes no more; returned are the jobs that nobody took. What ``do`` raises is
    raised at the end."""
    waiting: SimpleQueue[Job | _Over] = SimpleQueue()

    def work(worker: Worker) -> None:
        while not isinstance(job := waiting.get(), _Over):
            if not do(worker, job):
                return
        waiting.put(job)  # the others are to hear of it, too

    mine = (trace.current(),)
    with ThreadPoolExecutor(max(len(workers), 1), "tfce-cloud", trace.join, mine) as pool:
        at_work = [pool.submit(work, worker) for worker in workers]
        try:
            for one in jobs:
                waiting.put(one)
        finally:
            waiting.put(_Over())
        for done in at_work:
            done.result()
    left = [waiting.get() for _ in range(waiting.qsize())]
    return [job for job in left if not isinstance(job, _Over)]


class _Over:
    """What comes after the last job."""


def within(
    seconds: float, workers: Sequence[Worker], jobs: Sequence[Job], do: Callable[[Worker, Job], Answer]
) -> Iterator[tuple[Job, Answer]]:
    """Each job and what ``do`` answers, in the order in which the answers come, for so many ``seconds`` in all.
    The jobs begin at once, not when the first answer is wanted. What takes longer is left behind, in threads that
    hold nothing up and end with their request; so a worker must be nobody else's. What ``do`` raises is raised by
    the answers."""
    waiting, answers = _queue(jobs), SimpleQueue[tuple[Job, Answer] | BaseException]()
    until, mine = time.monotonic() + seconds, trace.current()

    def work(worker: Worker) -> None:
        trace.join(mine)
        with suppress(Empty):
            while time.monotonic() < until:
                job = waiting.get_nowait()
                try:
                    answers.put((job, do(worker, job)))
                except BaseException as error:  # whoever waits for the answers hears of it
                    answers.put(error)

    for worker in workers:
        threading.Thread(target=work, args=(worker,), name="tfce-within", daemon=True).start()
    return _answers(jobs, answers, until)


def _answers(
    jobs: Sequence[Job], answers: SimpleQueue[tuple[Job, Answer] | BaseException], until: float
) -> Iterator[tuple[Job, Answer]]:
    with suppress(Empty):
        for _ in jobs:
            answer = answers.get(timeout=max(until - time.monotonic(), 0))
            if isinstance(answer, BaseException):
                raise answer
            yield answer


def _queue(jobs: Iterable[Job]) -> SimpleQueue[Job]:
    queue: SimpleQueue[Job] = SimpleQueue()
    for job in jobs:
        queue.put(job)
    return queue
