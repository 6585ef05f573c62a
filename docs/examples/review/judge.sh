#!/bin/bash
# What a pull request changes for the pilots of each queue, in Markdown; fails where it is no shape or the policy
# refuses it.   judge.sh BASE
set -euo pipefail
cd "$(dirname "$0")"
export TFCE_CONFIG=$PWD/site.cfg
policy=()
command -v conftest > /dev/null && policy=(--policy policy)
[ -n "${REQUIRE_POLICY:-}" ] && policy=(--policy policy)
failed=0
for queue in $(tfce queues); do
  code=0
  tfce plan "$queue" --pull-request --base "$1" --show-json plan.json "${policy[@]}" || code=$?
  case $code in
    0 | 2) ;; # nothing changes; something does
    *) failed=1 ;;
  esac
done
exit $failed
