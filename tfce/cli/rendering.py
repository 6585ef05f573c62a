"""``tfce render``: writes what reviewers see, and shows what a VM would get."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tfce.cli import terminal
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.pilots.recipes import recipe_for
from tfce.review import approvals, shape
from tfce.store.files import believed
from tfce.store.review_copies import SCALE, SHAPE
from tfce.store.workspace import Workspace
from tfce.terraform import variables

_STAND_IN = b"#!/bin/bash\n# stands for the pilot wrapper\n"


def render(queue: Queue, options: argparse.Namespace) -> int:
    """Write the reviewable files, or show what they, or a VM's user data, should say."""
    if options.context:
        return _context(queue, options)
    if options.wrapper:
        raise ConfigError("--wrapper", str(options.wrapper), "is for --context only", "add --context")
    files = options.files and replace(queue.workspace, files=options.files.absolute())
    workspace = Workspace(replace(queue, workspace=files) if files else queue)
    if options.check:  # needs no credentials, no workspace and no cloud: a reviewer's checkout has none
        diff = workspace.review_copies.difference(shape.texts(queue))
        print(diff, end="")
        return int(bool(diff))
    return _rendered(workspace)


def _rendered(workspace: Workspace) -> int:
    approvals.resume(workspace)
    review_copies = workspace.review_copies
    names = (*SHAPE, SCALE)
    with workspace.locked():
        before = {name: believed(review_copies.path(name)) for name in names}
        workspace.prepare()
        workspace.variables.write_rest(shape.rest(workspace.queue))
        variables.write(workspace)
    for name in names:
        same = believed(review_copies.path(name)) == before[name]
        print(review_copies.path(name), "(unchanged)" if same else "")
    return 0


def _context(queue: Queue, options: argparse.Namespace) -> int:
    """What a VM would get, secrets masked; asks nothing of anybody."""
    from tfce import userdata

    wrapper = wrapper_text(options.wrapper) if options.wrapper else _STAND_IN
    own = queue.userdata.proxy_lifetime.lifetime(not options.wrapper or userdata.brings_proxy(wrapper))
    proxy = b"stands for the proxy\n" if own is not None else None
    if not options.wrapper:
        terminal.say(
            f"no --wrapper: a stand-in of {len(wrapper)} bytes is in its place, so the real size is larger"
        )
    if proxy:
        terminal.say(f"the VM gets a proxy of its own: a stand-in of {len(proxy)} bytes is in its place")
    recipe = recipe_for(queue)
    print(userdata.preview(recipe, key="00000000", wrapper=wrapper, proxy=proxy), end="")
    userdata.render(recipe, key="00000000", wrapper=wrapper, proxy=proxy)  # too large is an error
    return 0


def wrapper_text(path: Path) -> bytes:
    """The pilot wrapper that an option names."""
    from tfce import userdata

    return userdata.wrapper_of(path, "--wrapper", regular=False)
