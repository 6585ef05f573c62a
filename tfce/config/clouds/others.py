"""The clouds that libcloud alone speaks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tfce.config.capabilities import Capabilities, Limit
from tfce.config.clouds.kind import CloudKind

# libcloud's other compute drivers; docs/drivers.md says what each can do. A test keeps both in step.
NAMES = frozenset(
    (  # noqa: SIM905  forty-five lines else
        "ABIQUO ALIYUN_ECS AURORA_COMPUTE AZURE AZURE_ARM BRIGHTBOX CLOUDSCALE CLOUDSIGMA CLOUDSTACK "
        "DIGITALOCEAN DIMENSIONDATA DUMMY EQUINIXMETAL EUCALYPTUS EXOSCALE GANDI GCE GIG_G8 GRIDSCALE IKOULA "
        "INTERNETSOLUTIONS KAMATERA KTUCLOUD KUBEVIRT LIBVIRT LINODE MAXIHOST NIMBUS NTTA NTTCIS ONAPP "
        "OPENNEBULA OUTSCALE OUTSCALE_INC OUTSCALE_SAS OVH RACKSPACE RACKSPACE_FIRST_GEN RIMUHOSTING SCALEWAY "
        "TERREMARK UPCLOUD VCL VCLOUD VPSNET VSPHERE VULTR"
    ).split()
)


class _CloudStack(CloudKind):
    capabilities = Capabilities(Limit(4096, True, "CloudStack"))  # in an URL, where libcloud puts it


class _Token(CloudKind):
    capabilities = Capabilities(key=False, grid_proxy=False)


# Those of which more is known than libcloud's signature says; the rules of the rest are ``CloudKind``.
KINDS: Mapping[str, CloudKind] = {
    **dict.fromkeys(("AURORA_COMPUTE", "CLOUDSTACK", "EXOSCALE", "IKOULA"), _CloudStack()),
    **dict.fromkeys(("DIGITALOCEAN", "EQUINIXMETAL", "LINODE", "VULTR"), _Token()),
}
