"""cinder-api, cinder-scheduler and cinder-volume in one eventlet process, for the same reason as nova_all.py."""

import cinder.cmd.volume  # isort: skip  monkey-patches, so it comes first
import sys

from cinder import coordination, objects, rpc, service, version
from cinder.common import config
from oslo_config import cfg
from oslo_log import log as logging
from oslo_service import service as oslo_service

CONF = cfg.CONF


def main():
    objects.register_all()
    CONF(sys.argv[1:], project="cinder", version=version.version_string())
    config.set_middleware_defaults()
    logging.setup(CONF, "cinder")
    coordination.COORDINATOR.start()
    rpc.init(CONF)
    launcher = oslo_service.ServiceLauncher(CONF)
    launcher.launch_service(service.Service.create(binary="cinder-scheduler"))
    CONF.register_opt(cinder.cmd.volume.host_opt, group="rig")
    volumes = service.Service.create(
        host=f"{CONF.host}@rig", service_name="rig", binary="cinder-volume", coordination=True
    )
    launcher.launch_service(volumes)
    launcher.launch_service(service.WSGIService("osapi_volume"))
    launcher.wait()


if __name__ == "__main__":
    main()
