ip rule add to 169.254.169.254 prohibit
for address in fd00:ec2::254 fe80::a9fe:a9fe; do
  ip -6 rule add to $address prohibit
done
