# guard LIFETIME STARTLIMIT MARGIN: ends the machine when it has lived its time, or no pilot has started in time. Both
# count from the first boot of this instance. A reboot ends every pilot, so the machine follows, two minutes later. MARGIN
# seconds before the end, and as soon as the cloud gives notice, the pilot is asked to take no further job.
say() { timeout 5 sh -c "echo 'tfce: $1' >/dev/console"; }
halt() {
  say "stage=end status=failed code=$1"
  poweroff &
  sleep 120
  poweroff -f &
  sleep 60
  poweroff -ff
}
timeout 60 sh /etc/tfce/close &
state=/var/lib/cloud/instance/tfce
clock() { read -r up _ </proc/uptime && up=${up%.*}; }
clock
now=$(date +%s)
read -r boot </proc/sys/kernel/random/boot_id
[ -s $state/born ] || { mkdir -p $state && echo "$now $up $boot" >$state/born; }
read -r born bornup first <$state/born
case $born$bornup in
'' | *[!0-9]*) born=$now bornup=$up first=$boot ;;
esac
# Within a boot the clock may be set; it counts only where there is nothing else.
[ "$first" = "$boot" ] && age=$((up - bornup)) || age=$((now - born))
[ $age -gt 0 ] || age=0
# Each machine's own lifetime, up to a tenth shorter, so that those of a queue do not end together.
seed=$(cksum </var/lib/cloud/data/instance-id | cut -d ' ' -f 1)
end=$((up + $1 - ${seed:-0} % ($1 / 10 + 1) - age))
[ $end -gt $up ] || end=$((up + 1))
# The last word: two processes that are there already, and that need no other.
(sleep $((end - up + 300)) && echo o >/proc/sysrq-trigger) &
left=$(($2 - age))
[ $left -gt 1 ] || left=1
[ "$first" = "$boot" ] || left=$(($2 < 120 ? $2 : 120))
(sleep $left; read -r at <$state/pilot; [ "$at" = "$boot" ] || halt 124) &

# Every 5 s for the sake of a spot instance, which has two minutes; a pilot that was asked is asked again less often.
turn=0 why= pause=5
while clock && [ $up -lt $end ]; do
  asked=$why
  [ "$why" ] || why=$(timeout 15 sh /etc/tfce/notice $turn | head -c 80 | tr -cd 'a-z/_-')
  [ "$why" ] || [ $up -lt $((end - $3)) ] || why=lifetime
  if [ "$why" ]; then
    [ "$asked" ] || say "the pilot takes no further job ($why): this machine ends in $3 s at the latest"
    [ $((end - up)) -lt $3 ] || end=$((up + $3))
    pause=20
    timeout -k 5 30 runuser -u dirac -- sh -s </etc/tfce/drain >/dev/null 2>&1
  fi
  clock
  left=$((end - up)) turn=$((turn + 1))
  [ "$why" ] || [ $left -le $3 ] || left=$((left - $3))
  [ $left -lt $pause ] || left=$pause
  [ $left -lt 1 ] || sleep $left
done
halt 143
