"""What a queue's pilots run."""

from __future__ import annotations

from tfce import userdata
from tfce.config.options import Queue


def recipe_for(queue: Queue) -> userdata.Recipe:
    """What every pilot of ``queue`` shares."""
    return userdata.Recipe(
        template=queue.userdata.template,
        packages=queue.userdata.packages,
        max_lifetime=queue.userdata.max_lifetime,
        limit=_limit(queue),
        cvmfs_proxies=queue.userdata.cvmfs_proxies,
        linger=queue.userdata.linger,
        drain_margin=queue.userdata.margin,
        cloud=queue.endpoint.cloud,
    )


def _limit(queue: Queue) -> userdata.Limit:
    limit = queue.endpoint.capabilities.user_data
    # Only tfce's own provider is known to hand on bytes.
    return limit.in_bytes if queue.terraform.module == "bulk" else limit
