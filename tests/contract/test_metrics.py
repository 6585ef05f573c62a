"""What the verbs ask, get and cost is measured, and outlives the process that measured it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.claims import every
from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tfce.model.drain import Drain
from tfce.model.errors import CloudError
from tfce.model.metrics import CATALOGUE, Meters
from tfce.pilots import exposition


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


def value(edge: FakeEdge, name: str, *labels: str) -> float | None:
    return edge.parts().workspace.meters.read().value(name, *labels)


def test_a_cycle_is_counted_across_processes(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("InsufficientInstanceCapacity: none left"), nth=2)
    first = edge.parts().fleet.submit(WRAPPER, 2)
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().fleet.count()
    edge.stop(first.references[0].removeprefix("cloud://"))
    edge.advance(3600)
    edge.parts().fleet.reap()
    assert value(edge, "tfce_pilots_asked_total", "t3.micro") == 3
    assert value(edge, "tfce_pilots_created_total", "t3.micro") == 2
    assert value(edge, "tfce_pilots_refused_total", "t3.micro", "capacity") == 1
    assert value(edge, "tfce_pilots_removed_total", "stopped") == 1
    assert value(edge, "tfce_operations_total", "submit") == 2
    assert value(edge, "tfce_pilots_wanted") == 1
    assert value(edge, "tfce_last_success_timestamp_seconds", "reap") == edge.now().timestamp()
    assert value(edge, "tfce_api_calls_total", "count", "DescribeInstances") == 1
    assert value(edge, "tfce_pilots", "healthy") == 1


def test_a_drain_is_a_gauge_that_is_kept(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    assert (value(edge, "tfce_drained"), value(edge, "tfce_protected")) == (0, 0)
    edge.parts().fleet.drain(Drain(edge.now()))
    assert value(edge, "tfce_drained") == 1


def test_allocations_costs_and_the_market_are_measured(edge: FakeEdge) -> None:
    options = {
        "Workspace_MaxHours": "100/month, 40 EUR/month ce",
        "Workspace_Price": "t3.micro=2, EUR",
        "Context_MaxLifetime": "3600",
        "Terraform_Spot": "yes",
    }
    edge.parts(**options).fleet.submit(WRAPPER, 2)
    edge.advance(1800)
    edge.parts(**options).fleet.reap()
    meters = edge.parts(**options).workspace.meters.read()
    values = {
        name: meters.value(f"tfce_allocation_{name}", "100 VM hours/month") for name in ("limit", "spent", "bound")
    }
    assert values == {"limit": 100, "spent": 1, "bound": pytest.approx(4 / 3)}
    assert meters.value("tfce_allocation_spent", "40 EUR/month ce") == 2
    assert meters.value("tfce_cost_month_to_date", "EUR") == 2 and meters.value("tfce_cost_per_hour", "EUR") == 4
    assert meters.value("tfce_pilots_asked_total", "t3.micro, spot") == 2
    edge.parts().fleet.reap()  # nothing is allotted or priced any more
    after = edge.parts().workspace.meters.read()
    assert not [name for name, _ in after.values if name.startswith(("tfce_allocation", "tfce_cost"))]


def test_what_fails_is_counted_by_its_kind_and_is_no_success(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.sky.down = "connection refused"
    for _ in range(2):
        with pytest.raises(CloudError):
            edge.parts().fleet.count()
    assert value(edge, "tfce_operation_errors_total", "count", "unreachable") == 2
    assert value(edge, "tfce_last_success_timestamp_seconds", "count") is None
    assert edge.parts().workspace.meters.read().errors["count"] == ("unreachable", "connection refused")
    edge.sky.down = ""
    edge.parts().fleet.count()
    assert edge.parts().workspace.meters.read().errors == {}


def test_the_textfile_has_all_queues_that_name_it_and_is_valid(edge: FakeEdge) -> None:
    file = edge.folder / "out" / "tfce.prom"
    file.parent.mkdir()
    for queue in ("long", "short"):
        edge.parts(queue, Workspace_Metrics=str(file)).fleet.submit(WRAPPER, 1)
    edge.parts("other", Workspace_Metrics="").fleet.submit(WRAPPER, 1)
    families = {one.name: one for one in text_string_to_metric_families(file.read_text())}
    asked = families["tfce_pilots_asked"].samples
    assert {one.labels["queue"] for one in asked} == {"long", "short"}
    assert every(set(one.labels) == {"ce", "queue", "cloud", "offering"} and one.value == 1 for one in asked)
    assert file.stat().st_mode & 0o777 == 0o644 and [one.name for one in file.parent.iterdir()] == ["tfce.prom"]


def test_a_textfile_that_cannot_be_written_stops_no_verb_and_is_said_once(
    edge: FakeEdge, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        parts = edge.parts(Workspace_Metrics=str(edge.folder / "none" / "tfce.prom"))
        assert len(parts.fleet.submit(WRAPPER, 1).references) == 1
    assert sum("no metrics are written: Workspace_Metrics" in one.message for one in caplog.records) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"values": [["tfce_pilots", [], 1], 7, ["x", [], 1]], "of": 3}'])
def test_a_damaged_file_starts_anew(edge: FakeEdge, text: str) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().workspace.meters.path.write_text(text)
    edge.parts().fleet.count()
    assert value(edge, "tfce_operations_total", "count") == 1
    assert value(edge, "tfce_operations_total", "submit") is None


def test_a_hostile_name_is_a_label_and_nothing_else() -> None:
    meters = Meters.from_json({"of": ["ce", 'q"} 1\ntfce_evil 7', "c"], "values": [["tfce_pilots_wanted", [], 3]]})
    families = {one.name: one for one in text_string_to_metric_families(exposition.text([meters]))}
    assert "tfce_evil" not in families
    assert families["tfce_pilots_wanted"].samples[0].labels["queue"] == 'q"} 1\ntfce_evil 7'


def test_names_follow_the_conventions() -> None:
    for one in CATALOGUE:
        assert one.name.startswith("tfce_") and (one.kind == "counter") == one.name.endswith("_total")
        assert one.help and not one.help.endswith(".")
