# What the module asks of OpenStack, without a cloud: terraform init && terraform test

mock_provider "openstack" {
  mock_data "openstack_images_image_v2" {
    defaults = { id = "11111111-0000-0000-0000-000000000001" }
  }
  mock_data "openstack_compute_flavor_v2" {
    defaults = { id = "22222222-0000-0000-0000-000000000001" }
  }
}

override_data {
  target = data.openstack_networking_network_v2.named["my_public_net"]
  values = { id = "33333333-0000-0000-0000-000000000001" }
}

override_data {
  target = data.openstack_networking_network_v2.named["my_private_net"]
  values = { id = "33333333-0000-0000-0000-000000000002" }
}

variables {
  installation   = "vo"
  ce             = "cloudprov.mysite.example"
  queue          = "default"
  name_prefix    = "vo-"
  contexts       = "tests/contexts"
  image          = "name:CentOS-7-x86_64-GenericCloud-1905"
  flavor         = "name:m1.medium"
  networks       = ["name:my_public_net", "name:my_private_net"]
  key_pair       = "mysshkey"
  instance_count = 2
  pilots = {
    "0A1B2C3D" = { born = "2026-01-02T03:04:05Z", submission = "one" }
    "FFFFFFFF" = { born = "2026-01-02T03:04:05Z", submission = "one" }
  }
}

run "names" {
  command = plan

  assert {
    condition     = length(openstack_compute_instance_v2.pilot) == 2
    error_message = "one VM per pilot"
  }
  assert {
    condition     = length(data.openstack_images_image_v2.named) == 1 && length(data.openstack_compute_flavor_v2.named) == 1
    error_message = "names are looked up once, not per pilot"
  }
  assert {
    condition     = data.openstack_images_image_v2.named[0].name == "CentOS-7-x86_64-GenericCloud-1905"
    error_message = "the image is looked up by its exact name"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].image_id == "11111111-0000-0000-0000-000000000001"
    error_message = "the VM is given the image's id"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].flavor_id == "22222222-0000-0000-0000-000000000001"
    error_message = "the VM is given the flavor's id"
  }
  assert {
    condition     = [for network in openstack_compute_instance_v2.pilot["0A1B2C3D"].network : network.uuid] == ["33333333-0000-0000-0000-000000000001", "33333333-0000-0000-0000-000000000002"]
    error_message = "the networks are attached in the order given"
  }
}

run "a_pilots_vm" {
  command = plan

  variables {
    tags = { "tfce_queue" = "another", "experiment" = "lhcb" }
  }

  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].name == "vo-0A1B2C3D"
    error_message = "the name is the prefix and the key"
  }
  assert {
    condition = openstack_compute_instance_v2.pilot["0A1B2C3D"].metadata == tomap({
      "tfce_installation" = "vo"
      "tfce_ce"           = "cloudprov.mysite.example"
      "tfce_queue"        = "default"
      "tfce_key"          = "0A1B2C3D"
      "experiment"        = "lhcb"
    })
    error_message = "the metadata says whose pilot it is, and no other tag can say otherwise"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].config_drive
    error_message = "the context must not depend on a metadata service"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].key_pair == "mysshkey"
    error_message = "the key pair is handed over by name"
  }
  assert {
    condition     = length(openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device) == 0
    error_message = "no volume unless asked for"
  }
  assert {
    condition     = strcontains(nonsensitive(openstack_compute_instance_v2.pilot["0A1B2C3D"].user_data), "the context of 0A1B2C3D")
    error_message = "a pilot gets its own context"
  }
  assert {
    condition     = nonsensitive(openstack_compute_instance_v2.pilot["FFFFFFFF"].user_data) == "#!/bin/sh\npoweroff\n"
    error_message = "a VM without a context switches itself off"
  }
  assert {
    condition     = issensitive(openstack_compute_instance_v2.pilot["0A1B2C3D"].user_data)
    error_message = "user data must not be shown"
  }
}

run "ids_are_not_looked_up" {
  command = plan

  variables {
    image    = "646ff915-b812-480c-b1ec-62fa7e14adaf"
    flavor   = "d4338c99-e09e-4a00-8955-dae78b5b51d9"
    networks = ["52ece26d-434e-4ce4-8b60-4380e98e38eb", "name:my_public_net"]
  }

  assert {
    condition     = length(data.openstack_images_image_v2.named) == 0 && length(data.openstack_compute_flavor_v2.named) == 0
    error_message = "an id needs no look-up"
  }
  assert {
    condition     = [for network in openstack_compute_instance_v2.pilot["FFFFFFFF"].network : network.uuid] == ["52ece26d-434e-4ce4-8b60-4380e98e38eb", "33333333-0000-0000-0000-000000000001"]
    error_message = "ids and names can be mixed, in order"
  }
}

run "options_that_cloudce_lacks" {
  command = plan

  variables {
    root_volume_gb    = 20
    availability_zone = "az1"
    security_groups   = ["name:pilots", "default"]
    key_pair          = null
  }

  assert {
    condition = (
      openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device[0].uuid == "11111111-0000-0000-0000-000000000001" &&
      openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device[0].source_type == "image" &&
      openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device[0].destination_type == "volume" &&
      openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device[0].boot_index == 0 &&
      openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device[0].volume_size == 20
    )
    error_message = "the VM boots from a new volume made of the image"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].block_device[0].delete_on_termination
    error_message = "the volume goes with the VM"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].availability_zone == "az1"
    error_message = "the availability zone is passed on"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].security_groups == toset(["pilots", "default"])
    error_message = "security groups are passed on by name"
  }
  assert {
    condition     = openstack_compute_instance_v2.pilot["0A1B2C3D"].key_pair == null
    error_message = "a key pair is optional"
  }
}

run "a_damaged_list_of_desired_pilots_is_refused" {
  command = plan

  variables {
    instance_count = 3
  }

  expect_failures = [openstack_compute_instance_v2.pilot]
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    pilots         = { "lower123" = { born = "2026-01-02T03:04:05Z", submission = "one" } }
    instance_count = 1
    image          = "CentOS-7-x86_64-GenericCloud-1905"
    flavor         = "name:"
    networks       = ["my_public_net"]
    root_volume_gb = -1
    queue          = ""
  }

  expect_failures = [var.pilots, var.image, var.flavor, var.networks, var.root_volume_gb, var.queue]
}
