"""The approvals of a reviewed queue: what was approved last, what waits, and which options count for its pilots.

The last approval is kept in the queue's private folder, with copies of the template and module that it names by
digest: so every verb knows it without asking anybody, and a repository that is gone holds up nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.model.hold import Hold, HoldKind
from tfce.model.review import Approval, Difference, ReviewStatus
from tfce.review import boundary, shape
from tfce.review.boundary import CheckedShape
from tfce.review.shape import Pinned
from tfce.review.source import MergedShape, merged
from tfce.store import files
from tfce.store.review_copies import SHAPE
from tfce.store.workspace import Workspace
from tfce.terraform.modules import module_for
from tfce.userdata import fixed

_KEPT = "approved.json"
_UNSEEN = "nobody has looked there yet, the next submission does"


def refresh(workspace: Workspace, now: datetime) -> ReviewStatus | None:
    """Look at what was merged, if that is due; then ``resume``. Never raises for what it finds there."""
    options = workspace.asked.review
    if options.shape and options.approved is not None:
        workspace.make_folders()
        (known, _), found, trouble = _kept(workspace), None, ""
        try:
            mirrors = files.private_folder(workspace.root / "review")
            found, trouble = merged(
                options.approved, workspace.review_copies.shape_folder, mirrors, options.age, now, known
            )
            if found.texts:
                boundary.checked(found.texts, workspace.asked)
        except TfceError as error:
            found, trouble = None, error.message
        _keep(workspace, found or known, trouble)
        _keep_copies(workspace, found or known)
    return resume(workspace)


def resume(workspace: Workspace) -> ReviewStatus | None:
    """Let the options that were approved last count in ``workspace``, asking nobody and writing nothing; None: it
    is not reviewed."""
    if not workspace.asked.review.shape:
        return None
    queue, status, module = _judged(workspace, *_kept(workspace))
    if status.hold is not None and not _looked(workspace):
        hold = replace(status.hold, text=f"{status.hold.text}, as far as is known: {_UNSEEN}")
        status = replace(status, hold=hold)
    workspace.take(queue, status, module)
    return status


def facts(workspace: Workspace) -> dict[str, str]:
    """What the journal has of the shape that pilots get: its digest, and who approved it."""
    if workspace.review_status and workspace.review_status.approval:
        return workspace.review_status.approval.to_json()
    return {"digest": boundary.digest(shape.texts(workspace.queue))}


def preview(workspace: Workspace, now: datetime) -> ReviewStatus:
    """The review's status as a fetch finds it now. Writes nothing into the workspace; raises ``TfceError``."""
    options = workspace.asked.review
    assert options.approved is not None
    with tempfile.TemporaryDirectory(prefix="tfce-") as mirrors:
        found, trouble = merged(
            options.approved, workspace.review_copies.shape_folder, Path(mirrors), 0, now, MergedShape({})
        )
    _, seen, _ = _judged(workspace, found, trouble)
    return seen


# -- what is kept ------------------------------------------------------------------------------------------


def _looked(workspace: Workspace) -> bool:
    return _same(workspace, files.believed_json(workspace.private / _KEPT))


def _same(workspace: Workspace, value: dict[str, Any]) -> bool:
    return bool(value.get("source") == str(workspace.asked.review.approved))


def _kept(workspace: Workspace) -> tuple[MergedShape, str]:
    """What was merged when somebody looked last, and why that may be out of date."""
    value = files.believed_json(workspace.private / _KEPT)
    texts, approval, trouble = value.get("texts"), value.get("approval"), str(value.get("trouble", ""))
    if (
        not _same(workspace, value)
        or not isinstance(texts, dict)
        or set(texts) != set(SHAPE)
        or not isinstance(approval, dict)
    ):
        return MergedShape({}), trouble
    return MergedShape(texts, Approval.from_json(approval), str(value.get("tip", ""))), trouble


def _keep(workspace: Workspace, found: MergedShape, trouble: str) -> None:
    value: dict[str, Any] = {"source": str(workspace.asked.review.approved), "trouble": trouble}
    if found.approval is not None:
        value |= {"texts": found.texts, "approval": found.approval.to_json(), "tip": found.tip}
    if files.believed_json(workspace.private / _KEPT) != value:
        files.write_json(workspace.private / _KEPT, value)


def _keep_copies(workspace: Workspace, found: MergedShape) -> None:
    """Keep the template and module that were approved, as long as they are to be had."""
    asked = workspace.asked
    try:
        wanted = boundary.checked(found.texts, asked) if found.texts else None
    except TfceError:
        return
    if wanted is None:
        return
    template, module = _template_copy(workspace, wanted.template), _module_copy(workspace, wanted.module)
    if not template.exists() and shape.template(asked).digest == wanted.template.digest:
        files.private_folder(template.parent)
        files.write(template, fixed.whole(asked.userdata.template))
    if not module.is_dir() and shape.module(asked).digest == wanted.module.digest:
        for folder in (module.parent, module):
            files.private_folder(folder)
        for name, text in shape.module_texts(module_for(asked).folder).items():
            files.write(module / name, text)


# -- how it stands -----------------------------------------------------------------------------------------


def _judged(workspace: Workspace, found: MergedShape, trouble: str) -> tuple[Queue, ReviewStatus, Path | None]:
    asked, label = workspace.asked, workspace.asked.label
    if found.approval is None:
        return asked, ReviewStatus(hold=_nothing(workspace, trouble), trouble=trouble), None
    try:
        wanted = boundary.checked(found.texts, asked)
    except TfceError as error:  # of another version, or somebody wrote there
        return asked, ReviewStatus(hold=_nothing(workspace, error.message), trouble=trouble), None
    queue, module, lost = _pinned(workspace, wanted)
    here = (wanted.template, shape.template(asked)), (wanted.module, shape.module(asked))
    waiting = (*boundary.differences(queue, asked), *shape.repinned(*here))
    hold = _held(label, (*wanted.elsewhere, *lost))
    return queue, ReviewStatus(replace(found.approval, digest=wanted.digest), waiting, hold, trouble), module


def _nothing(workspace: Workspace, trouble: str) -> Hold:
    label, source = workspace.asked.label, workspace.asked.review.approved
    text = f"no shape of {label} is approved at {source}" + (f" ({trouble})" if trouble else "")
    cure = f"merge there what `tfce propose {label}` writes, or set Workspace_Review = off"
    return Hold(HoldKind.UNAPPROVED, text, cure, firm=True)


def _held(label: str, lost: tuple[Difference, ...]) -> Hold | None:
    if not lost:
        return None
    cure = f"put the options back, or merge what `tfce propose {label}` writes"
    return Hold(
        HoldKind.UNAPPROVED, f"is not approved, and cannot wait: {'; '.join(map(str, lost))}", cure, firm=True
    )


def _pinned(workspace: Workspace, wanted: CheckedShape) -> tuple[Queue, Path | None, tuple[Difference, ...]]:
    """The queue with the template that was approved, the folder of the module that was (None: the options'), and
    what of them is not to be had here."""
    queue, asked = wanted.queue, workspace.asked
    lost: list[Difference] = []
    here = shape.template(asked)
    if here.digest != wanted.template.digest:
        copy = _template_copy(workspace, wanted.template)
        queue = replace(queue, userdata=replace(queue.userdata, template=copy))
        if shape.template(queue).digest != wanted.template.digest:
            queue = replace(queue, userdata=replace(queue.userdata, template=asked.userdata.template))
            lost.append(Difference("Context_Template", str(wanted.template), str(here)))
    module, there = _module(workspace, wanted), shape.module(asked)
    if module is None and there.digest != wanted.module.digest:
        lost.append(Difference("Terraform_Module", str(wanted.module), str(there)))
    return queue, module, tuple(lost)


def _template_copy(workspace: Workspace, template: Pinned) -> Path:
    return workspace.private / "approved" / f"{template.digest[:16]}.yaml"


def _module_copy(workspace: Workspace, module: Pinned) -> Path:
    return workspace.private / "approved" / module.digest[:16]


def _module(workspace: Workspace, wanted: CheckedShape) -> Path | None:
    """The folder of the copy of a module that was approved and changed since; None: what the options name serves,
    or no such copy is here."""
    copy = _module_copy(workspace, wanted.module)
    here = shape.module(workspace.asked)
    if here.digest == wanted.module.digest:
        return None
    same = here.name == wanted.module.name and shape.module_digest(copy) == wanted.module.digest
    return copy if same else None
