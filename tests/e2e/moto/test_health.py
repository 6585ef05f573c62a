"""A queue whose pilots do no work, on a real API: it protects itself, and says what they had in common."""

from __future__ import annotations

import json

from tests.site import WRAPPER, Site


def test_a_queue_whose_pilots_end_young_is_protected_and_why_says_it_first(together: Site) -> None:
    site, wrapper = together, WRAPPER.encode()
    site.configure(Workspace_ProtectAfter="2")
    parts = site.parts()
    for reference in parts.fleet.submit(wrapper, 2).references:
        site.do("StopInstances", reference)
    parts.fleet.reap()
    hold = parts.fleet.held()
    assert hold is not None and hold.kind.value == "protected" and hold.most == 0
    assert "2 pilots in a row fizzled" in hold.text
    assert "all had image ami-" in hold.text and "flavor t3.micro" in hold.text
    first, *_ = parts.fleet.why()
    assert (first.subject.value, str(first)) == ("held", str(hold))
    submission = parts.fleet.submit(wrapper, 5)
    assert submission.references == [] and submission.limited == str(hold)
    health = json.loads((parts.workspace.private / "record.json").read_text())["health"]
    assert [end["verdict"] for end in health["row"]] == ["fizzled", "fizzled"]
