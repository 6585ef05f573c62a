"""A computing element, DIRAC's or ours, driven by lines of JSON: one request a line in, one answer a line out.

Run with the Python of an environment that has DIRAC (tests/rigs/dirac.py); the argument is the CE's name. The
first line is the CE's parameters, CEType among them.
"""

from __future__ import annotations

import json
import sys
import time

from DIRAC.Resources.Computing.ComputingElementFactory import ComputingElementFactory


def main() -> None:
    """Serve until the input ends."""
    parameters = json.loads(sys.stdin.readline())
    wrapper = parameters.pop("wrapper")
    made = ComputingElementFactory().getCE(parameters["CEType"], sys.argv[1], parameters)
    if not made["OK"]:
        sys.exit(made["Message"])
    element = made["Value"]
    verbs = {
        "login": lambda _: element.getCEStatus(),
        "submit": lambda count: element.submitJob(wrapper, None, count),
        "poll": element.getJobStatus,
        "reap": lambda _: element.cleanupPilots(),
    }
    for line in sys.stdin:
        verb, value = json.loads(line)
        start = time.monotonic()
        result = verbs[verb](value)
        seconds = time.monotonic() - start
        answer = {
            "seconds": seconds,
            "ok": result["OK"],
            "value": result.get("Value"),
            "why": result.get("Message"),
        }
        print(json.dumps(answer), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()
