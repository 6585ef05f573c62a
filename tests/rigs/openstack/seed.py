"""Fill a fresh cloud: users, projects, catalog (`identity`), then images, flavors, networks (`resources`).

Run by the rig in its own virtual environment: seed.py STEP FACTS, FACTS being JSON (see cloud.seed).
"""

import json
import sys
from pathlib import Path

import openstack
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

PROJECTS = ("demo", "tiny", "clouduser")
PLENTY = {"instances": 2000, "cores": 8000, "ram": 16_000_000, "key_pairs": 100}
TINY = {"instances": 2, "cores": 100, "ram": 1_000_000}
IMAGE = "CentOS-7-x86_64-GenericCloud-1905"
FLAVORS = {  # name: vcpus, MB of memory, GB of disk
    "m1.tiny": (1, 256, 2),
    "m1.small": (1, 512, 4),
    "m1.medium": (2, 4096, 40),
    "m1.large": (4, 8192, 80),
    "m1.toobig": (1, 256, 7_000_000),
}
NETWORKS = {"my_public_net": "10.20.0.0/16", "my_private_net": "10.30.0.0/16"}
KEY_PAIR = "mysshkey"
# libcloud looks its services up by these names
NAMES = {"image": "glance", "placement": "placement", "compute": "nova", "network": "neutron"}


def connect(facts, user, project, region="RegionOne"):
    return openstack.connect(
        auth_url=facts["auth_url"],
        username=user,
        password=facts["password"],
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=region,
        cacert=facts["ca"],
        load_yaml_config=False,  # hazard: a clouds.yaml of the user, or in this folder, would be mixed in
        load_envvars=False,
    )


def identity(facts):
    api = connect(facts, "admin", "admin").identity
    admin, member = api.find_role("admin"), api.find_role("member")
    service = api.find_role("service") or api.create_role(name="service")
    add_user(api, facts, "svc", {"service": (admin, service)})
    add_user(api, facts, "demo", dict.fromkeys(PROJECTS, (member,)))
    api.create_region(id="Front", description="the same services, through a proxy that counts and delays")
    add_endpoints(api, "identity", facts["front_auth_url"], facts["front_auth_url"])
    for kind, port in facts["ports"].items():
        path = "/v2.1" if kind == "compute" else ""
        front = port if kind == "placement" else port + facts["front"]
        api.create_service(name=NAMES[kind], type=kind)
        add_endpoints(api, kind, f"http://127.0.0.1:{port}{path}", f"http://127.0.0.1:{front}{path}")


def add_user(api, facts, name, roles_by_project):
    user = api.create_user(name=name, password=facts["password"], domain_id="default")
    for project_name, roles in roles_by_project.items():
        project = api.find_project(project_name) or api.create_project(name=project_name, domain_id="default")
        for role in roles:
            api.assign_project_role_to_user(project, user, role)


def add_endpoints(api, kind, direct, front):
    service = next(s for s in api.services() if s.type == kind)
    for region, url in (("RegionOne", direct), ("Front", front)):
        known = {e.interface for e in api.endpoints(service_id=service.id, region_id=region)}
        for interface in {"public", "internal", "admin"} - known:
            api.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=region)


def resources(facts):
    admin = connect(facts, "admin", "admin")
    for name, (vcpus, ram, disk) in FLAVORS.items():
        admin.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk)
    empty = {"disk_format": "raw", "container_format": "bare", "visibility": "public", "min_disk": 2}
    admin.create_image(IMAGE, data=b"\0" * 65536, wait=True, **empty)
    for name, cidr in NETWORKS.items():
        network = admin.network.create_network(name=name, shared=True, provider_network_type="local")
        admin.network.create_subnet(
            name=f"{name}-v4", network_id=network.id, ip_version=4, cidr=cidr, is_dhcp_enabled=False
        )
    for project in PROJECTS:
        quota = TINY if project == "tiny" else PLENTY
        admin.set_compute_quotas(admin.identity.find_project(project).id, **quota)
    demo = connect(facts, "demo", "demo")
    demo.compute.create_keypair(name=KEY_PAIR, public_key=public_key())
    credential = demo.identity.create_application_credential(user=demo.current_user_id, name="rig")
    Path(facts["env_file"]).write_text("".join(f"{k}={v}\n" for k, v in environment(facts, admin, credential)))


def cinder(facts):
    """cinder's place in the catalog."""
    api = connect(facts, "admin", "admin").identity
    if not any(service.type == "volumev3" for service in api.services()):
        api.create_service(name="cinder", type="volumev3")
        url = f"http://127.0.0.1:{facts['cinder']}/v3"
        add_endpoints(api, "volumev3", url, url)


def public_key():
    """A key whose private half is thrown away."""
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def environment(facts, admin, credential):
    """The lines of rig.env."""
    yield from {
        "OS_AUTH_URL": facts["auth_url"],
        "OS_USERNAME": "demo",
        "OS_PASSWORD": facts["password"],
        "OS_PROJECT_NAME": "demo",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": "RegionOne",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_CACERT": facts["ca"],
        "RIG_ADMIN_USERNAME": "admin",
        "RIG_ADMIN_PASSWORD": facts["password"],
        "RIG_ADMIN_PROJECT": "admin",
        "RIG_TINY_PROJECT": "tiny",
        "RIG_APPCRED_ID": credential.id,
        "RIG_APPCRED_SECRET": credential.secret,
        "RIG_FRONT_AUTH_URL": facts["front_auth_url"],
        "RIG_FRONT_REGION": "Front",
        "RIG_REQUESTS_LOG": facts["requests_log"],
        "RIG_KEY_PAIR": KEY_PAIR,
        "RIG_IMAGE": IMAGE,
        "RIG_IMAGE_ID": admin.image.find_image(IMAGE).id,
    }.items()
    for project in PROJECTS:
        yield f"RIG_{project.upper()}_PROJECT_ID", admin.identity.find_project(project).id
    for name in NETWORKS:
        yield f"RIG_{name.upper()}_ID", admin.network.find_network(name).id
    for name in FLAVORS:
        yield f"RIG_FLAVOR_{name.rpartition('.')[2].upper()}_ID", admin.compute.find_flavor(name).id


if __name__ == "__main__":
    {"identity": identity, "resources": resources, "cinder": cinder}[sys.argv[1]](json.loads(sys.argv[2]))
