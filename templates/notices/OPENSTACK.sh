# Says why the machine is to end: an operator set this property of the server. Every fifth minute, for nova's sake.
[ $(($1 % 60)) = 0 ] || exit 0
at=http://169.254.169.254/openstack/latest/meta_data.json
curl -sf -m 5 --max-filesize 65536 $at | grep -o -m 1 '"tfce_drain": *"[^"]' >/dev/null && echo tfce_drain
