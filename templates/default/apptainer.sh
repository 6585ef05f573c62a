command -v apptainer || command -v singularity && exit
command -v dnf && dnf -y install epel-release && dnf -y install apptainer && exit
for name in apptainer singularity; do
  printf '#!/bin/sh\nexec /cvmfs/oasis.opensciencegrid.org/mis/apptainer/bin/%s "$@"\n' $name >/usr/local/bin/$name
  chmod 0755 /usr/local/bin/$name
done
