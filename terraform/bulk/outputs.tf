# There are no outputs, on purpose. Outputs are not written when one pilot of an apply fails. Read the pilots' ids from
# `terraform show -json`: values.root_module.resources[], type "tfce_pilots", name "queue": values.ids is a map from the
# key to the instance id.
