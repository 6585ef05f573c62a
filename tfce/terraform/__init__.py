"""The Terraform edge: programs, modules, runs."""
