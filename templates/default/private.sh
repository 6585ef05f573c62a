# What the machine was told is root's alone: cloud-init's files, drives with user data, and what is mounted of them.
chmod 700 /var/lib/cloud /run/cloud-init
chmod 700 /var/lib/waagent
chmod 600 /var/log/cloud-init*.log
for label in config-2 CONFIG-2 cidata CIDATA CONTEXT; do blkid -t LABEL=$label -o device; done |
  while read -r drive; do
    umount -l -A "$drive"
    chown root:root "$drive"
    chmod 600 "$drive"
  done
for drive in /dev/sr[0-9]*; do [ ! -b $drive ] || chmod 600 $drive; done
