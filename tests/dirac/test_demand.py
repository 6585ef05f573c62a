"""What `tfce why` hears of jobs: the Matcher is told DIRAC's own description of a queue; none breaks."""

from __future__ import annotations

from typing import Any

import pytest
from DIRAC import S_ERROR, S_OK
from DIRAC.ConfigurationSystem.Client.ConfigurationData import gConfigurationData

from tfce.model.why import Demand
from tfce.Resources.demand import demand

CE = "demand.example.org"
BASE = f"/Resources/Sites/CLOUD/CLOUD.Demand.org/CEs/{CE}"


class Matcher:
    """Stands for the service's client."""

    def __init__(self, answer: Any = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answer = answer

    def getActiveTaskQueues(self) -> Any:  # noqa: N802  DIRAC's name
        return self._answer or S_OK({1: {"Jobs": 5}, 2: {"Jobs": 4}})

    def getMatchingTaskQueues(self, description: dict[str, Any]) -> Any:  # noqa: N802
        self.asked.append(description)
        return S_OK({2: {"Jobs": 4}})


@pytest.fixture(autouse=True)
def site() -> None:
    options = {"CEType": "Terraform", "Tag": "Cloud", "Queues/long/CPUTime": "86400", "Queues/long/Tag": "Big"}
    for name, value in options.items():
        gConfigurationData.setOptionInCFG(f"{BASE}/{name}", value)


def test_the_matcher_is_asked_for_the_queue_as_site_director_describes_it() -> None:
    matcher = Matcher()
    assert demand(CE, "long", matcher) == Demand(waiting=9, matching=4)
    (asked,) = matcher.asked
    assert (asked["Site"], asked["GridCE"], asked["Platform"]) == ("CLOUD.Demand.org", CE, "ANY")
    assert set(asked["Tag"]) == {"Cloud", "Big"} and int(asked["CPUTime"]) == 86400


def test_a_queue_that_dirac_does_not_know_or_a_service_that_fails_says_nothing() -> None:
    assert demand(CE, "other", Matcher()) is None
    assert demand("elsewhere.example.org", "long", Matcher()) is None
    assert demand(CE, "long", Matcher(S_ERROR("no such service"))) is None
