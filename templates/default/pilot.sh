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
stamp=$(sh /root/stamp.sh)
if [ -z "$stamp" ]; then
  echo "tfce: this machine cannot tell its number in its batch: no stamp, no pilot"
  exit 1
fi
touch /run/tfce-pilot-started
echo "tfce: pilot $stamp starts"
runuser -l dirac -c "/mnt/startup.sh $stamp"
echo "tfce: pilot $stamp ended, exit code $?, after $SECONDS s; its last words:"
tail -n 50 "$home/startup.log"
