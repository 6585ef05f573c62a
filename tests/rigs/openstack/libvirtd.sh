#!/bin/sh
# libvirtd without systemd: `libvirtd.sh FOLDER`. All its files are in FOLDER, which it sees at the places where it
# looks for them; nobody else does.
set -e
for place in etc/libvirt run/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt; do
  mkdir -p "/$place" "$1/$place"
  mount --bind "$1/$place" "/$place"
done
# It will not start without the account that Debian's packages make for their own settings; ours use root.
for table in passwd:x:64055:64055::/:/bin/false group:x:64055:; do
  file=${table%%:*}
  { cat "/etc/$file"; echo "libvirt-qemu:${table#*:}"; } >"$1/$file"
  mount --bind "$1/$file" "/etc/$file"
done
exec libvirtd --config "$1/libvirtd.conf"
