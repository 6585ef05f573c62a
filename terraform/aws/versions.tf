terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # From 6.0 on the provider keeps user data in clear in the state; up to 5.x only its SHA-1 goes there.
      # User data carries the pilot's proxy, so 6.x must never be allowed here.
      version = ">= 3.39, < 6.0"
    }
  }
}
