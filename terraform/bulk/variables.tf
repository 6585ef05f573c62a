# The variables are the same in every root module of tfce; bulk has cloud, market and max_price besides. Where both an id
# and "name:<exact name>" are taken, the name is looked up once per apply and must be unique.

# Who owns the pilots: these go into the tags and nowhere else.

variable "installation" {
  description = "The DIRAC installation (setup or VO) that owns the pilots."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.installation) > 0
    error_message = "installation must not be empty: pilots are recognised as ours by it."
  }
}

variable "ce" {
  description = "The computing element that owns the pilots."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.ce) > 0
    error_message = "ce must not be empty: pilots are recognised as ours by it."
  }
}

variable "queue" {
  description = "The queue of the computing element that owns the pilots."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.queue) > 0
    error_message = "queue must not be empty: pilots are recognised as ours by it."
  }
}

# The desired pilots. Neither has a default: a forgotten file must be an error, never "no pilots wanted".

variable "pilots" {
  description = "The desired pilots: key (8 upper-case hex digits) to the time it was asked for (UTC) and its submission."
  type        = any # each is { born = string, submission = string }: as a map of that, 10 000 take Terraform 4 s more
  nullable    = false

  validation {
    condition     = can(regex("^([0-9A-F]{8},)*$", join("", formatlist("%s,", keys(var.pilots)))))
    error_message = "Every key of pilots must be 8 upper-case hexadecimal digits, such as 0A1B2C3D."
  }
}

variable "instance_count" {
  description = "The number of entries in pilots; any other number is refused."
  type        = number
  nullable    = false
}

# What each pilot's VM is made of.

variable "image" {
  description = "The image: its id, or name:<exact name>."
  type        = string
  nullable    = false

  validation {
    condition     = length(trimprefix(var.image, "name:")) > 0
    error_message = "image must be an image id, or name:<exact name>."
  }
}

variable "image_owners" {
  description = "EC2: whose images are searched for name:<exact AMI name>: account ids, self, amazon or aws-marketplace."
  type        = list(string)
  nullable    = false
  default = [
    "self",
    "amazon",
    "aws-marketplace",
    "099720109477", # Canonical (Ubuntu)
    "125523088429", # Fedora and CentOS
    "136693071363", # Debian
    "309956199498", # Red Hat
    "764336703387", # AlmaLinux OS Foundation
    "792107900819", # Rocky Linux
  ]

  validation {
    condition     = length(var.image_owners) > 0
    error_message = "image_owners must name at least one owner: anyone can publish an AMI of any name."
  }
}

variable "flavor" {
  description = "The flavor: its id (EC2: the instance type), or name:<exact name>."
  type        = string
  nullable    = false

  validation {
    condition     = length(trimprefix(var.flavor, "name:")) > 0
    error_message = "flavor must be a flavor id, or name:<exact name>."
  }
}

variable "networks" {
  description = "The VM's networks in the order of its interfaces (EC2: one subnet at most), each an id or name:<exact name>. Empty: what the cloud gives."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "key_pair" {
  description = "The SSH key pair's name; a leading name: is accepted. No key pair if null."
  type        = string
  default     = null
}

variable "security_groups" {
  description = "Security groups, each an id or name:<exact name>. The cloud's default if empty."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "availability_zone" {
  description = "The availability zone. The cloud chooses if null."
  type        = string
  default     = null
}

variable "market" {
  description = "spot: new VMs are EC2's spot instances, which EC2 may take back. None if null."
  type        = string
  default     = null

  validation {
    condition     = var.market == null || var.market == "spot"
    error_message = "market must be spot, or null."
  }
}

variable "max_price" {
  description = "The most that a spot instance may cost an hour, in dollars. The on-demand price if null."
  type        = string
  default     = null
}

variable "root_volume_gb" {
  description = "Size of the root volume in GiB. 0: what the image gives."
  type        = number
  nullable    = false
  default     = 0

  validation {
    condition     = var.root_volume_gb >= 0 && floor(var.root_volume_gb) == var.root_volume_gb
    error_message = "root_volume_gb must be a whole number of GiB, or 0 for what the image gives."
  }
}

variable "name_prefix" {
  description = "A VM's name is this prefix and the pilot's key."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Additional tags of every VM. They cannot replace tfce's own."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "contexts" {
  description = "Folder with the user data of new pilots: one UTF-8 text file per pilot, named by its key, or per batch (<name>-<size>)."
  type        = string
  nullable    = false
}

# The cloud.

variable "cloud" {
  description = "libcloud's name of the cloud (OPENSTACK, EC2, ...), or the dotted name of a driver class."
  type        = string
  nullable    = false
}

variable "region" {
  description = "The region. What the driver's options say, if null."
  type        = string
  default     = null
}

variable "endpoint" {
  description = "URL of the EC2 API, or of keystone. What the driver's options say, if null."
  type        = string
  default     = null
}

variable "max_retries" {
  description = "How often a request is repeated that the cloud refused for being asked too often."
  type        = number
  nullable    = false
  default     = 5
}

variable "create_timeout" {
  description = "Has no meaning here, as nothing waits for a VM to run; accepted because the variables of all root modules are the same."
  type        = string
  nullable    = false
  default     = "10m"
}
