# CentOS 7's mirrors are gone, its archive is not.
grep -qs 'release 7' /etc/centos-release || exit 0
sed -i 's/^mirrorlist=/#&/; s|^#baseurl=http://mirror.centos.org/centos/$releasever|baseurl=https://vault.centos.org/7.9.2009|' /etc/yum.repos.d/CentOS-*.repo
