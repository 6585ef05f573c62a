# What pilots of this site may be. conftest reads it, and OPA. It is asked about two files: the plan
# (`terraform show -json`), and pilot.json, which has the alternatives.
package main

import rego.v1

max_cores := 16

flavors contains bare(input.variables.flavor.value)

flavors contains bare(flavor) if some flavor in input.alternatives.flavors

image := bare(input.variables.image.value)

bare(text) := trim_prefix(text, "name:")

deny contains sprintf("flavor %s: nobody wrote down how many cores it has, see policy/data/site.json", [flavor]) if {
	some flavor in flavors
	not data.site.cores[flavor]
}

deny contains sprintf("flavor %s has %d cores, more than %d", [flavor, data.site.cores[flavor], max_cores]) if {
	some flavor in flavors
	data.site.cores[flavor] > max_cores
}

deny contains sprintf("image %s is not ours: it begins like none in policy/data/site.json", [image]) if {
	not ours
}

ours if not input.variables.image

ours if {
	some start in data.site.images
	startswith(image, start)
}

deny contains "anybody can publish an image of any name: image_owners must be our account alone" if {
	some owner in input.variables.image_owners.value
	not owner in data.site.owners
}
