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
  type        = map(object({ born = string, submission = string }))
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.pilots) : can(regex("^[0-9A-F]{8}$", key))])
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
  description = "The machine image: an AMI id, or name:<exact AMI name>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(ami-[0-9a-zA-Z]+|name:.+)$", var.image))
    error_message = "image must be an AMI id such as ami-0123456789abcdef0, or name:<exact AMI name>."
  }
}

variable "image_owners" {
  description = "Whose images are searched for name:<exact AMI name>: account ids, self, amazon or aws-marketplace."
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
  description = "The instance type, such as m5.large. A leading name: is accepted."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(name:)?[^:]+$", var.flavor))
    error_message = "flavor must be an instance type, such as m5.large or name:m5.large."
  }
}

variable "networks" {
  description = "No entry (the default VPC) or one: a subnet id, or name:<Name tag of the subnet>."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(var.networks) <= 1
    error_message = "networks must have one entry at most on EC2: a pilot's VM has one network interface, in one subnet."
  }

  validation {
    condition     = alltrue([for network in var.networks : can(regex("^(subnet-[0-9a-zA-Z]+|name:.+)$", network))])
    error_message = "Each of networks must be a subnet id such as subnet-0123456789abcdef0, or name:<Name tag>."
  }
}

variable "key_pair" {
  description = "The SSH key pair's name; a leading name: is accepted. No key pair if null."
  type        = string
  default     = null
}

variable "security_groups" {
  description = "Security group ids, or name:<group name>. The VPC's default group if empty."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for group in var.security_groups : can(regex("^(sg-[0-9a-zA-Z]+|name:.+)$", group))])
    error_message = "Each of security_groups must be an id such as sg-0123456789abcdef0, or name:<group name>."
  }
}

variable "availability_zone" {
  description = "The availability zone. EC2 chooses if null."
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
  description = "Folder with the user data of new pilots: one UTF-8 text file per pilot, named by its key."
  type        = string
  nullable    = false
}

# The cloud.

variable "region" {
  description = "The region. From the provider's environment (AWS_REGION) if null."
  type        = string
  default     = null
}

variable "endpoint" {
  description = "URL of the EC2 API, for clouds other than Amazon's. The region's own if null."
  type        = string
  default     = null
}

variable "max_retries" {
  description = "How often the provider repeats a request that failed for a passing reason."
  type        = number
  nullable    = false
  default     = 5
}

variable "create_timeout" {
  description = "How long the provider waits for a new VM to run."
  type        = string
  nullable    = false
  default     = "10m"
}
