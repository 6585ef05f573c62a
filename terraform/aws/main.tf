# Credentials come from the environment only (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN).
provider "aws" {
  region      = var.region
  max_retries = var.max_retries

  # None of these checks helps a pilot, each costs requests or fails on clouds that only speak EC2's API.
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true

  dynamic "endpoints" {
    for_each = var.endpoint == null ? [] : [var.endpoint]
    content {
      ec2 = endpoints.value
    }
  }
}

locals {
  image_name   = startswith(var.image, "name:") ? trimprefix(var.image, "name:") : null
  network      = one(var.networks)
  network_name = one([for name in var.networks : trimprefix(name, "name:") if startswith(name, "name:")])

  security_group_names = toset([
    for group in var.security_groups : trimprefix(group, "name:") if startswith(group, "name:")
  ])
}

# EC2 reads * and ? in the values of filters as wildcards. A backslash makes them plain characters: names are exact.
# More than one match is an error, never "the newest": everybody can publish an image under a well-known name.

data "aws_ami" "named" {
  count  = local.image_name == null ? 0 : 1
  owners = var.image_owners

  filter {
    name   = "name"
    values = [replace(local.image_name, "/[\\\\*?]/", "\\$0")]
  }
}

data "aws_subnet" "named" {
  count = local.network_name == null ? 0 : 1

  filter {
    name   = "tag:Name"
    values = [replace(local.network_name, "/[\\\\*?]/", "\\$0")]
  }
}

data "aws_security_group" "named" {
  for_each = local.security_group_names

  filter {
    name   = "group-name"
    values = [replace(each.key, "/[\\\\*?]/", "\\$0")]
  }
}

resource "aws_instance" "pilot" {
  for_each = var.pilots

  ami               = local.image_name == null ? var.image : data.aws_ami.named[0].id
  instance_type     = trimprefix(var.flavor, "name:")
  key_name          = var.key_pair == null ? null : trimprefix(var.key_pair, "name:")
  subnet_id         = local.network_name == null ? local.network : data.aws_subnet.named[0].id
  availability_zone = var.availability_zone

  vpc_security_group_ids = length(var.security_groups) == 0 ? null : [
    for group in var.security_groups :
    startswith(group, "name:") ? data.aws_security_group.named[trimprefix(group, "name:")].id : group
  ]

  # instance_initiated_shutdown_behavior is not set: EC2's default is "stop", which is what we need (a VM whose pilot
  # has ended stays, stopped, until it is reaped), and setting it costs one more request per VM after its creation.

  # The context is deleted as soon as the VM exists; ignore_changes keeps that from mattering. A VM that came up
  # without a context would serve nobody: it switches itself off.
  user_data = sensitive(
    fileexists("${var.contexts}/${each.key}") ? file("${var.contexts}/${each.key}") : "#!/bin/sh\npoweroff\n"
  )

  tags = merge(var.tags, {
    "Name"              = "${var.name_prefix}${each.key}"
    "tfce:installation" = var.installation
    "tfce:ce"           = var.ce
    "tfce:queue"        = var.queue
    "tfce:key"          = each.key
  })

  dynamic "root_block_device" {
    for_each = var.root_volume_gb > 0 ? [var.root_volume_gb] : []
    content {
      volume_size           = root_block_device.value
      delete_on_termination = true
    }
  }

  timeouts {
    create = var.create_timeout
  }

  # Existing pilots are never changed, replaced or destroyed by Terraform, whatever the variables say: tfce destroys
  # a VM through the cloud's API and then takes it out of the state.
  lifecycle {
    ignore_changes  = all
    prevent_destroy = true

    precondition {
      condition     = var.instance_count == length(var.pilots)
      error_message = "instance_count is ${var.instance_count}, but pilots has ${length(var.pilots)} entries: the list of desired pilots was damaged or edited by hand."
    }
  }
}
