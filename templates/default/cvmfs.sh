mkdir -p /mnt/cvmfs
code=0
timeout -k 5 300 cvmfs_config setup || code=$?
[ $code = 0 ] && state=ok || state=failed
echo "tfce: stage=packages status=$state code=$code"
