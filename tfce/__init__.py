"""tfce: a Terraform-backed cloud computing element for DIRAC."""

__version__ = "0.1.0"  # the one place; pyproject.toml reads it here
DISTRIBUTION = "TfceDIRAC"  # how TfceDIRAC.engine knows this module from the other tfce of PyPI


def extension_metadata() -> dict[str, int]:
    """For environments where a clone was once installed under the name ``tfce``: what is left of that names this
    function to DIRAC, and every DIRAC command would die without it."""
    return {"priority": 9}
