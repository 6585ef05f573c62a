"""tfce: a Terraform-backed cloud computing element for DIRAC.

For scripts: ``load_queue``, ``queue_names``, ``open_fleet``, and what these return and raise. Everything else is
the package's own and may change in any release.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tfce.app import open_fleet
    from tfce.config.cfg import load_queue, queue_names
    from tfce.config.options import Queue
    from tfce.model.errors import CloudError, ConfigError, TfceError
    from tfce.pilots.fleet import Fleet

__all__ = [
    "CloudError",
    "ConfigError",
    "Fleet",
    "Queue",
    "TfceError",
    "load_queue",
    "open_fleet",
    "queue_names",
]

__version__ = "0.1.0"  # the one place; pyproject.toml reads it here
DISTRIBUTION = "TfceDIRAC"  # how TfceDIRAC.engine knows this module from the other tfce of PyPI

_HOMES = {
    "CloudError": "tfce.model.errors",
    "ConfigError": "tfce.model.errors",
    "Fleet": "tfce.pilots.fleet",
    "Queue": "tfce.config.options",
    "TfceError": "tfce.model.errors",
    "load_queue": "tfce.config.cfg",
    "open_fleet": "tfce.app",
    "queue_names": "tfce.config.cfg",
}


def __getattr__(name: str) -> object:
    """What ``__all__`` names, imported when it is asked for: ``import tfce`` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tfce' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def extension_metadata() -> dict[str, int]:
    """For environments where a clone was once installed under the name ``tfce``: what is left of that names this
    function to DIRAC, and every DIRAC command would die without it."""
    return {"priority": 9}
