"""CE parameters -> Queue. Every fault is found before any is reported. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfce.config import allowance, misspelt
from tfce.config.allowance import Allowance
from tfce.config.declared import Option, declared
from tfce.config.endpoint import Endpoint, endpoint
from tfce.config.readers import Spot
from tfce.config.settings import (
    GROUPS,
    Access,
    Limits,
    ReviewOptions,
    TerraformOptions,
    UserData,
    VmShape,
    WorkspaceOptions,
)
from tfce.model.errors import ConfigError, Fault
from tfce.model.images import means_newest


@dataclass(frozen=True)
class Queue:
    """One (CE, queue) with its validated options, by group. Immutable."""

    ce: str
    name: str
    endpoint: Endpoint
    access: Access
    shape: VmShape
    userdata: UserData
    terraform: TerraformOptions
    workspace: WorkspaceOptions
    review: ReviewOptions
    limits: Limits
    allowance: Allowance

    @property
    def label(self) -> str:
        """``CE/QUEUE``, as operators name it."""
        return f"{self.ce}/{self.name}"

    def values(self) -> dict[str, Any]:
        """Every option's value by the option's name, for texts that name both."""
        return {
            option.name: getattr(getattr(self, group), field)
            for group, cls in GROUPS.items()
            for field, option in declared(cls)
        }


_LONGEST_NAME = 255  # characters of a tag's value, and of nova's metadata


def _name_faults(ce: str, name: str) -> list[Fault]:
    """Names become tags of VMs, as they are."""
    label = f"{ce}/{name}"
    if not ce.strip() or not name.strip():
        return [Fault("Queue", label, "CE and queue need a name", "write CE/QUEUE")]
    if not label.isprintable() or max(len(ce), len(name)) > _LONGEST_NAME:
        problem = f"a name is longer than {_LONGEST_NAME} characters, or has some that cannot be printed"
        return [Fault("Queue", f"{label!a:.80}", problem, "rename the CE or the queue")]
    return []


def parse(ce: str, name: str, parameters: Mapping[str, Any], dirac_root: Path, state_root: Path) -> Queue:
    """The queue that the merged CE ``parameters`` describe; values may be text, numbers or lists.

    Raises ``ConfigError`` with every fault: unknown option of ours, wrong type, missing requirement.
    """
    text = {key: _plain(value) for key, value in parameters.items()}
    faults = list(misspelt.faults(text))
    groups: dict[str, Any] = {
        group: cls(**{field: _value(option, text.get(option.name, ""), faults) for field, option in declared(cls)})
        for group, cls in GROUPS.items()
    }
    reached = endpoint(groups["access"].cloud_type, text, faults)
    faults += conflicts(groups["shape"], groups["userdata"], reached.capabilities.networks)
    faults += allowance.faults(groups["allowance"], groups["shape"].flavors)
    faults += _image_faults(groups["shape"], reached)
    faults += _spot_faults(groups["shape"], groups["terraform"], reached.capabilities.spot)
    faults += sharing(groups["terraform"], groups["workspace"])
    faults += _name_faults(ce, name)
    if faults:
        raise ConfigError.of(faults)
    access, workspace = groups["access"], groups["workspace"]
    root, terraform = workspace.root or state_root, groups["terraform"]
    backend_file = terraform.backend_file or dirac_root / "etc" / "backend.auth"
    groups["terraform"] = replace(terraform, backend_file=backend_file)
    groups["access"] = replace(access, auth_file=access.auth_file or dirac_root / "etc" / "cloud.auth")
    groups["workspace"] = replace(workspace, root=root, files=workspace.files or root / "workspaces")
    _approved(groups["review"], groups["workspace"], faults)
    if groups["review"].shape and groups["shape"].spot is not Spot.NO:
        problem = "an approved shape names no market, and Workspace_Review = shape"
        faults.append(Fault("Terraform_Spot", groups["shape"].spot.value, problem, "remove one of the two"))
    if faults:
        raise ConfigError.of(faults)
    return Queue(ce, name, replace(reached, repeats=groups["terraform"].max_retries), **groups)


def conflicts(shape: VmShape, userdata: UserData, most: int | None) -> Iterator[Fault]:
    """What of a shape cannot be had together; ``most``: networks of a VM. Several where it has one are as many
    places."""
    if userdata.margin >= userdata.shortest:
        problem = f"VMs live {userdata.shortest} s or longer, so none would take a job"
        cure = "make it shorter, or Context_MaxLifetime longer"
        yield Fault("Context_DrainMargin", str(userdata.margin), problem, cure)
    shown = ", ".join(shape.networks)
    if most not in (None, 1) and len(shape.networks) > (most or 0):
        yield Fault("Instance_Networks", shown, f"a VM has {most} networks there", f"name {most}")


def _approved(review: ReviewOptions, workspace: WorkspaceOptions, faults: list[Fault]) -> None:
    """Whether a queue that is reviewed has a place where that is done, and one that tfce does not write itself."""
    if review.shape and review.approved is None:
        problem, cure = "is missing, and Workspace_Review = shape", "name where approved shapes are merged"
        faults.append(Fault("Workspace_Approved", "", problem, cure))
    elif review.approved and review.approved.folder == workspace.files:
        problem, cure = "is Workspace_Files, which tfce writes itself", "name another folder, or a repository"
        faults.append(Fault("Workspace_Approved", str(review.approved), problem, cure))


def _image_faults(shape: VmShape, reached: Endpoint) -> Iterator[Fault]:
    """Anybody may sell an image whose name fits a pattern."""
    open_to_all = means_newest(shape.image) and "aws-marketplace" in shape.image_owners
    if open_to_all and reached.capabilities.marketplace:
        cure = "name the publisher: Terraform_ImageOwners = 136693071363 (Debian), or self"
        yield Fault("Instance_Image", shape.image, "anybody may sell an image of such a name", cure)


def _spot_faults(shape: VmShape, terraform: TerraformOptions, known: bool) -> Iterator[Fault]:
    if shape.spot is Spot.NO:
        return
    if not known:
        problem = "only CloudType = EC2 has spot instances"
        yield Fault("Terraform_Spot", shape.spot.value, problem, "remove it, and Terraform_SpotMaxPrice")
    elif terraform.module == "native":
        problem = "hashicorp/aws makes none in all the versions that the native module takes"
        yield Fault(
            "Terraform_Spot", shape.spot.value, problem, "set Terraform_Module = bulk, or a module of yours"
        )


def sharing(terraform: TerraformOptions, workspace: WorkspaceOptions) -> Iterator[Fault]:
    """What a queue needs whose record is where several hosts reach it."""
    if terraform.backend == "local":
        return
    if not workspace.installation:
        problem = f"is not set, and Terraform_Backend = {terraform.backend} needs it"
        cure = "name the installation, the same on every host, for example Workspace_Installation = lz-prod"
        yield Fault("Workspace_Installation", "", problem, cure)
    if terraform.module != "bulk":
        problem = f"only bulk stops when its host has lost its turn, and Terraform_Backend = {terraform.backend}"
        yield Fault("Terraform_Module", str(terraform.module), problem, "leave it out, or set it to bulk")


def _plain(value: Any) -> str:
    if value is None:  # an option that DIRAC has, and no value of it
        return ""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value).strip()


def _unquoted(text: str) -> str:
    """``text``, unless quotes are around it, which no option has."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ValueError(f"DIRAC takes the quotes as part of the value: write {text[1:-1]}")
    return text


def _value(option: Option, text: str, faults: list[Fault]) -> Any:
    if not text and option.required:
        faults.append(
            Fault(option.name, "", "is missing", f"set it, for example {option.name} = {option.example}")
        )
        return option.read("")
    default = "" if option.default.startswith("<") else option.default
    try:
        return option.read((text if option.name in misspelt.DIRACS else _unquoted(text)) or default)
    except ValueError as error:
        faults.append(Fault(option.name, text, str(error), f"for example {option.name} = {option.example}"))
        return option.read(default)
