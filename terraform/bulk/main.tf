# Credentials come from the environment only: TFCE_CLOUD_KEY and TFCE_CLOUD_SECRET.
provider "tfce" {
  cloud    = var.cloud
  region   = var.region
  endpoint = var.endpoint
}

locals {
  image_name  = startswith(var.image, "name:") ? trimprefix(var.image, "name:") : null
  flavor_name = startswith(var.flavor, "name:") ? trimprefix(var.flavor, "name:") : null

  network_names = toset([for network in var.networks : trimprefix(network, "name:") if startswith(network, "name:")])

  security_group_names = toset([
    for group in var.security_groups : trimprefix(group, "name:") if startswith(group, "name:")
  ])
}

# More than one match is an error, never "the newest".

data "tfce_image" "named" {
  count  = local.image_name == null ? 0 : 1
  name   = local.image_name
  owners = var.image_owners
}

data "tfce_flavor" "named" {
  count = local.flavor_name == null ? 0 : 1
  name  = local.flavor_name
}

data "tfce_network" "named" {
  for_each = local.network_names
  name     = each.key
}

data "tfce_security_group" "named" {
  for_each = local.security_group_names
  name     = each.key
}

locals {
  # Asked for once, and gone for good when EC2 takes it back: a VM that starts again has no pilot.
  spot = {
    "InstanceMarketOptions.MarketType"                               = "spot"
    "InstanceMarketOptions.SpotOptions.SpotInstanceType"             = "one-time"
    "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior" = "terminate"
  }
  price = var.max_price == null ? {} : { "InstanceMarketOptions.SpotOptions.MaxPrice" = var.max_price }
}

resource "tfce_pilots" "queue" {
  installation = var.installation
  ce           = var.ce
  queue        = var.queue

  pilots = { for key, pilot in var.pilots : key => pilot.born }

  # What new pilots are made of. Existing ones stay as they are, whatever is changed here.
  image             = local.image_name == null ? var.image : data.tfce_image.named[0].id
  flavor            = local.flavor_name == null ? var.flavor : data.tfce_flavor.named[0].id
  key_pair          = var.key_pair == null ? null : trimprefix(var.key_pair, "name:")
  availability_zone = var.availability_zone
  root_volume_gb    = var.root_volume_gb
  name_prefix       = var.name_prefix
  tags              = var.tags
  contexts          = var.contexts
  max_retries       = var.max_retries
  options           = var.market == "spot" ? merge(local.spot, local.price) : null

  networks = [
    for network in var.networks :
    startswith(network, "name:") ? data.tfce_network.named[trimprefix(network, "name:")].id : network
  ]

  security_groups = [
    for group in var.security_groups :
    startswith(group, "name:") ? data.tfce_security_group.named[trimprefix(group, "name:")].id : group
  ]

  # The provider itself never destroys a VM: tfce does so through the cloud's API, and a pilot leaves the state when its
  # VM is gone.
  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = var.instance_count == length(var.pilots)
      error_message = "instance_count is ${var.instance_count}, but pilots has ${length(var.pilots)} entries: the list of desired pilots was damaged or edited by hand."
    }
  }
}
