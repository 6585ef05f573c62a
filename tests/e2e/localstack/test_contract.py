"""The contracts of ``Cloud`` and ``Provisioner`` on the real edge: real Terraform, libcloud, and LocalStack's EC2.

A life of the native module is ``test_life`` beside this; the contract of a life runs on moto and on OpenStack."""

from tests.contract.test_cloud import *  # noqa: F403
from tests.contract.test_provisioner import *  # noqa: F403
