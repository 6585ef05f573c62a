"""The contract tests on the real edge: real Terraform, libcloud, and LocalStack's EC2."""

from tests.contract.test_cloud import *  # noqa: F403
from tests.contract.test_life import *  # noqa: F403
from tests.contract.test_provisioner import *  # noqa: F403
