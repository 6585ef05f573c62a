"""Options of the Terraform that makes VMs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfce.config import readers as read
from tfce.config.declared import option


@dataclass(frozen=True)
class TerraformOptions:
    """Which Terraform, and how patiently. Times in seconds."""

    binary: Path | None = option(
        "Terraform_Binary", read.path, "", "terraform or tofu program; unset: found on the PATH", "/usr/bin/tofu"
    )
    mirror: Path | None = option(
        "Terraform_Mirror", read.path, "", "filesystem mirror of providers to prefer", "/srv/terraform/mirror"
    )
    module: str | Path = option(
        "Terraform_Module",
        read.module,
        "bulk",
        "bulk: tfce's own provider, one resource for the queue; native (OpenStack, EC2): the cloud's ready-made "
        "provider, a resource for each pilot; or the folder of a root module of yours",
        "native",
    )
    parallelism: int = option("Terraform_Parallelism", read.count, "10", "VMs created at once by one apply", "20")
    batch: int = option(
        "Terraform_Batch",
        read.count,
        "100",
        "bulk on OpenStack and EC2: VMs started by one API call, if the template allows it; 1: a call for each",
        "20",
    )
    timeout: int = option("Terraform_Timeout", read.patience, "900", "seconds one Terraform run may take", "1800")
    create_timeout: int = option(
        "Terraform_CreateTimeout", read.duration, "600", "seconds one VM may take to become active", "300"
    )
    max_retries: int = option(
        "Terraform_MaxRetries", read.repeats, "5", "repeats of an API call that failed in passing", "3"
    )
    max_processes: int = option(
        "Terraform_MaxProcesses",
        read.count,
        "4",
        "Terraform runs at work at once on this host, all queues, and runs of one cloud, waiting for it included; "
        "more, up to four times, where they take over 15 s",
        "2",
    )
    backend: str = option(
        "Terraform_Backend",
        read.backend,
        "local",
        "where state and record are: local, in this host's Workspace_Root; or pg, s3, http, which several hosts "
        "can share",
        "pg",
    )
    backend_file: Path = option(
        "Terraform_BackendFile",
        read.path,
        "<DIRAC root>/etc/backend.auth",
        "file with the backend's address and login, readable by its owner only",
        "/opt/dirac/etc/backend.auth",
    )
