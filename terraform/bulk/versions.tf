terraform {
  required_version = ">= 1.6"

  required_providers {
    tfce = {
      # Part of tfce itself; tfce puts it where Terraform looks for it.
      source = "tfce/tfce"
    }
  }
}
