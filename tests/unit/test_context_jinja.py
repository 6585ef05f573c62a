"""Templates that cloud-init renders on the VM: what it renders is what was written, or an error says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Template

from tfce.config.capabilities import NOVA as OPENSTACK
from tfce.config.data import data_path
from tfce.model.errors import ConfigError
from tfce.userdata import fixed
from tfce.userdata.document import Recipe, check, render
from tfce.userdata.jinja import HEAD

WRITTEN = "write_files:\n  - {path: /p, content: EXECUTABLE_STR}\n"
KNOWN = {"v1": {"instance_id": "i-1", "region": "r"}, "ds": {"v1.0": {"a b": "x"}}}

# What one string may hold, as it is written after "hostname: ".
SOUND = {
    "alone": "'{{ v1.instance_id }}'",
    "in double quotes": "\"{{ ds['v1.0']['a b'] }}\"",
    "in single quotes": '\'{{ ds["v1.0"]["a b"] }}\'',
    "plain": 'n-{{ ds["v1.0"]["a b"] }}',
    "with a colon": "\"a: {{ ds['v1.0']['a b'] }} # b\"",
    "a statement": "\"{% if v1.region == 'r' %}it's{% else %}not{% endif %}\"",
    "a script": "|\n  if {{ v1['region'] }}; then\n    {% set x = \"y\" %}{{ x }}\n  fi",
    "folded": ">-\n  a {{ v1['region'] }}\n  b",
    "a letter": "\"\u00e9 {{ ds['v1.0']['a b'] }}\"",
    "raw": "'{% raw %}{{ a[\"b\"] }}{% endraw %}'",
    "a filter": "'{{ v1.nope | default(\"it\", true) }}'",
    "after blanks": "'  {{ v1[\"region\"] }}'",
}


def template(folder: Path, text: str, head: str = f"{HEAD}\n") -> Recipe:
    path = folder / "own.yaml"
    path.write_text(f"{head}#cloud-config\n{WRITTEN}{text}\n")
    return Recipe(path, (), 3600, OPENSTACK)


def rendered(text: str) -> Any:
    """What cloud-init makes of it."""
    head, _, rest = text.lstrip().partition("\n")
    assert head.lower() == HEAD
    return yaml.safe_load(Template(rest, trim_blocks=True, extensions=["jinja2.ext.do"]).render(KNOWN))


@pytest.mark.parametrize("name", SOUND)
def test_the_vm_renders_what_was_written(tmp_path: Path, name: str) -> None:
    recipe = template(tmp_path, f"hostname: {SOUND[name]}")
    assert recipe.template is not None
    made = rendered(render(recipe, key="0A1B2C3D", wrapper=b"{{ x }}{% nope").data.decode())
    assert made["hostname"] == rendered(recipe.template.read_text())["hostname"]
    copy = tmp_path / "copy.yaml"
    copy.write_text(fixed.whole(recipe.template))
    assert fixed.digest(copy) == fixed.digest(recipe.template)


@pytest.mark.parametrize("head", ["## template: jinja \n", "\n## template: jinja\n", "## Template: Jinja\n"])
def test_the_head_is_known_as_cloud_init_knows_it(tmp_path: Path, head: str) -> None:
    recipe = template(tmp_path, "hostname: '{{ v1.instance_id }}'", head)
    assert rendered(render(recipe, key="0A1B2C3D", wrapper=b"x").data.decode())["hostname"] == "i-1"


BROKEN = {
    "an open expression": ("hostname: 'a{{ b'", "line 5: is not valid jinja"),
    "an open statement": ("a: '{% if b %}'", "line 5: is not valid jinja: Unexpected end"),
    "no such statement": ("a: b\nc: '{% nope %}'", "line 6: is not valid jinja"),
    "no such filter": ("hostname: '{{ b | nope }}'", "line 5: is not valid jinja: No filter named"),
    "an open comment": ("runcmd: ['echo ${#a}']", "line 5: is not valid jinja: Missing end of comment"),
    "before YAML": ("hostname: {{ b }}", "is not valid YAML"),
    "around YAML": ("runcmd:\n{% if b %}\n  - a\n{% endif %}", "line 6, column 2"),
    "in a comment": (
        "a: b\n# {% if b %}\nruncmd: [a]\n# {% endif %}",
        "line 6: the VM would not get '{% if b %}",
    ),
    "an escaped quote": ('a: "\u00e9 {{ b[\\"c\\"] }}"', "line 5: "),
    "beyond ASCII": ("hostname: '\u00e9 {{ b[\"c\"] }}'", "of tfce's own form of it: is not valid jinja"),
    "doubled quotes": ("hostname: '{{ b[''c''] }}'", "line 5: is not valid jinja"),
    "a key": ('a:\n  ? "\u00e9{{ b[\'c\'] }}{{ d[\\"e\\"] }}"\n  : f', "line 6: "),
    "in a script": ("runcmd: [{from: a.sh}]", "a.sh: line 2: is not valid jinja"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_vm_could_not_render_is_an_error_with_file_line_and_cure(tmp_path: Path, name: str) -> None:
    text, reason = BROKEN[name]
    (tmp_path / "a.sh").write_text("#!/bin/sh\necho ${#a}\n")
    with pytest.raises(ConfigError) as caught:
        check(template(tmp_path, text))
    assert reason in caught.value.message and str(tmp_path) in caught.value.message
    assert caught.value.faults[0].cure


def test_our_own_scripts_may_be_taken_in_by_any_template(tmp_path: Path) -> None:
    names = [f"{path.parent.name}/{path.name}" for path in data_path("templates").glob("*/*.sh")]
    assert "default/guard.sh" in names
    check(template(tmp_path, "runcmd:\n" + "".join(f"  - [sh, -c, {{from: {name}}}]\n" for name in names)))
