"""TfceDIRAC: the DIRAC extension that brings the computing element ``Terraform``.

Every DIRAC process imports this package to read the extension's metadata, and dies if that raises:
keep this file free of imports, and of a name ``version``, which DIRAC would show as its own.
"""


def extension_metadata() -> dict[str, int]:
    """What DIRAC asks of an extension (entry point group ``dirac``): its priority among extensions."""
    return {"priority": 10}
