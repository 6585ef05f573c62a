id dirac || useradd -m -d /mnt/dirac -s /bin/bash dirac
passwd -l dirac
home=$(getent passwd dirac | cut -d: -f6)
mkdir -p "$home/etc/grid-security"
certificates=/cvmfs/grid.cern.ch/etc/grid-security/certificates
echo "tfce: stage=cvmfs status=start code=0"
code=0
timeout -k 5 300 stat $certificates || code=$?
[ $code = 0 ] && state=ok || state=failed
echo "tfce: stage=cvmfs status=$state code=$code"
ln -sfn $certificates "$home/etc/grid-security/certificates"
chown -h dirac:dirac "$home" "$home/etc" "$home/etc/grid-security" "$home/etc/grid-security/certificates"
