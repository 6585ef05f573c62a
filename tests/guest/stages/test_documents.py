"""What cloud-init's own code says of our user data: its schema, and the bytes it takes out of it."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from tests.claims import some
from tests.rigs import cloudinit
from tests.unit.test_context import AWKWARD, CLOUDCE, wrapper
from tfce.config.capabilities import NOVA as OPENSTACK
from tfce.config.capabilities import Limit
from tfce.config.clouds.ec2 import USER_DATA as EC2
from tfce.config.data import data_path
from tfce.userdata.document import Recipe, preview, render

PREPARED = data_path("templates") / "prepared-image.yaml"
KEY = "0A1B2C3D"

# The way of cloudinit.stages: user data to a MIME message, each part decoded, cloud-config parts loaded; once
# with the message as it is and once as it is stored in /var/lib/cloud and read again.
DECODE = """
import hashlib, json, pathlib
from cloudinit import handlers, helpers, user_data, util
from cloudinit.config.cc_write_files import canonicalize_extraction, extract_contents

processor = user_data.UserDataProcessor(helpers.Paths({"cloud_dir": "/tmp/none"}))
found = {}
for path in sorted(pathlib.Path("/mnt").iterdir()):
    message = processor.process(path.read_bytes())
    sums = []
    for form in (message, util.message_from_string(str(message))):
        for part in form.walk():
            if part.get_content_type() == "text/cloud-config":
                config = util.load_yaml(util.fully_decoded_payload(part))
                for entry in config["write_files"]:
                    if entry["path"] in ("/root/run_pilot.sh", "/root/proxy.pem"):
                        how = canonicalize_extraction(entry.get("encoding"))
                        data = util.encode_text(extract_contents(entry["content"], how))
                        sums.append(hashlib.sha256(data).hexdigest())
    found[path.name] = sums
print(json.dumps(found))
"""

SCHEMA = """
import pathlib, subprocess
for path in sorted(pathlib.Path("/mnt").iterdir()):
    done = subprocess.run(["cloud-init", "schema", "-c", path], capture_output=True, text=True)
    print(path.name, done.returncode, (done.stdout + done.stderr).strip().replace("\\n", " "))
"""


def recipes(folder: Path) -> dict[str, Recipe]:
    own = folder / "cloudce.yaml"
    own.write_text(CLOUDCE)
    return {
        "default": Recipe(None, ("gcc",), 86400, EC2),
        "prepared": Recipe(PREPARED, (), 86400, OPENSTACK),
        "cloudce": Recipe(own, ("gcc",), 86400, OPENSTACK),
    }


def test_the_documents_are_valid_by_cloud_init_s_schema(tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.mkdir()
    for name, recipe in recipes(tmp_path).items():
        for form, data in (("text", wrapper()), ("binary", b"\0\1")):
            text = preview(recipe, key=KEY, wrapper=data, proxy=b"proxy\n", masked=False)
            (seed / f"{name}-{form}").write_text(text)
    (seed / "wrong").write_text("#cloud-config\nruncmd: {a: b}\n")
    verdicts = dict(line.split(" ", 1) for line in cloudinit.python(seed, SCHEMA).splitlines())
    assert not verdicts.pop("wrong").startswith("0")  # or the check would say nothing
    assert len(verdicts) == 6
    for name, verdict in verdicts.items():
        assert verdict.startswith("0 "), (name, verdict)


@pytest.mark.parametrize("limit", [OPENSTACK, Limit(7000, False, "tight")], ids=["plain", "compressed"])
def test_cloud_init_takes_out_the_bytes_that_went_in(tmp_path: Path, limit: Limit) -> None:
    names = {base64.b16encode(name.encode()).decode(): value for name, value in AWKWARD.items()}
    for name, value in some(names.items()):
        recipe = Recipe(PREPARED, (), 60, limit)
        data = render(recipe, key=KEY, wrapper=value, proxy=value).data
        assert data.startswith(b"MIME" if limit.size == 7000 else (b"#cloud-config", b"MIME"))
        (tmp_path / name).write_bytes(data)
    found = json.loads(cloudinit.python(tmp_path, DECODE))
    for name, value in some(names.items()):
        assert found[name] == [hashlib.sha256(value).hexdigest()] * 4, bytes.fromhex(name)
