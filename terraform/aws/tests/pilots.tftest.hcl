# Offline: `terraform init` and `terraform test` (Terraform 1.7 or newer, OpenTofu 1.8 or newer). No cloud is asked.
# Plans only: what an apply makes is kept by prevent_destroy, even from the end of a test. That existing pilots are
# neither changed nor destroyed is tested on an emulated cloud.

mock_provider "aws" {
  mock_data "aws_ami" {
    defaults = { id = "ami-found" }
  }

  mock_data "aws_subnet" {
    defaults = { id = "subnet-found" }
  }

  mock_data "aws_security_group" {
    defaults = { id = "sg-found" }
  }
}

variables {
  installation   = "Test-Prod"
  ce             = "ce.example.org"
  queue          = "long"
  pilots         = { "0A1B2C3D" = { born = "2026-01-02T03:04:05Z", submission = "B1" } }
  instance_count = 1
  image          = "ami-0123456789abcdef0"
  flavor         = "m5.large"
  name_prefix    = "tfce-long-"
  contexts       = "tests/contexts"
  region         = "eu-west-1"
}

run "raw_ids_are_used_as_they_are" {
  command = plan

  variables {
    networks        = ["subnet-0123456789abcdef0"]
    key_pair        = "ops"
    security_groups = ["sg-0123456789abcdef0"]
  }

  assert {
    condition = (
      aws_instance.pilot["0A1B2C3D"].ami == "ami-0123456789abcdef0" &&
      aws_instance.pilot["0A1B2C3D"].instance_type == "m5.large" &&
      aws_instance.pilot["0A1B2C3D"].subnet_id == "subnet-0123456789abcdef0" &&
      aws_instance.pilot["0A1B2C3D"].key_name == "ops" &&
      aws_instance.pilot["0A1B2C3D"].vpc_security_group_ids == toset(["sg-0123456789abcdef0"])
    )
    error_message = "A raw id was changed."
  }

  assert {
    condition     = length(data.aws_ami.named) + length(data.aws_subnet.named) + length(data.aws_security_group.named) == 0
    error_message = "A look-up was made although nothing is given by name: each costs a request."
  }
}

run "names_are_looked_up" {
  command = plan

  variables {
    image           = "name:Our Image 9.4"
    flavor          = "name:m5.large"
    networks        = ["name:batch"]
    key_pair        = "name:ops"
    security_groups = ["name:pilots", "sg-raw"]
  }

  assert {
    condition = (
      aws_instance.pilot["0A1B2C3D"].ami == "ami-found" &&
      aws_instance.pilot["0A1B2C3D"].instance_type == "m5.large" &&
      aws_instance.pilot["0A1B2C3D"].subnet_id == "subnet-found" &&
      aws_instance.pilot["0A1B2C3D"].key_name == "ops" &&
      aws_instance.pilot["0A1B2C3D"].vpc_security_group_ids == toset(["sg-found", "sg-raw"])
    )
    error_message = "A name was not looked up, or its prefix was kept."
  }

  assert {
    condition     = one(one(data.aws_ami.named[0].filter).values) == "Our Image 9.4"
    error_message = "The image is not looked up by its exact name."
  }

  assert {
    condition     = data.aws_ami.named[0].most_recent != true && length(data.aws_ami.named[0].owners) > 0
    error_message = "The image's name must be unique among trusted owners: the newest of anybody's may be a forgery."
  }
}

run "wildcards_in_names_are_plain_characters" {
  command = plan

  variables {
    image           = "name:a*b?c\\d"
    networks        = ["name:*"]
    security_groups = ["name:p?"]
  }

  assert {
    condition = (
      one(one(data.aws_ami.named[0].filter).values) == "a\\*b\\?c\\\\d" &&
      one(one(data.aws_subnet.named[0].filter).values) == "\\*" &&
      one(one(data.aws_security_group.named["p?"].filter).values) == "p\\?"
    )
    error_message = "A wildcard would match other names."
  }
}

run "every_vm_says_whose_it_is" {
  command = plan

  variables {
    tags = { owner = "grid", "tfce:key" = "forged", Name = "forged" }
  }

  assert {
    condition = aws_instance.pilot["0A1B2C3D"].tags == tomap({
      "Name"              = "tfce-long-0A1B2C3D"
      "owner"             = "grid"
      "tfce:installation" = "Test-Prod"
      "tfce:ce"           = "ce.example.org"
      "tfce:queue"        = "long"
      "tfce:key"          = "0A1B2C3D"
    })
    error_message = "The tags must name installation, CE, queue and key, and nothing may replace them."
  }
}

run "the_context_is_the_user_data" {
  command = plan

  assert {
    condition     = nonsensitive(aws_instance.pilot["0A1B2C3D"].user_data) == file("tests/contexts/0A1B2C3D")
    error_message = "The user data is not the pilot's context."
  }

  assert {
    condition     = issensitive(aws_instance.pilot["0A1B2C3D"].user_data)
    error_message = "The user data would be shown in plans."
  }
}

run "a_vm_without_a_context_switches_itself_off" {
  command = plan

  variables {
    contexts = "tests/no-such-folder"
  }

  assert {
    condition     = nonsensitive(aws_instance.pilot["0A1B2C3D"].user_data) == "#!/bin/sh\npoweroff\n"
    error_message = "A VM without a context would run, and cost, for ever."
  }
}

run "the_root_volume_is_the_images_unless_given" {
  command = plan

  assert {
    condition     = length(aws_instance.pilot["0A1B2C3D"].root_block_device) == 0
    error_message = "root_volume_gb = 0 must leave the root volume to the image."
  }
}

run "a_root_volume_goes_with_its_vm" {
  command = plan

  variables {
    root_volume_gb = 40
  }

  assert {
    condition = (
      one(aws_instance.pilot["0A1B2C3D"].root_block_device).volume_size == 40 &&
      one(aws_instance.pilot["0A1B2C3D"].root_block_device).delete_on_termination
    )
    error_message = "The root volume has the wrong size, or would be left behind."
  }
}

run "no_desired_pilots_are_no_error" {
  command = plan

  variables {
    pilots         = {}
    instance_count = 0
  }

  assert {
    condition     = length(aws_instance.pilot) == 0
    error_message = "Pilots out of nothing."
  }
}

run "a_damaged_list_of_desired_pilots_is_refused" {
  command         = plan
  expect_failures = [aws_instance.pilot]

  variables {
    instance_count = 2
  }
}

run "a_malformed_key_is_refused" {
  command         = plan
  expect_failures = [var.pilots]

  variables {
    pilots = { "0a1b2c3d" = { born = "2026-01-02T03:04:05Z", submission = "B1" } }
  }
}

run "two_networks_are_refused" {
  command         = plan
  expect_failures = [var.networks]

  variables {
    networks = ["subnet-1", "subnet-2"]
  }
}

run "a_bare_image_name_is_refused" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = "Our Image 9.4"
  }
}

run "images_of_anybody_are_refused" {
  command         = plan
  expect_failures = [var.image_owners]

  variables {
    image_owners = []
  }
}
