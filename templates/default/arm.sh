# arm LIFETIME STARTLIMIT GUARD CLOSE: puts guard.sh and close.sh on the disk and starts the guard, at every boot.
# Under systemd it is a unit, which every later boot starts by itself, with or without cloud-init.
umask 077
mkdir -p /etc/tfce
printf %s "$3" >/etc/tfce/guard
printf %s "$4" >/etc/tfce/close
if [ -d /run/systemd/system ]; then
  cat >/etc/systemd/system/tfce-guard.service <<END
[Unit]
DefaultDependencies=no
RequiresMountsFor=/etc/tfce /var/lib/cloud
[Service]
ExecStart=/bin/sh /etc/tfce/guard $1 $2
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
setsid sh /etc/tfce/guard $1 $2 </dev/null >/dev/null 2>&1 &
