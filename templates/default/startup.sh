#!/bin/bash
export DIRAC_PILOT_STAMP="$1"
export PILOT_UUID="cloud://$2"
[ -r /mnt/proxy.pem ] && export X509_USER_PROXY=/mnt/proxy.pem
cd || exit
exec bash ./run_pilot.sh
