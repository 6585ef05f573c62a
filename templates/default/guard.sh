# guard LIFETIME STARTLIMIT: ends the machine when it has lived its time, or no pilot has started in time. Both count
# from the first boot of this instance. A reboot ends every pilot, so the machine follows, two minutes later.
halt() {
  timeout 5 sh -c "echo tfce: stage=end status=failed code=$1 >/dev/console"
  poweroff &
  sleep 120
  poweroff -f &
  sleep 60
  poweroff -ff
}
timeout 60 sh /etc/tfce/close &
state=/var/lib/cloud/instance/tfce
now=$(date +%s)
read -r up _ </proc/uptime
read -r boot </proc/sys/kernel/random/boot_id
[ -s $state/born ] || { mkdir -p $state && echo "$now ${up%.*} $boot" >$state/born; }
read -r born bornup first <$state/born
case $born$bornup in
'' | *[!0-9]*) born=$now bornup=${up%.*} first=$boot ;;
esac
# Within a boot the clock may be set; it counts only where there is nothing else.
[ "$first" = "$boot" ] && age=$((${up%.*} - bornup)) || age=$((now - born))
[ $age -gt 0 ] || age=0
after() { # after SECONDS: how long from now
  left=$(($1 - age))
  [ $left -gt 1 ] || left=1
}
after $1
# The last word: two processes that are there already, and that need no other.
(sleep $((left + 300)) && echo o >/proc/sysrq-trigger) &
after $2
[ "$first" = "$boot" ] || left=$(($2 < 120 ? $2 : 120))
(sleep $left; read -r at <$state/pilot; [ "$at" = "$boot" ] || halt 124) &
after $1
sleep $left
halt 143
