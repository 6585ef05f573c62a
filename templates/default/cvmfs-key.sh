# cvmfs-key URL FINGERPRINT: new.asc becomes the one key with this fingerprint; whatever else the file has is left out.
echo "tfce: stage=packages status=start code=0"
mkdir -p /etc/pki/cernvm
cd /etc/pki/cernvm || exit
[ -e new.asc ] && exit
keys=$(mktemp -d)
if command -v curl; then
  curl -fsSL --retry 2 --max-time 60 --max-filesize 65536 --proto-redir =https -o $keys/file "$1"
else
  wget -q -T 20 -t 3 -O $keys/file "$1"
fi
ours() { timeout 60 gpg --batch --homedir $keys "$@"; }
ours --import $keys/file
# A key that has ours as its subkey would be exported with it.
found=$(ours --with-colons --fingerprint $2 | sed -n 's/^pub:.*/pub/p; s/^fpr:*\([0-9A-F]*\):$/\1/p' | head -n 2 | xargs)
others=$(ours --with-colons --fingerprint $2 | grep -c ^pub:)
if [ "$found $others" = "pub $2 1" ] && ours --armor --export $2 >$keys/key; then
  mv $keys/key new.asc
  chmod 644 new.asc
else
  echo "tfce: no CernVM key $2 at $1"
  ln -s old.asc new.asc
fi
rm -rf $keys
