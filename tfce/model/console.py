"""What a VM's console says of its pilot: lines that our start-up scripts print. Pure: standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STAGE = re.compile(r"\btfce: stage=([\w.-]{1,40}) status=([\w.-]{1,40}) code=(-?\d{1,5})\b")
_STARTS = re.compile(r"\btfce: pilot \S{1,40} starts\b")
_ENDED = re.compile(r"\btfce: pilot \S{1,40} ended, exit code (\d{1,3})\b")
_NEVER = re.compile(
    r"cloud-init\S*[^\n]{0,200}\b(?:Failed|FAILED|ERROR|CRITICAL)\b|\btfce: [^\n]{0,200}: no pilot\b"
)
# A line of DIRAC's JobAgent: it has got a job.
_JOB = re.compile(r"\bJobAgent\b[^\n]{0,80}\bReceived\b[^\n]{0,20}\bJobID=\d+")
_WIDTH = 200


@dataclass(frozen=True)
class Markers:
    """``stage``, ``status`` and ``code``: the last stage that was told of; ``exit_code``: the pilot wrapper's, ""
    while none ended; ``starts``: the wrapper was started; ``job``: a job ran; ``trouble``: the start-up itself
    failed; ``last``: the last line that says anything."""

    stage: str = ""
    status: str = ""
    code: str = ""
    exit_code: str = ""
    starts: bool = False
    job: bool = False
    trouble: bool = False
    last: str = ""


def read(text: str) -> Markers:
    """The markers in a console."""
    stages, ended = _STAGE.findall(text), _ENDED.findall(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    stage, status, code = stages[-1] if stages else ("", "", "")
    return Markers(
        stage=stage,
        status=status,
        code=code,
        exit_code=ended[-1] if ended else "",
        starts=bool(ended or _STARTS.search(text)),
        job=_JOB.search(text) is not None,
        trouble=_NEVER.search(text) is not None,
        last=lines[-1][:_WIDTH] if lines else "",
    )
