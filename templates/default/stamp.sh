# Prints the pilot's stamp. A VM that was asked for with others in one API call makes it of their batch's name and its
# own number among them (# in the rule), which nova and EC2 tell it.
rule='STAMPRULE_STR'
case $rule in
*'#') ;;
*) echo "$rule" && exit ;;
esac
number() {
  for name in launch_index ami-launch-index; do
    timeout 60 cloud-init query "ds.meta_data.$name" 2>/dev/null | grep -x '[0-9][0-9]*' && return
  done
  # Before cloud-init 18.4: from the config drive itself.
  drive=$(blkid -t LABEL=config-2 -o device || blkid -t LABEL=CONFIG-2 -o device) && mkdir -p -m 700 /run/tfce-drive &&
    mount -o ro "$drive" /run/tfce-drive &&
    sed -n 's/.*"launch_index": *\([0-9]*\).*/\1/p' /run/tfce-drive/openstack/latest/meta_data.json
  umount -l /run/tfce-drive 2>/dev/null
}
mine=$(number | head -n 1)
[ -n "$mine" ] && printf %s "${rule%#}$mine" | sha256sum | cut -c 1-8 | tr a-f A-F
