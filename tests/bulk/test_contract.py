"""The contract of ``Provisioner``, on real Terraform with tfce's own provider."""

from tests.contract.test_provisioner import *  # noqa: F403
