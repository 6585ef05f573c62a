"""The cloud itself: its services, their configuration, their databases and what is seeded into them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from string import Template

import guests
from daemons import Daemon
from install import run
from layout import HERE, HOST, PASSWORD, Layout

SERVICES = ("keystone", "glance", "placement", "nova", "neutron")
UWSGI = "--master --die-on-term --need-app --buffer-size 65535 --enable-threads --disable-logging"


def daemons(layout: Layout) -> dict[str, Daemon]:
    """Every process of the rig, in the order of their start."""
    ports, tls = layout.ports, str(layout.state / "tls")
    front = [layout.program("python"), str(HERE / "front.py"), "--tls-dir", tls]
    counted = (("image", ports.glance), ("compute", ports.nova), ("network", ports.neutron))
    routes = [f"{name}:{ports.front(port)}:{port}" for name, port in counted]
    routes.append(f"identity:{ports.front(ports.keystone)}:{ports.keystone_app}:tls")
    log = ["--log", str(requests_log(layout)), "--delay-file", str(delay_file(layout))]
    listed = [
        _uwsgi(layout, "keystone", ports.keystone_app, 3),
        Daemon(
            "keystone-tls",
            [*front, f"identity:{ports.keystone}:{ports.keystone_app}:tls"],
            ports.keystone,
            tls=True,
        ),
        # hazard: of two that write at once SQLite refuses one at once, and nova then refuses a removal
        _uwsgi(layout, "placement", ports.placement, 1),
        _api(layout, "glance", [layout.program("glance-api")], ports.glance),
        _api(layout, "neutron", [layout.program("neutron-server")], ports.neutron),
        _api(layout, "nova", [layout.program("python"), str(HERE / "nova_all.py")], ports.nova),
        Daemon("front", [*front, *log, *routes], ports.front(ports.glance)),
    ]
    if layout.real:
        listed.insert(0, guests.libvirtd(layout))
    return {daemon.name: daemon for daemon in listed}


def requests_log(layout: Layout) -> Path:
    return layout.state / "log" / "requests.jsonl"


def delay_file(layout: Layout) -> Path:
    return layout.state / "run" / "delay"


def _uwsgi(layout: Layout, name: str, port: int, processes: int) -> Daemon:
    # hazard: uWSGI drops kept-alive connections at random; each answer closes its own
    argv = [layout.program("uwsgi"), *UWSGI.split(), "--add-header", "Connection:close"]
    # hazard: threads of one process that load their policies at the same time deny what they should allow
    argv += ["--http-socket", f"{HOST}:{port}", "--processes", str(processes)]
    argv += ["--wsgi-file", str(HERE / "wsgi" / f"{name}_app.py")]
    folder = f"OS_{name.upper()}_CONFIG_"
    return Daemon(
        name, argv, port, {f"{folder}DIR": str(layout.state / "etc"), f"{folder}FILES": layout.config(name)}
    )


def _api(layout: Layout, name: str, argv: Sequence[str], port: int) -> Daemon:
    argv = [*argv, "--config-file", layout.config(name)]
    if layout.real and name == "nova":
        argv += ["--config-file", layout.config(guests.CONFIG)]
    vif = "tap" if layout.real else "ovs"
    return Daemon(name, argv, port, {"PYTHONPATH": str(HERE / "ml2"), "RIG_VIF_TYPE": vif})


def token_seconds(layout: Layout) -> int:
    """How long keystone's tokens live: a day, unless `rig.py tokens` set it."""
    try:
        return int((layout.state / "run" / "token-seconds").read_text())
    except FileNotFoundError:
        return 86400


def configure(layout: Layout, services: Sequence[str] = SERVICES) -> None:
    """Render etc/*.conf."""
    ports = layout.ports
    values = {
        "STATE": layout.state,
        "VENV": layout.venv,
        "CA": layout.ca,
        "AUTH_URL": layout.auth_url,
        "PASSWORD": PASSWORD,
        "TOKEN_SECONDS": token_seconds(layout),
        "GLANCE_PORT": ports.glance,
        "NOVA_PORT": ports.nova,
        "NEUTRON_PORT": ports.neutron,
        "CINDER_PORT": ports.cinder,
        "LIBVIRT_SOCKET": guests.socket(layout),
    }
    auth = _render("auth", values)
    authtoken = _render("authtoken", {**values, "AUTH": auth})
    for service in (*services, guests.CONFIG):
        text = _render(service, {**values, "AUTH": auth, "AUTHTOKEN": authtoken})
        Path(layout.config(service)).write_text(text)


def _render(name: str, values: dict[str, object]) -> str:
    return Template((HERE / "etc" / f"{name}.conf").read_text()).substitute(values)


def make_databases(layout: Layout) -> None:
    """Create all five schemas, side by side."""
    done = layout.state / "db" / "complete"
    if done.exists():
        return
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda service: _make_schema(layout, service), SERVICES))
    for database in (layout.state / "db").glob("*.sqlite"):
        write_ahead(database)
    done.touch()


def write_ahead(database: Path) -> None:
    # hazard: without the write-ahead log an open reader makes a writer fail with "database is locked"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _make_schema(layout: Layout, service: str) -> None:
    for number, command in enumerate(_schema_commands(layout)[service]):
        run(command, layout.state / "log" / f"schema-{service}-{number}.out")


def _schema_commands(layout: Layout) -> dict[str, list[list[str]]]:
    def manage(service: str, program: str, *command: str) -> list[str]:
        return [layout.program(program), "--config-file", layout.config(service), *command]

    def keystone(*command: str) -> list[str]:
        return manage("keystone", "keystone-manage", *command)

    def nova(*command: str) -> list[str]:
        return manage("nova", "nova-manage", *command)

    db = f"sqlite:///{layout.state}/db"
    urls = [f"--bootstrap-{kind}-url={layout.auth_url}" for kind in ("admin", "public", "internal")]
    owner = [f"--keystone-user={os.getuid()}", f"--keystone-group={os.getgid()}"]
    # neutron's migrations need ALTER CONSTRAINT, which SQLite lacks: tables from the models, then the stamp
    tables = "import sys, sqlalchemy; from neutron.db.migration.models import head; "
    tables += "head.get_metadata().create_all(sqlalchemy.create_engine(sys.argv[1]))"
    cell = ["--name", "cell1", "--transport-url", "fake://", "--database_connection", f"{db}/nova.sqlite"]
    return {
        "keystone": [
            keystone("db_sync"),
            keystone("fernet_setup", *owner),
            keystone("credential_setup", *owner),
            keystone("bootstrap", f"--bootstrap-password={PASSWORD}", "--bootstrap-region-id=RegionOne", *urls),
        ],
        "glance": [manage("glance", "glance-manage", "db_sync")],
        "placement": [manage("placement", "placement-manage", "db", "sync")],
        "nova": [
            nova("api_db", "sync"),
            nova("cell_v2", "map_cell0", "--database_connection", f"{db}/nova_cell0.sqlite"),
            nova("cell_v2", "create_cell", *cell),
            nova("db", "sync"),
        ],
        "neutron": [
            [layout.program("python"), "-c", tables, f"{db}/neutron.sqlite"],
            manage("neutron", "neutron-db-manage", "stamp", "heads"),
        ],
    }


def seed(layout: Layout, step: str) -> None:
    """Run one step of seed.py in the rig's own Python, once."""
    done = layout.state / "db" / f"seeded-{step}"
    if done.exists():
        return
    ports = layout.ports
    facts = {
        "auth_url": layout.auth_url,
        "front_auth_url": f"https://{HOST}:{ports.front(ports.keystone)}/v3",
        "ca": str(layout.ca),
        "password": PASSWORD,
        "ports": {
            "image": ports.glance,
            "placement": ports.placement,
            "compute": ports.nova,
            "network": ports.neutron,
        },
        "cinder": ports.cinder,
        "front": ports.front(0),
        "requests_log": str(requests_log(layout)),
        "env_file": str(layout.env_file),
    }
    argv = [layout.program("python"), str(HERE / "seed.py"), step, json.dumps(facts)]
    finished = subprocess.run(argv, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"seed.py {step} failed:\n{finished.stderr[-2000:]}")
    done.touch()


def keep_pristine(layout: Layout) -> None:
    """Copy the databases of the freshly seeded, running cloud."""
    if layout.pristine.exists():
        return
    copy = layout.state / "pristine.tmp"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for database in (layout.state / "db").glob("*.sqlite"):
        with (
            closing(sqlite3.connect(database)) as source,
            closing(sqlite3.connect(copy / database.name)) as target,
        ):
            source.backup(target)
    copy.replace(layout.pristine)


def restore_pristine(layout: Layout) -> None:
    """Undo everything done to the (stopped) cloud since it was seeded, the delay and the tokens' life included."""
    for setting in ("delay", "token-seconds"):
        (layout.state / "run" / setting).unlink(missing_ok=True)
    for database in layout.pristine.glob("*.sqlite"):
        for journal in (layout.state / "db").glob(f"{database.name}-*"):
            journal.unlink()
        shutil.copyfile(database, layout.state / "db" / database.name)
