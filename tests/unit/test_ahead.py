"""Look-ups that are under way before somebody asks."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.fakes import FakeCloud, Sky
from tfce.cloud.api import Cloud
from tfce.model.errors import CloudError
from tfce.provider.prefetch import FRESH, Ahead


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
    ahead, image = Ahead(), Asked("one", "two")
    ahead.begin(cloud.clone)  # nobody asked for anything yet
    assert ahead.answer("image", image, cloud) == "one" and cloud.calls == {"GET /images": 1}
    image.began.clear()
    ahead.begin(cloud.clone)
    assert image.began.wait(20)
    assert ahead.answer("image", image, cloud) == "two" and cloud.calls == {"GET /images": 1}
    assert ahead.spent() == Counter({"GET /images": 1}) and not ahead.spent()


def test_an_error_is_asked_for_once_more(cloud: FakeCloud) -> None:
    ahead, image = Ahead(), Asked("one", CloudError("lost"), "three", CloudError("lost"), CloudError("gone"))
    for _ in range(2):
        answer = ahead.answer("image", image, cloud)
        ahead.begin(cloud.clone)
    assert answer == "three"
    with pytest.raises(CloudError, match="gone"):
        ahead.answer("image", image, cloud)


def test_an_answer_of_long_ago_is_none(cloud: FakeCloud) -> None:
    now = [0.0]
    ahead, image = Ahead(lambda: now[0]), Asked("one", "two", "three")
    ahead.answer("image", image, cloud)
    ahead.begin(cloud.clone)
    now[0] = FRESH
    assert ahead.answer("image", image, cloud) == "three"


def test_what_nobody_took_is_not_looked_up_again(cloud: FakeCloud) -> None:
    ahead, image = Ahead(), Asked("one", "two", "three")
    ahead.answer("image", image, cloud)
    image.began.clear()
    ahead.begin(cloud.clone)  # a submission that comes to no apply
    assert image.began.wait(20)
    ahead.begin(cloud.clone)
    assert ahead.answer("image", image, cloud) == "two" and image.answers == ["three"]
