#!/bin/bash
# qemu-ga's stock hook runner, which ignores a failing hook and exits 0. With it a set is as good as
# with ours; where the hook fails, qemu-ga freezes without the lock, and the coordinator finds out.
. "$(dirname "$0")/lib.sh"

"$LAB" hook stock
"$LAB" sh 'cbsnap-agent check' >"$work/check" 2>&1
grep -q '^warn  runner .*ignores a hook that fails' "$work/check"
ok $? "cbsnap-agent check names the stock runner and what it hides" "$(cat "$work/check")"
grep '^warn  runner' "$work/check" | sed 's/^/# /'
coord --json snapshot "$LAB_DOMAIN" >"$work/record" 2>"$work/err"
is "$?" 0 "a set works" "$(cat "$work/err")"
is "$(jq -r '.verdict + " " + .guest.hook_runner' "$work/record")" "application stock" "it is 'application', and the record names the runner"

slow_update
coord --json snapshot "$LAB_DOMAIN" >"$work/record" 2>"$work/err"
is "$?" 4 "no lock to be had: exit status 4, although qemu-ga reported success"
grep -q 'hides a failing hook' "$work/err"
ok $? "the message says who hid it" "$(cat "$work/err")"
grep '^cbsnap-coord: ' "$work/err" | sed 's/^/# /'
is "$(jq -r '.verdict + " " + ([.volumes[].snapshot.state] | unique | join(","))' "$work/record")" "void not taken" \
    "the set is void, and no snapshot was taken"
is "$(agent_state)" idle "the agent holds nothing"
writes_go_on "writes go on: qemu-ga's freeze was thawed"
slow_update_ends
