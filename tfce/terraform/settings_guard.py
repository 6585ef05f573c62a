"""A guard in the workspace's folder: Terraform by hand plans only with the folder's own settings.

Without ``env.sh`` Terraform is in the workspace ``default``, whose state is empty, and would plan every pilot that
lives as a new one. A variable's validation is a refusal that each Terraform and OpenTofu has, and that needs
nothing of the root module; but it may not look at the workspace, which somebody may have changed since. An output
without a value may, and stands in no state. tfce's own provider refuses, too, before anything is planned.
"""

from __future__ import annotations

from tfce.provider.settings import SOURCED_BY as SETTING
from tfce.terraform.variables import to_hcl

__all__ = ["FILE", "SETTING", "guard"]

FILE = "sourced.tf"

_TEXT = """\
# Made by tfce.
variable "tfce_sourced" {{
  description = "The workspace whose settings are in the environment; env.sh sets it."
  type        = string
  default     = ""

  validation {{
    condition     = var.tfce_sourced == {name}
    error_message = "The settings of this folder are not in the environment: run `. ./env.sh` here first. Without \
them Terraform would look at another state, and plan the pilots that run as new ones."
  }}
}}

output "tfce_workspace" {{
  description = "Nothing: it refuses each workspace but this folder's."
  value       = null

  precondition {{
    condition     = terraform.workspace == {workspace}
    error_message = "This is not the Terraform workspace of this folder's queue: run `. ./env.sh` here first, and \
leave TF_WORKSPACE as it sets it. Terraform would look at another state, and plan the pilots that run as new ones."
  }}
}}
"""


def guard(name: str, workspace: str) -> str:
    """The text of the guard for the queue called ``name``, whose state is in Terraform's ``workspace``."""
    return _TEXT.format(name=to_hcl(name), workspace=to_hcl(workspace))
