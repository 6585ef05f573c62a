"""Good answers in which anything may be odd: a verb ends with its result or with one clear line."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.hostile.grounds import Ground
from tests.e2e.hostile.test_hostile import GONE, clear, filled
from tests.rigs.hostile import Attack, scrambled
from tfce.cloud.api import Cloud, Requirements
from tfce.model.errors import TfceError
from tfce.pilots.fleet import Fleet

LISTS = {"ec2": "DescribeInstances", "openstack": "GET /servers/detail"}
QUESTIONS: list[Callable[[Fleet, Cloud], Any]] = [
    lambda fleet, cloud: fleet.count(),
    lambda fleet, cloud: [one.state for one in fleet.status()],
    lambda fleet, cloud: fleet.audit(),
    lambda fleet, cloud: fleet.reap(dry_run=True),
    lambda fleet, cloud: cloud.vms(fleet.workspace.owner()),
    lambda fleet, cloud: cloud.preflight(Requirements.of(fleet.queue)),
]


@pytest.mark.parametrize("ground", list(LISTS), indirect=True)
def test_any_answer_is_a_result_or_one_clear_line(ground: Ground) -> None:
    filled(ground)
    parts = ground.site.parts()
    parts.fleet.status()  # good answers are recorded
    parts.cloud.preflight(Requirements.of(parts.fleet.queue))
    known = [f"cloud://{vm_id}" for vm_id in ground.living()]
    tried = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        action=st.sampled_from(sorted(ground.proxy.before)),
        seed=st.integers(0, 2**32),
        ask=st.sampled_from(QUESTIONS),
    )
    def told(action: str, seed: int, ask: Callable[[Fleet, Cloud], Any]) -> None:
        ground.proxy.attack = Attack(action, "random", seed=str(seed))
        try:
            asked = ground.site.parts()
            tried.append(ask(asked.fleet, asked.cloud))
            assert not GONE & set(asked.fleet.poll(known).values())
        except TfceError as error:
            clear(error.message)
        finally:
            ground.proxy.attack = None

    told()
    assert len(tried) > 50


@given(st.integers(0, 2**32))
def test_a_seed_spoils_the_same_again(seed: int) -> None:
    body = b'{"servers": [{"id": "a", "metadata": {"x": "y"}}, {"id": "b"}], "links": [1, 2, 3]}'
    assert scrambled(body, Random(seed)) == scrambled(body, Random(seed))
