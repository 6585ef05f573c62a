#!/bin/bash
halt() {
  trap '' HUP INT TERM
  sync
  poweroff
  trap - TERM
  sleep 120
  poweroff -f
  sleep 60
  poweroff -ff
}
trap halt EXIT
trap 'exit 1' HUP INT TERM
home=$(getent passwd dirac | cut -d: -f6)
install -D -m 0755 /root/startup.sh /mnt/startup.sh
install -o dirac -g dirac -m 0700 /root/run_pilot.sh "$home/run_pilot.sh" || exit
[ -f /root/proxy.pem ] && install -o dirac -g dirac -m 0600 /root/proxy.pem /mnt/proxy.pem
rm -f /root/proxy.pem /root/run_pilot.sh
touch /run/tfce-pilot-started
echo "tfce: pilot STAMP_STR starts"
runuser -l dirac -c /mnt/startup.sh
echo "tfce: pilot STAMP_STR ended, exit code $?, after $SECONDS s; its last words:"
tail -n 50 "$home/startup.log"
