"""The program ``terraform-provider-tfce``, which Terraform starts."""

from __future__ import annotations

import os
import sys

_COOKIE = "TF_PLUGIN_MAGIC_COOKIE"  # Terraform and OpenTofu set it for the plugins they start


def main() -> int:
    """Serve one Terraform until it is done."""
    if _COOKIE not in os.environ:
        print(
            "This is tfce's Terraform provider. Terraform starts it; it is no command. See `tfce --help`.",
            file=sys.stderr,
        )
        return 1
    from tfce.provider.serve import serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
