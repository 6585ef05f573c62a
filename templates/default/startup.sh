#!/bin/bash
export PILOT_UUID="cloud://$(cat /var/lib/cloud/data/instance-id)"
export DIRAC_PILOT_STAMP="$1"
[ -r /mnt/proxy.pem ] && export X509_USER_PROXY=/mnt/proxy.pem
cd || exit
exec bash ./run_pilot.sh >startup.log 2>&1
