"""Look-ups that are under way before somebody asks."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from tf.iface import ReadDataContext
from tf.utils import Diagnostics

from tests.fakes import FakeCloud, Sky
from tfce.cloud.api import Cloud
from tfce.model.errors import CloudError
from tfce.model.reasons import Kind
from tfce.provider.data_sources import Flavor, Network, SecurityGroup
from tfce.provider.prefetch import FRESH, Prefetch
from tfce.provider.resources import TfceProvider
from tfce.provider.run import Run


class Asked:
    """A look-up that counts how often it was asked for."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.began = list(answers), threading.Event()

    def __call__(self, cloud: Cloud) -> str:
        cloud.calls["GET /images"] += 1
        self.began.set()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(Sky())


def test_what_the_last_run_asked_for_is_under_way_when_the_next_one_asks(cloud: FakeCloud) -> None:
    prefetch, image = Prefetch(), Asked("one", "two")
    prefetch.begin(cloud.clone)  # nobody asked for anything yet
    assert prefetch.answer("image", image, cloud) == "one" and cloud.calls == {"GET /images": 1}
    image.began.clear()
    prefetch.begin(cloud.clone)
    assert image.began.wait(20)
    assert prefetch.answer("image", image, cloud) == "two" and cloud.calls == {"GET /images": 1}
    assert prefetch.spent() == Counter({"GET /images": 1}) and not prefetch.spent()


def test_an_error_is_asked_for_once_more(cloud: FakeCloud) -> None:
    prefetch, image = Prefetch(), Asked("one", CloudError("lost"), "three", CloudError("lost"), CloudError("gone"))
    for _ in range(2):
        answer = prefetch.answer("image", image, cloud)
        prefetch.begin(cloud.clone)
    assert answer == "three"
    with pytest.raises(CloudError, match="gone"):
        prefetch.answer("image", image, cloud)


def test_an_answer_of_long_ago_is_none(cloud: FakeCloud) -> None:
    now = [0.0]
    prefetch, image = Prefetch(lambda: now[0]), Asked("one", "two", "three")
    prefetch.answer("image", image, cloud)
    prefetch.begin(cloud.clone)
    now[0] = FRESH
    assert prefetch.answer("image", image, cloud) == "three"


def test_what_nobody_took_is_not_looked_up_again(cloud: FakeCloud) -> None:
    prefetch, image = Prefetch(), Asked("one", "two", "three")
    prefetch.answer("image", image, cloud)
    image.began.clear()
    prefetch.begin(cloud.clone)  # a submission that comes to no apply
    assert image.began.wait(20)
    prefetch.begin(cloud.clone)
    assert prefetch.answer("image", image, cloud) == "two" and image.answers == ["three"]


class Busy(FakeCloud):
    """Finds nothing for a reason of this kind."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(Sky())
        self.kind = kind

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        raise CloudError("busy", self.kind)

    def clone(self) -> Busy:
        return Busy(self.kind)


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.UNREACHABLE, Kind.AUTHENTICATION, Kind.UNCLASSIFIED])
@pytest.mark.parametrize("source", [Flavor, Network, SecurityGroup])
def test_a_look_up_that_fails_says_why_as_every_call_does(source: Any, kind: Kind) -> None:
    """Else the option would be blamed for a cloud that is busy."""
    run = Run(lambda block: lambda: Busy(kind))
    provider = TfceProvider(run)
    provider.configure_provider(Diagnostics(), {})
    asked = ReadDataContext(Diagnostics(), source.get_name())
    assert source(provider).read(asked, {"name": "debian", "owners": None}) is None
    assert (run.cause and run.cause.kind) is (None if kind is Kind.UNCLASSIFIED else kind)
