"""How many jobs wait, and how many of them a queue's pilots may take: asked of DIRAC, where it is at hand."""

from __future__ import annotations

import logging
from typing import Any

import DIRAC
from DIRAC.ConfigurationSystem.Client.Helpers.Resources import getQueues
from DIRAC.WorkloadManagementSystem.Client.MatcherClient import MatcherClient
from DIRAC.WorkloadManagementSystem.Utilities.QueueUtilities import getQueuesResolved

from tfce.model.why import Demand
from tfce.Resources.answers import Answer, value

log = logging.getLogger("tfce")


def demand(ce: str, queue: str, matcher: Any = None) -> Demand | None:
    """What the Matcher says of this queue; None where DIRAC is not configured on this host, does not answer, or
    does not know the queue. ``matcher``: its client."""
    try:
        if matcher is None:
            DIRAC.initialize(log_level="FATAL")
            matcher = MatcherClient(timeout=20)
        description = _described(ce, queue)
        if description is None:
            return None
        return Demand(_jobs(matcher.getActiveTaskQueues()), _jobs(matcher.getMatchingTaskQueues(description)))
    except (Exception, SystemExit) as error:  # DIRAC ends the process where it finds no configuration
        log.debug("DIRAC does not tell of its jobs: %s", error)
        return None


def _described(ce: str, queue: str) -> dict[str, Any] | None:
    """The queue as SiteDirector describes it to the Matcher."""
    queues = value(getQueues(ceList=[ce]), "the queues cannot be read")
    resolved = value(getQueuesResolved(queues, {}), "the queues cannot be resolved")
    found = resolved.get(f"{ce}_{queue}")
    return {"Platform": "ANY", **found["ParametersDict"]} if found else None


def _jobs(answer: Answer[dict[str, dict[str, Any]]]) -> int:
    return sum(int(one.get("Jobs", 0)) for one in value(answer, "the Matcher does not tell").values())
