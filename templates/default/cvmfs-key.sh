# cvmfs-key OLD FINGERPRINT NEW FINGERPRINT: of what is at each URL, only the one key with the fingerprint is kept.
echo "tfce: stage=packages status=start code=0"
mkdir -p /etc/pki/cernvm
cd /etc/pki/cernvm || exit
ours() { timeout 60 gpg --batch --homedir $keys "$@"; }
take() { # take FILE URL FINGERPRINT
  [ -e $1 ] && return
  keys=$(mktemp -d)
  if command -v curl; then
    curl -fsSL --retry 2 --max-time 60 --max-filesize 65536 --proto-redir =https -o $keys/file "$2"
  else
    wget -q -T 20 -t 3 -O $keys/file "$2"
  fi
  ours --import $keys/file
  # A key that has ours as its subkey would be exported with it.
  found=$(ours --with-colons --fingerprint $3 | sed -n 's/^pub:.*/pub/p; s/^fpr:*\([0-9A-F]*\):$/\1/p' | head -n 2 | xargs)
  others=$(ours --with-colons --fingerprint $3 | grep -c ^pub:)
  if [ "$found $others" = "pub $3 1" ] && ours --armor --export $3 >$keys/key; then
    mv $keys/key $1
    chmod 644 $1
  else
    echo "tfce: no CernVM key $3 at $2"
  fi
  rm -rf $keys
}
take old.asc "$1" $2
take new.asc "$3" $4
# Either key serves where the other is not to be had.
[ -e new.asc ] || [ ! -e old.asc ] || ln -sf old.asc new.asc
[ -e old.asc ] || [ ! -e new.asc ] || ln -sf new.asc old.asc
