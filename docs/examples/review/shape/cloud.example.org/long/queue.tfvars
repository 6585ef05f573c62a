# cloud.example.org/long: the shape of its pilots. Rendered from DIRAC's configuration by `tfce render`; changes here are
# overwritten, unless Workspace_Approved names this file. How many pilots exist, and which, stands in scale.tfvars.json.
# No secret belongs in this file.

# Whose pilots these are: the VMs' tags
ce          = "cloud.example.org"
queue       = "long"
name_prefix = "tfce-"
tags        = {}

# What a pilot's VM is made of
image             = "name:grid-worker-2026.11"
image_owners      = ["self"]
flavor            = "name:t3.medium"
networks          = []
key_pair          = null
security_groups   = []
availability_zone = null
root_volume_gb    = 0

# Which cloud, and how patiently
cloud          = "EC2"
region         = "eu-west-1"
endpoint       = null
create_timeout = "600s"
max_retries    = 5
