mkdir -p /etc/pki/cernvm
cd /etc/pki/cernvm || exit
[ -e new.asc ] && exit
if command -v curl; then
  curl -fsSL --retry 2 --max-time 60 -o fetched "$1"
else
  wget -q -T 20 -t 3 -O fetched "$1"
fi
if gpg --batch --with-colons --show-keys fetched | grep "^fpr:.*:$2:"; then
  mv fetched new.asc
else
  echo "tfce: no CernVM key $2 at $1"
  ln -s old.asc new.asc
fi
