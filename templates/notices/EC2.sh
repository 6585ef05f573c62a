# Says why the machine is to end, where EC2 says it will: a spot interruption, or a tag that an operator set.
ask() { curl -sf -m 3 --max-filesize 4096 "$@"; }
at=http://169.254.169.254/latest
token=$(ask -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $at/api/token)
for what in spot/instance-action tags/instance/tfce_drain; do
  echo "header = \"X-aws-ec2-metadata-token: $token\"" | ask -K - $at/meta-data/$what >/dev/null && echo $what && exit
done
