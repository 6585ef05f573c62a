"""A root module of a site's own: a copy of terraform/bulk, changed as docs/modules.md says."""

from __future__ import annotations

import shutil
from pathlib import Path

from tfce.config.data import data_path

_MARKET = '  options           = var.market == "spot" ? merge(local.spot, local.price) : null\n'


def own(folder: Path, group: str, provider: str, security_groups: str, options: str) -> Path:
    """A copy in ``folder`` with the file ``group`` beside it, the ``provider`` among those that it requires, and
    these ``security_groups`` and ``options`` in its resource."""
    place = folder / "own module"
    shutil.copytree(data_path("terraform") / "bulk", place)
    (place / "group.tf").write_text(group)
    versions, main = place / "versions.tf", place / "main.tf"
    versions.write_text(versions.read_text().replace("    tfce = {", f"{provider}    tfce = {{"))
    text = main.read_text()
    assert text.count(_MARKET) == 1
    text = text.replace(_MARKET, "")
    start, end = text.index("  security_groups = ["), text.index("  # The provider itself")
    refer = f"  security_groups = {security_groups}\n  options         = {options}\n\n"
    main.write_text(text[:start] + refer + text[end:])
    return place
