# There are no outputs, on purpose. Outputs made from the desired pilots are not written at all when one pilot of an apply
# fails, and go stale after `terraform state rm`, so that plans would never be empty. Read the pilots' ids from
# `terraform show -json`: values.root_module.resources[], type "openstack_compute_instance_v2", name "pilot": index
# is the key, values.id the reference.
