#!/bin/sh
# A machine without a hypervisor: `cloudinit-machine.sh LOWER WORK` boots the root file system LOWER (kept as it
# is, an overlay in WORK takes the changes) in namespaces of its own, and ends when the machine is switched off.
# WORK/upper/seed holds what tests/rigs/cloudinit.py put there. Needs root; touches nothing outside WORK.
#
# The host is safe from what runs inside: reboot(2) in a PID namespace ends the namespace, sysctls other than the
# user namespace's own are read-only, and /dev has no disk.
set -e

off() { # what `poweroff` and `shutdown` are in the machine: who asked, then the end
  cat <<'STUB'
#!/bin/sh
echo "${0##*/} $* by $(tr '\0' ' ' </proc/$PPID/cmdline)" >>/seed/power.log
echo off >/run/power
exec sleep infinity
STUB
}

case $1 in
outer) # the real root: the file system, before the user namespace takes away the right to mount it
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$3/upper,workdir=$3/work" "$3/root"
  rm -f "$3/up" "$3/mapped"
  mkfifo "$3/up" "$3/mapped"
  exec 3<>"$3/up" 4<>"$3/mapped"
  unshare --user --mount --pid --net --uts --ipc --keep-caps --fork --kill-child "$0" inner "$2" "$3" &
  read -r _ <&3
  for map in uid_map gid_map; do echo "0 0 65536" >"/proc/$!/$map"; done
  echo go >&4
  wait $!
  ;;
inner) # process 1 of the machine, before its root is its root
  echo up >&3
  read -r _ <&4
  exec 3>&- 4>&-
  root=$3/root
  mount --rbind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount --bind "$root/proc/sys/user" "$root/proc/sys/user"
  mount -o remount,bind,rw "$root/proc/sys/user"
  [ ! -e "$root/proc/sysrq-trigger" ] || mount --bind "$root/dev/null" "$root/proc/sysrq-trigger"
  for name in poweroff shutdown; do
    off >"$root/usr/local/sbin/$name"
    chmod 0755 "$root/usr/local/sbin/$name"
  done
  cp "$0" "$root/seed/machine.sh"
  # Not a mere chroot: the kernel makes no user namespaces for a process in one.
  mkdir "$root/run/outside"
  cd "$root"
  pivot_root . run/outside
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    chroot . sh /seed/machine.sh init
  ;;
init) # process 1 of the machine
  umount -l /run/outside
  rmdir /run/outside
  mkfifo /run/power /run/served
  # The cloud's side of the network: a gateway that also is the metadata service, and a web server.
  ip link set lo up
  ip netns add cloud
  ip link add eth0 type veth peer name eth0 netns cloud
  ip addr add 10.0.0.2/24 dev eth0
  ip -6 addr add fd00:ec2::2/64 dev eth0 nodad
  ip link set eth0 up
  ip route add default via 10.0.0.1
  ip -6 route add default via fd00:ec2::254
  for address in 10.0.0.1/24 10.0.0.3/24 169.254.169.254/32 169.254.42.42/32 169.254.170.2/32 100.100.100.200/32 \
    168.63.129.16/32 192.0.0.192/32 fd00:ec2::254/64 fd20:ce::254/128 fd00:a9fe:a9fe::1/128 fd00:42::42/128 \
    fe80::a9fe:a9fe/64; do
    case $address in *::*) extra=nodad ;; *) extra= ;; esac
    nsenter --net=/run/netns/cloud ip addr add "$address" dev eth0 $extra
  done
  nsenter --net=/run/netns/cloud ip link set lo up
  nsenter --net=/run/netns/cloud ip link set eth0 up
  nsenter --net=/run/netns/cloud python3 /seed/cloud.py /seed/www >/run/served 2>/seed/cloud.log &
  read -r _ </run/served
  sh /seed/probe.sh >/seed/probe-before 2>&1 || true
  {
    for stage in "init --local" init "modules --mode=config" "modules --mode=final"; do
      cloud-init $stage || echo "cloud-init $stage: exit code $?"
    done
    echo "cloud-init has ended"
  } >/seed/console.log 2>&1 &
  read -r _ </run/power
  ;;
*)
  exec unshare --mount --propagation private "$0" outer "$1" "$2"
  ;;
esac
