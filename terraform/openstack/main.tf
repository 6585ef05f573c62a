# Credentials come from the environment only: OS_USERNAME, OS_PASSWORD, OS_APPLICATION_CREDENTIAL_ID, OS_TOKEN, OS_CLOUD
# and their like; so does the certificate authority (OS_CACERT).
provider "openstack" {
  auth_url    = var.endpoint
  region      = var.region
  max_retries = var.max_retries
}

locals {
  image_name  = startswith(var.image, "name:") ? trimprefix(var.image, "name:") : null
  flavor_name = startswith(var.flavor, "name:") ? trimprefix(var.flavor, "name:") : null

  network_names = toset([for network in var.networks : trimprefix(network, "name:") if startswith(network, "name:")])

  image_id  = local.image_name == null ? var.image : one(data.openstack_images_image_v2.named[*].id)
  flavor_id = local.flavor_name == null ? var.flavor : one(data.openstack_compute_flavor_v2.named[*].id)
}

# More than one match is an error, never "the newest". The names are looked up here, once, because the instance would
# look them up again for every pilot.

data "openstack_images_image_v2" "named" {
  count = local.image_name == null ? 0 : 1
  name  = local.image_name
}

data "openstack_compute_flavor_v2" "named" {
  count = local.flavor_name == null ? 0 : 1
  name  = local.flavor_name
}

data "openstack_networking_network_v2" "named" {
  for_each = local.network_names
  name     = each.key
}

resource "openstack_compute_instance_v2" "pilot" {
  for_each = var.pilots

  name              = "${var.name_prefix}${each.key}"
  image_id          = var.root_volume_gb > 0 ? null : local.image_id
  flavor_id         = local.flavor_id
  key_pair          = var.key_pair == null ? null : trimprefix(var.key_pair, "name:")
  security_groups   = [for group in var.security_groups : trimprefix(group, "name:")]
  availability_zone = var.availability_zone

  # A pilot must find its context without a metadata service.
  config_drive = true

  # The context is deleted as soon as the VM exists; ignore_changes keeps that from mattering. A VM that came up
  # without a context would serve nobody: it switches itself off.
  user_data = sensitive(
    fileexists("${var.contexts}/${each.key}") ? file("${var.contexts}/${each.key}") : "#!/bin/sh\npoweroff\n"
  )

  metadata = merge(var.tags, {
    "tfce_installation" = var.installation
    "tfce_ce"           = var.ce
    "tfce_queue"        = var.queue
    "tfce_key"          = each.key
  })

  # Nova makes these ports and deletes them with the VM.
  dynamic "network" {
    for_each = var.networks
    content {
      uuid = startswith(network.value, "name:") ? data.openstack_networking_network_v2.named[trimprefix(network.value, "name:")].id : network.value
    }
  }

  dynamic "block_device" {
    for_each = var.root_volume_gb > 0 ? [var.root_volume_gb] : []
    content {
      uuid                  = local.image_id
      source_type           = "image"
      destination_type      = "volume"
      volume_size           = block_device.value
      boot_index            = 0
      delete_on_termination = true
    }
  }

  timeouts {
    create = var.create_timeout
  }

  # Existing pilots are never changed, started again, replaced or destroyed by Terraform, whatever the variables say:
  # tfce destroys a VM through the cloud's API and then takes it out of the state.
  lifecycle {
    ignore_changes  = all
    prevent_destroy = true

    precondition {
      condition     = var.instance_count == length(var.pilots)
      error_message = "instance_count is ${var.instance_count}, but pilots has ${length(var.pilots)} entries: the list of desired pilots was damaged or edited by hand."
    }
  }
}
