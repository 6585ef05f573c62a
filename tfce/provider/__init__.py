"""tfce's own Terraform provider: one resource holds all pilots of a queue, in any cloud that libcloud knows.

``pilots`` decides (no Terraform in it), ``resources`` speaks the framework's language, ``serve`` the plugin
protocol. Only this package imports the framework ``tf`` and gRPC.
"""
