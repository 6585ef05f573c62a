"""nova's fake compute driver, with guests that end by themselves and builds that fail when asked to.

A server's metadata steers it:
  rig_lifetime = SECONDS   the guest powers itself off this long after it came up (nova says SHUTOFF)
  rig_fault    = TEXT      the build is aborted: the server goes to ERROR and TEXT is in its fault
"""

import eventlet
import nova.conf
from nova import context as nova_context
from nova import exception, objects
from nova.compute import power_state
from nova.scheduler.client import report
from nova.virt import event, fake
from nova.virt import node as virt_node
from oslo_utils.fixture import uuidsentinel

CONF = nova.conf.CONF
STARTED = ("active", "stopped")


class RigDriver(fake.FakeDriver):
    """FakeDriver, able to survive a restart of nova-compute."""

    def init_host(self, host):
        super().init_host(host)
        # hazard: FakeDriver draws a new node uuid in every process, and nova then refuses to start
        uuidsentinel._sentinels["node_" + host] = virt_node.get_local_node_uuid()
        # One host has all the VMs here. At each build nova asks placement for every one of its host's, one by one,
        # in case the driver moves resources about, which this one never does: 1000 VMs would take hours.
        report.SchedulerReportClient.get_allocations_for_provider_tree = lambda *_: {}

    def get_info(self, instance, use_cache=True):
        if instance.uuid not in self.instances and instance.vm_state in STARTED:
            self.instances[instance.uuid] = fake.FakeInstance(instance.name, instance.power_state, instance.uuid)
        return super().get_info(instance, use_cache=use_cache)

    def spawn(self, context, instance, *args, **kwargs):
        fault = instance.metadata.get("rig_fault")
        if fault:
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=fault)
        super().spawn(context, instance, *args, **kwargs)
        lifetime = instance.metadata.get("rig_lifetime")
        if lifetime is not None:
            eventlet.spawn_after(float(lifetime), self._power_off_from_inside, instance.uuid)

    def _power_off_from_inside(self, uuid):
        """What libvirt reports when a guest calls poweroff; nova ignores it while a task is pending."""
        admin = nova_context.get_admin_context()
        while uuid in self.instances:
            instance = objects.Instance.get_by_uuid(admin, uuid)
            if instance.vm_state == "active" and instance.task_state is None:
                self.instances[uuid].state = power_state.SHUTDOWN
                self.emit_event(event.LifecycleEvent(uuid, event.EVENT_LIFECYCLE_STOPPED))
                return
            eventlet.sleep(0.05)
