"""cinder's driver for volumes that hold nothing: for guests that are fake."""

from cinder import interface
from cinder.volume import driver


@interface.volumedriver
class RigVolumes(driver.VolumeDriver):
    """Volumes of any size, made and removed at once; an image is "copied" by saying so."""

    VERSION = "1"
    CI_WIKI_NAME = "none"

    def check_for_setup_error(self):
        pass

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": "rig",
            "vendor_name": "tfce",
            "driver_version": self.VERSION,
            "storage_protocol": "fake",
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
        }

    def create_volume(self, volume):
        pass

    def delete_volume(self, volume):
        pass

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return {}, True

    def create_export(self, context, volume, connector):
        pass

    def ensure_export(self, context, volume):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {"driver_volume_type": "fake", "data": {"volume_id": volume.id}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass
