"""tfce: a Terraform-backed cloud computing element for DIRAC.

Every DIRAC process imports this package to read the extension's metadata, and dies if that raises:
keep this file free of imports.
"""

__version__ = "0.1.0"


def extension_metadata() -> dict[str, int]:
    """What DIRAC asks of an extension (entry point group ``dirac``): its priority among extensions."""
    return {"priority": 10}
