halt='poweroff; sleep 120; poweroff -f; sleep 60; poweroff -ff'
detach() { setsid sh -c "$@" </dev/null >/dev/null 2>&1 & }
detach "sleep $1; $halt"
detach "sleep $2; [ -e /run/tfce-pilot-started ] || { $halt; }"
