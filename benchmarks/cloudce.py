"""DIRAC's CloudComputingElement, driven by lines of JSON: one request a line in, one answer a line out.

Run with the Python of an environment that has DIRAC (tests/rigs/dirac.py). The first line is the CE's parameters.
"""

from __future__ import annotations

import json
import sys
import time

from DIRAC.Resources.Computing.CloudComputingElement import CloudComputingElement


def main() -> None:
    """Serve until the input ends."""
    element = CloudComputingElement("cloud")
    element.ceParameters.update(json.loads(sys.stdin.readline()))
    wrapper = element.ceParameters["wrapper"]
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
        answer = {"seconds": time.monotonic() - start, "ok": result["OK"], "value": result.get("Value")}
        print(json.dumps(answer), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()
