"""Options of a queue's files and of the life of its VMs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfce.config import readers as read
from tfce.config.declared import option


@dataclass(frozen=True)
class WorkspaceOptions:
    """Where a queue's files are, what its VMs are called, when they go. Times in seconds."""

    root: Path = option(
        "Workspace_Root",
        read.path,
        "<DIRAC root>/var/tfce",
        "private folder: state, journal, locks",
        "/var/lib/tfce",
    )
    files: Path = option(
        "Workspace_Files",
        read.path,
        "<Workspace_Root>/workspaces",
        "folder of the reviewable files",
        "/srv/site/workspaces",
    )
    installation: str = option(
        "Workspace_Installation",
        read.text,
        "",
        "name of this installation in the VMs' tags; unset: made once",
        "lz-prod",
    )
    name_prefix: str = option("Workspace_NamePrefix", read.text, "tfce-", "start of the VMs' names", "lz-pilot-")
    adopt_prefix: str = option(
        "Workspace_AdoptPrefix",
        read.prefix,
        "",
        "start of the names of VMs that CloudCE left: polled, counted and removed, too, until they are gone",
        "VMDIRAC3_",
    )
    cooldown: int = option(
        "Workspace_Cooldown",
        read.optional_duration,
        "600",
        "seconds without submissions after two in a row found no room (quota, capacity, throttling); 0: none",
        "1800",
    )
    young: int = option(
        "Workspace_YoungSeconds", read.duration, "600", "seconds after which a pilot has worked", "900"
    )
    protect_after: int = option(
        "Workspace_ProtectAfter",
        read.natural,
        "10",
        "pilots in a row that end badly before the queue is protected: one pilot each Workspace_Cooldown until "
        "one works; 0: never",
        "5",
    )
    lock_timeout: int = option(
        "Workspace_LockTimeout", read.pause, "60", "seconds to wait for a busy workspace", "10"
    )
    list_age: int = option(
        "Workspace_ListAge",
        read.optional_duration,
        "5",
        "seconds for which queues of one login in a SiteDirector share a list of VMs; 0: each has its own",
        "0",
    )
    trace: Path | None = option(
        "Workspace_Trace",
        read.path,
        "",
        "folder for traces of where submissions, sweeps and polls spend their time, the newest 20 of each; unset: "
        "none",
        "/var/log/tfce/traces",
    )
    metrics: Path | None = option(
        "Workspace_Metrics",
        read.path,
        "",
        "textfile for node_exporter with the metrics of all queues of this Workspace_Root that name it, written "
        "after each cycle; unset: none",
        "/var/lib/node_exporter/textfile/tfce.prom",
    )
    journals: tuple[Path, ...] = option(
        "Workspace_Journals",
        read.paths,
        "",
        "Workspace_Root of the queue's other hosts, copies, or folders of such: what they wrote is told, too",
        "/srv/tfce/hosts",
    )
    reap_share: float = option(
        "Workspace_ReapShare", read.share, "0.5", "part of the running VMs (beyond 10) one sweep may end", "0.25"
    )
