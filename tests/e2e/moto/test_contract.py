"""The contracts of ``Cloud`` and ``Provisioner``, on real Terraform with tfce's own provider."""

from tests.contract.test_cloud import *  # noqa: F403
from tests.contract.test_provisioner import *  # noqa: F403
