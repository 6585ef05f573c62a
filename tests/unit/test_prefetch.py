"""Look-ups that are under way before somebody asks."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.fakes import FakeCloud, Sky
from tfce.cloud.api import Cloud
from tfce.model.errors import CloudError
from tfce.provider.prefetch import FRESH, Prefetch


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
