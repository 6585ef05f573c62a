# arm LIFETIME STARTLIMIT MARGIN GUARD CLOSE DRAIN NOTICE: puts the scripts on the disk and starts the guard, at every
# boot. Under systemd it is a unit, which every later boot starts by itself, with or without cloud-init.
umask 077
mkdir -p /etc/tfce
guard="sh /etc/tfce/guard $1 $2 $3"
shift 3
for name in guard close drain notice; do
  printf %s "$1" >/etc/tfce/$name
  shift
done
if [ -d /run/systemd/system ]; then
  cat >/etc/systemd/system/tfce-guard.service <<END
[Unit]
DefaultDependencies=no
RequiresMountsFor=/etc/tfce /var/lib/cloud
[Service]
ExecStart=/bin/$guard
OOMScoreAdjust=-1000
Restart=always
RestartSec=5
StartLimitInterval=0
END
  mkdir -p /etc/systemd/system/sysinit.target.wants
  ln -sf ../tfce-guard.service /etc/systemd/system/sysinit.target.wants
  systemctl daemon-reload
  timeout 30 systemctl restart tfce-guard && exit
fi
setsid $guard </dev/null >/dev/null 2>&1 &
