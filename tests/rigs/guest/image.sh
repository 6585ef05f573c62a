#!/bin/sh
# A Debian 12 that boots in any QEMU, with cloud-init: `image.sh FOLDER MIRROR` leaves guest.qcow2 (one file system,
# no partitions), vmlinuz, initrd and the kernel's arguments there. As root; needs debootstrap, mke2fs and qemu-img.
# cloud-init is Debian's own; what of it no template of ours uses is left out, as an emulated processor takes
# its time: a boot is a minute of it.
set -eu
root=$1/root
packages=systemd-sysv,libpam-systemd,udev,dbus,cloud-init,python3-cffi-backend,linux-image-cloud-amd64,iproute2,netbase,ifupdown
debootstrap --variant=minbase --include=$packages bookworm "$root" "$2"

echo guest >"$root/etc/hostname"
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"
cat >"$root/etc/cloud/cloud.cfg.d/90-guest.cfg" <<'CFG'
datasource_list: [ConfigDrive]
cloud_init_modules: [bootcmd, write-files, disk_setup, mounts, set_hostname, users-groups]
cloud_config_modules: [timezone, disable-ec2-metadata, runcmd]
cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-per-boot, scripts-user,
  final-message, power-state-change]
CFG
printf 'MODULES=list\n' >"$root/etc/initramfs-tools/conf.d/guest"
printf 'virtio_pci\nvirtio_blk\next4\n' >"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u -k all
chroot "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@ttyS0.service systemd-binfmt.service \
  systemd-pstore.service cloud-init-hotplugd.socket
# On a busy machine an emulated timer is late, which the kernel would take for a broken one.
echo 'root=/dev/vda ro console=ttyS0 quiet mitigations=off no_timer_check panic=10' >"$1/arguments"
cp -L "$root"/boot/vmlinuz-* "$1/vmlinuz"
cp -L "$root"/boot/initrd.img-* "$1/initrd"
rm -rf "$root"/boot/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* \
  "$root"/usr/share/man/* "$root"/usr/share/locale/*

truncate -s 1200M "$1/guest.img"
mke2fs -q -t ext4 -d "$root" "$1/guest.img"
qemu-img convert -O qcow2 "$1/guest.img" "$1/guest.qcow2"
rm -rf "$root" "$1/guest.img"
