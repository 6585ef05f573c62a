#!/bin/bash
# What a pull request changes for the pilots of each queue, in Markdown; fails where it is no shape or the policy
# refuses it. Called in the pull request's clone:   git show BASE:judge.sh | bash -s BASE
# Only the shape is the pull request's: judge, policy and configuration are BASE's, so that no change judges itself.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
git archive "$1" -- site.cfg policy | tar -x -C "$base"
export TFCE_CONFIG=$base/site.cfg
policy=()
if [ -n "${REQUIRE_POLICY:-}" ] || command -v conftest > /dev/null; then policy=(--policy "$base/policy"); fi
queues=$(tfce queues) # not in the loop's own line, which would go on without any
failed=0
for queue in $queues; do
  code=0
  tfce plan "$queue" --pull-request --base "$1" --show-json plan.json "${policy[@]}" || code=$?
  case $code in
    0 | 2) ;; # nothing changes; something does
    *) failed=1 ;;
  esac
done
exit $failed
