"""nova-api, nova-conductor, nova-scheduler and nova-compute in one eventlet process.

One process lets oslo.messaging run on fake:// (in memory), so the rig needs no message broker.
"""

import nova.cmd.compute  # noqa: F401  isort: skip  monkey-patches, so it comes first
import shlex
import sys
import threading
import time

import eventlet
import os_vif
import rig_driver
from nova import config, context, objects, service, servicegroup, utils
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.objects import host_mapping
from nova.scheduler import rpcapi as scheduler_rpcapi
from nova.scheduler.client import report
from oslo_db.sqlalchemy import engines
from oslo_log import log as logging
from oslo_messaging._drivers import impl_fake
from oslo_privsep import priv_context
from oslo_service import service as oslo_service
from sqlalchemy import pool

CONF = rig_driver.CONF
BINARIES = (
    ("nova-conductor", conductor_rpcapi.RPC_TOPIC),
    ("nova-scheduler", scheduler_rpcapi.RPC_TOPIC),
    ("nova-compute", compute_rpcapi.RPC_TOPIC),
)


class Clock:
    """The time, for whoever listens on fake://: it looks for messages 20 times a second, and sleeps between. Here
    its sleep ends with the next message: a broker brings each in a millisecond, and a call is two of them."""

    time = staticmethod(time.time)

    def __init__(self):
        self._came = threading.Condition()

    def sleep(self, seconds):
        with self._came:
            self._came.wait(seconds)

    def wake(self):
        with self._came:
            self._came.notify_all()


class Exchange(impl_fake.FakeExchange):
    """One that wakes those who wait."""

    def deliver_message(self, *args, **kwargs):
        super().deliver_message(*args, **kwargs)
        impl_fake.time.wake()


@engines._init_connection_args.dispatch_for("sqlite")
def pooled(url, engine_args, kw):
    """Connections to a database are kept, as any server's are: oslo.db opens SQLite's file anew for each
    transaction, and SQLite then reads the whole schema, a fifth of all that nova does."""
    engine_args.update(poolclass=pool.QueuePool, pool_size=0)  # no limit: nobody waits for a connection


def wait_until(what, condition, seconds=30.0):
    """Return once `condition()` is true; exit with a message after `seconds`."""
    for _ in range(int(seconds / 0.25)):
        if condition():
            return
        eventlet.sleep(0.25)
    sys.exit(f"nova: {what}: not so after {seconds:g} s")


def host_is_mapped():
    """Map this compute host to its cell (what `nova-manage cell_v2 discover_hosts` does)."""
    admin = context.get_admin_context()
    host_mapping.discover_hosts(admin)
    return bool(objects.HostMappingList.get_all(admin))


def beat(compute):
    """The first heartbeat, which nova leaves for later: one from before our start may serve for a moment only."""
    compute.service_ref.report_count += 1
    compute.service_ref.save()


def host_is_up():
    """Whether the scheduler believes in the host; otherwise it says NoValidHost."""
    admin = context.get_admin_context()
    row = objects.Service.get_by_host_and_binary(admin, CONF.host, "nova-compute")
    return servicegroup.API().service_is_up(row)


def host_has_room():
    """Whether placement offers the host, asked as the scheduler asks."""
    answer = report.report_client_singleton().get("/allocation_candidates?resources=VCPU:1", version="1.29")
    return bool(answer and answer.json()["provider_summaries"])


def main():
    config.parse_args(sys.argv)
    logging.setup(CONF, "nova")
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    objects.register_all()
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    impl_fake.time, impl_fake.FakeExchange = Clock(), Exchange
    sys.modules["nova.virt.rig_driver"] = rig_driver  # nova loads compute drivers from nova.virt only
    launcher = oslo_service.ServiceLauncher(CONF)
    for binary, topic in BINARIES:
        started = service.Service.create(binary=binary, topic=topic)
        launcher.launch_service(started)
        eventlet.sleep(0.2)
    # The last one is nova-compute. It starts beside us, and takes longer where it has a hypervisor to look at.
    wait_until("nova-compute has started", lambda: started.service_ref is not None, 60)
    beat(started)
    wait_until("the compute host is mapped to a cell", host_is_mapped)
    wait_until("the compute service is up", host_is_up)
    wait_until("placement offers the compute host", host_has_room)
    launcher.launch_service(service.WSGIService("osapi_compute"))
    launcher.wait()


if __name__ == "__main__":
    main()
