#!/bin/bash
# pilot LINGER: runs the pilot as dirac and ends the machine. The pilot and all it leaves are a scope of their own,
# which is killed first; root opens their log, and looks at nothing that they own.
say() { echo "tfce: stage=$1 status=$2 code=$3"; }
started() { mkdir -p $state && cat /proc/sys/kernel/random/boot_id >$state/pilot; }
halt() {
  code=$?
  trap '' HUP INT TERM
  timeout -k 5 20 systemctl kill -s KILL tfce-pilot.scope >/dev/null 2>&1
  if [ $code != 0 ] && [ $linger -gt 0 ]; then
    started
    echo "tfce: this machine stays $linger s more for whoever looks into it (Context_Linger)"
    sleep $linger
  fi
  [ $code = 0 ] && say end ok 0 || say end failed $code
  poweroff &
  trap - TERM
  sleep 120
  poweroff -f &
  sleep 60
  poweroff -ff
}
linger=$1 state=/var/lib/cloud/instance/tfce
trap halt EXIT
trap 'exit 143' HUP INT TERM
echo -1000 2>/dev/null >/proc/$$/oom_score_adj

say network start 0
timeout -k 5 60 sh /etc/tfce/close >/dev/null 2>&1
code=$?
if [ $code != 0 ]; then
  say network failed $code
  echo "tfce: the metadata service cannot be closed on this machine: no pilot"
  exit 1
fi
say network ok 0

say proxy start 0
home=$(getent passwd dirac | cut -d: -f6)
install -D -m 0755 /root/startup.sh /mnt/startup.sh
install -o dirac -g dirac -m 0700 /root/run_pilot.sh "$home/run_pilot.sh" || exit
[ ! -f /root/proxy.pem ] || install -o dirac -g dirac -m 0600 /root/proxy.pem /mnt/proxy.pem
code=$?
rm -f /root/proxy.pem /root/run_pilot.sh
[ $code = 0 ] && say proxy ok 0 || say proxy failed $code

stamp=$(sh /root/stamp.sh)
id=$(tr -cd 'A-Za-z0-9._:-' </var/lib/cloud/data/instance-id)
sh /root/private.sh >/dev/null 2>&1
if [ -z "$stamp" ]; then
  echo "tfce: this machine cannot tell its number in its batch: no stamp, no pilot"
  exit 1
fi
started
say wrapper start 0
echo "tfce: pilot $stamp starts"
umask 022
scope='systemd-run --scope --unit=tfce-pilot'
[ -d /run/systemd/system ] || scope=
(
  echo 0 2>/dev/null >/proc/$BASHPID/oom_score_adj
  exec $scope runuser -l dirac -c "/mnt/startup.sh $stamp $id"
) </dev/null >>/mnt/startup.log 2>&1
code=$?
[ $code = 0 ] && say wrapper ok 0 || say wrapper failed $code
echo "tfce: pilot $stamp ended, exit code $code, after $SECONDS s; its last words:"
tail -c 8192 /mnt/startup.log | tail -n 50 | tr -cd '\11\12\40-\176' | cut -c 1-200 | sed 's/^/| /'
exit $code
