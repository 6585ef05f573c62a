# guard LIFETIME STARTLIMIT: ends the machine when it has lived its time, or no pilot has started in time. Both count
# from the first boot of this instance. A reboot ends every pilot, so the machine follows, five minutes later.
halt() {
  echo "tfce: stage=end status=failed code=$1" >/dev/console &
  poweroff &
  sleep 120
  poweroff -f &
  sleep 60
  poweroff -ff
}
timeout 60 sh /etc/tfce/close &
state=/var/lib/cloud/instance/tfce
now=$(date +%s)
read -r boot </proc/sys/kernel/random/boot_id
[ -s $state/born ] || { mkdir -p $state && echo "$now $boot" >$state/born; }
born=$now first=$boot
read -r born first <$state/born
least=1
[ "$first" = "$boot" ] || least=$(($2 < 300 ? $2 : 300))
after() { # after SECONDS: how long from now, whatever the clock says
  left=$((born + $1 - now))
  [ $left -lt $1 ] || left=$1
  [ $left -gt $least ] || left=$least
}
after $1
# The last word: two processes that are there already, and that need no other.
(sleep $((left + 300)) && echo o >/proc/sysrq-trigger) &
after $2
(sleep $left; read -r at <$state/pilot; [ "$at" = "$boot" ] || halt 124) &
after $1
sleep $left
halt 143
