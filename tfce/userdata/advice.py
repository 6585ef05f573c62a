"""Says what to do about user data that is too large: which option to change, and how large it is then."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from tfce.config.data import data_path
from tfce.model.errors import ConfigError
from tfce.userdata.recipe import Recipe
from tfce.userdata.sources import OPTION
from tfce.userdata.wrapper import brings_proxy

_SMALLER_PROXY = "give the pilot a proxy with fewer attributes in it"
_SMALLER_WRAPPER = "make the pilot wrapper smaller: let it fetch what it brings along"


def changes(recipe: Recipe, wrapper: bytes, proxy: bytes | None) -> Iterator[tuple[str, Recipe, bytes | None]]:
    """What may be changed: in words, and the recipe and the VM's own proxy that come of it."""
    limit = recipe.limit
    if limit.takes_bytes and not limit.binary:
        words = "set Terraform_Module = bulk, which sends compressed bytes"
        yield words, replace(recipe, limit=limit.in_bytes), proxy
    if proxy and brings_proxy(wrapper):
        yield "set Context_ProxyLifetime = none, as the wrapper brings a proxy", recipe, None
    if recipe.template is None:
        prepared = data_path("templates") / "prepared-image.yaml"
        words = f"set {OPTION} = {prepared}, with an image that has CVMFS"
        yield words, replace(recipe, template=prepared), proxy
    if recipe.packages:
        yield "bring the Context_ExtPackages in the image", replace(recipe, packages=()), proxy


def too_large(
    recipe: Recipe, size: int, sizes: Collection[tuple[str, int]], wrapper: bytes, proxy: bytes | None
) -> ConfigError:
    """The error for user data of ``size``; ``sizes`` is what each change would make of it."""
    limit = recipe.limit
    unit = " of base64" if limit.base64 else ""
    own = f", the VM's own proxy {len(proxy)}" if proxy else ""
    best = sorted(sizes, key=lambda one: one[1] > limit.size)  # what is enough by itself comes first
    enough = {True: "", False: ", still too many"}
    cures = [f"{words} (then {after} bytes{enough[after <= limit.size]})" for words, after in best]
    held = proxy or brings_proxy(wrapper)
    cures.append(_SMALLER_PROXY if held else _SMALLER_WRAPPER)
    return ConfigError(
        OPTION,
        str(recipe.template or ""),
        f"the user data takes {size} bytes{unit}, compressed; {limit.name} takes {limit.size} at most: "
        f"{size - limit.size} too many (the pilot wrapper alone has {len(wrapper)} bytes{own})",
        "; or ".join(cures),
    )
