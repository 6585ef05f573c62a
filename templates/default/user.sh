id dirac || useradd -m -d /mnt/dirac -s /bin/bash dirac
passwd -l dirac
home=$(getent passwd dirac | cut -d: -f6)
mkdir -p "$home/etc/grid-security"
certificates=/cvmfs/grid.cern.ch/etc/grid-security/certificates
timeout 300 stat $certificates
ln -sfn $certificates "$home/etc/grid-security/certificates"
chown -h dirac:dirac "$home" "$home/etc" "$home/etc/grid-security" "$home/etc/grid-security/certificates"
