"""Comparing roster, Terraform state and cloud: recovery after a crash, audit, repair."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from tfce.model import verdict
from tfce.model.errors import TerraformError
from tfce.model.pilot import Pilot
from tfce.model.verdict import Row
from tfce.model.vm import VM, State, by_key, pilot_key
from tfce.pilots.ground import Ground, strays

log = logging.getLogger("tfce")


def recover(ground: Ground, nodes: list[VM] | None = None, unknown: Collection[str] = ()) -> list[str]:
    """Finish what an earlier process began and could not settle; the keys that were taken back in.

    Costs nothing when every cycle before was settled. ``nodes``: what the cloud lists, if it was asked after
    ``instances`` had waited for whatever is still at work.
    """
    if not ground.workspace.intent() and not unknown:
        return []
    log.warning("an earlier cycle did not settle: comparing roster, state and cloud")
    # hazard: this waits for a Terraform or provider that is still at work; a list from before would miss its VMs
    state = ground.terraform.instances()
    mine = ground.told_apart(ground.mine() if nodes is None else nodes)
    found = ground.one_each([node for node in mine if node.state is not State.DELETED])
    dismissed, roster = ground.workspace.ledger(), ground.workspace.roster()
    new = [
        Pilot(key, (node.created or ground.clock()).replace(microsecond=0), "recovered")
        for key, node in found.items()
        if key not in roster and node.id not in dismissed
    ]
    never = [key for key in roster.pilots if key not in found and key not in state]
    roster = roster.including(new).without(never)
    ground.workspace.save_roster(roster)
    ground.terraform.untaint([k for k, instance in state.items() if instance.tainted and k in roster])
    ground.terraform.adopt({k: n.id for k, n in found.items() if k in roster and k not in state})
    ground.terraform.forget([key for key in state if key not in roster])
    ground.workspace.forget_contexts()
    ground.workspace.record("recovered", adopted=[p.key for p in new], never_created=never)
    ground.workspace.settled()
    return [pilot.key for pilot in new]


def audit(ground: Ground, known: Iterable[str] | None = None) -> list[Row]:
    """The roster, the Terraform state and the cloud side by side; with ``known``, the references that
    DIRAC has, a fourth column to the verdict."""
    roster, state = ground.workspace.roster(), ground.terraform.instances()
    mine = ground.mine()
    nodes = by_key(mine)
    keys = sorted(
        {*roster.pilots, *state, *(key for key, node in nodes.items() if node.state is not State.DELETED)}
    )
    rows = [
        verdict.audit_row(
            key,
            roster=key in roster,
            state_id=state[key].id if key in state else None,
            node=nodes.get(key),
        )
        for key in keys
    ]
    rows += _doubles(mine, nodes)
    return rows if known is None else verdict.against(rows, known, ground.workspace.last_states())


def repair(ground: Ground) -> list[str]:
    """Rebuild a damaged roster or state from the other and the cloud; lines that say what was done."""
    with ground.workspace.locked():
        done = ground.workspace.put_aside_damaged()
        ground.workspace.prepare()
        ground.terraform.prepare()
        ground.workspace.render()
        try:
            ground.terraform.instances()
        except TerraformError:  # it is damaged; one that is only busy is left alone
            done.append("put the damaged Terraform state aside")
            ground.workspace.put_aside_state()
        nodes = ground.mine()
        unknown = strays(nodes, ground.workspace.roster(), ground.workspace.ledger())
        ground.workspace.begin("repair", unknown)
        adopted = recover(ground, nodes, unknown)
    return done + [f"took pilot {key} back into the roster" for key in adopted]


def _doubles(nodes: Iterable[VM], chosen: Mapping[str, VM]) -> list[Row]:
    return [
        Row(
            key,
            node.reference,
            False,
            False,
            node.raw_state,
            "duplicate",
            "tfce kill CE/QUEUE " + node.reference,
        )
        for node in nodes
        if (key := pilot_key(node)) and node.state is not State.DELETED and chosen[key].id != node.id
    ]
