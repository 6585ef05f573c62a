# The variables are the same in every root module of tfce; bulk has cloud, market and max_price besides. Where both an id
# and "name:<exact name>" are taken, the name is looked up once per apply and must be unique.

# Who owns the pilots: these go into the metadata and nowhere else.

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
  description = "The image: its id, or name:<exact name>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|name:.+)$", var.image))
    error_message = "image must be an image id such as 646ff915-b812-480c-b1ec-62fa7e14adaf, or name:<exact name>."
  }
}

variable "image_owners" {
  description = "Has no meaning on OpenStack; accepted because the variables of all root modules are the same."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "flavor" {
  description = "The flavor: its id, or name:<exact name>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(name:.+|[^:]+)$", var.flavor))
    error_message = "flavor must be a flavor id, or name:<exact name> such as name:m1.medium."
  }
}

variable "networks" {
  description = "The VM's networks in the order of its interfaces: each an id, or name:<exact name>. Empty: the project's only one."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for network in var.networks : can(regex("^([0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|name:.+)$", network))])
    error_message = "Each of networks must be a network id such as 43c500c9-8486-43b4-860b-18da448b195a, or name:<exact name>."
  }
}

variable "key_pair" {
  description = "The SSH key pair's name; a leading name: is accepted. No key pair if null."
  type        = string
  default     = null
}

variable "security_groups" {
  description = "Security groups by name (a leading name: is accepted) or id. The project's default group if empty."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "availability_zone" {
  description = "The availability zone. The cloud chooses if null."
  type        = string
  default     = null
}

variable "root_volume_gb" {
  description = "Size in GiB of a volume to boot from, deleted with the VM. 0: no volume, the flavor's own disk."
  type        = number
  nullable    = false
  default     = 0

  validation {
    condition     = var.root_volume_gb >= 0 && floor(var.root_volume_gb) == var.root_volume_gb
    error_message = "root_volume_gb must be a whole number of GiB, or 0 to boot from the flavor's own disk."
  }
}

variable "name_prefix" {
  description = "A VM's name is this prefix and the pilot's key."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Additional metadata of every VM (255 bytes for a key or a value). It cannot replace tfce's own."
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
  description = "The region. From the provider's environment (OS_REGION_NAME) if null."
  type        = string
  default     = null
}

variable "endpoint" {
  description = "Keystone's URL. From the provider's environment (OS_AUTH_URL, or OS_CLOUD's entry) if null."
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
