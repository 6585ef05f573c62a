"""The program ``terraform-provider-tfce``, which Terraform starts."""

from __future__ import annotations

import gc
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
    from tfce.config import environment
    from tfce.model.errors import ConfigError

    try:
        environment.check_provider()
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return 1
    gc.disable()  # nothing of what is imported is ever garbage
    from tfce.provider.program import serve

    gc.freeze()
    gc.enable()
    code = serve()
    sys.stderr.flush()
    os._exit(code)  # nothing is left to do, and the interpreter would take 30 ms for it, four times a submission


if __name__ == "__main__":
    sys.exit(main())
