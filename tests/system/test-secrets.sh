#!/bin/bash
# What tests/integration/test-secrets.sh cannot have: a whole set of the real VM, at debug level, and the
# agent under its unit. The key and the password are nowhere in what was printed, kept, or sent to the
# guest's journal; and the agent has the rights that its unit and it agree on.
. "$(dirname "$0")/lib.sh"
key=$LAB_SIM_KEY
piece=${key:4:20}

# the guest's agent at its most talkative, for this test
# shellcheck disable=SC2016
"$LAB" sh 'mkdir -p /run/systemd/system/cbsnap-agent.service.d
    cmd=$(sed -n "s/^ExecStart=//p" $(systemctl show -P FragmentPath cbsnap-agent))
    printf "[Service]\nExecStart=\nExecStart=%s\n" "${cmd% daemon} -v daemon" \
        >/run/systemd/system/cbsnap-agent.service.d/verbose.conf
    systemctl daemon-reload && systemctl restart cbsnap-agent' >"$work/restart" 2>&1
ok $? 'the agent runs with -v' "$(cat "$work/restart")"
# shellcheck disable=SC2317
quiet_again() {
    "$LAB" sh 'rm -rf /run/systemd/system/cbsnap-agent.service.d && systemctl daemon-reload &&
        systemctl restart cbsnap-agent' >/dev/null 2>&1
    finish
}
trap quiet_again EXIT

# ---- a set

mkdir "$work/told"
"$LAB_COORD" -v --json --config "$LAB_COORD_CONF" snapshot "$LAB_DOMAIN" \
    >"$work/told/snapshot.out" 2>"$work/told/snapshot.err" &
pid=$!
is_the_program() { [ "/proc/$pid/exe" -ef "$LAB_COORD" ]; }
eventually 10 is_the_program
cp "/proc/$pid/cmdline" "$work/told/cmdline" && cp "/proc/$pid/environ" "$work/told/environ"
ok $? 'the coordinator is looked at while it runs'
eventually 10 grep -Eqs '^Max core file size +0 +0 ' "/proc/$pid/limits" # among the first that it does
ok $? 'it leaves no core file'
wait $pid
is $? 0 'a set is taken at debug level' "$(tail -3 "$work/told/snapshot.err")"
is "$(jq -r .verdict "$work/told/snapshot.out")" application 'and it is application'
coord -v show "$(jq -r .set "$work/told/snapshot.out")" >"$work/told/show" 2>&1
coord -v check "$LAB_DOMAIN" >"$work/told/check" 2>&1

# ---- the guest

"$LAB" sh 'journalctl -b --no-pager -o cat; cat /var/lib/cbsnap/instance/*; cbsnap-agent check
    cat /proc/$(pidof cbsnap-agent)/cmdline /proc/$(pidof cbsnap-agent)/environ' >"$work/told/guest" 2>/dev/null
grep -q 'session: ' "$work/told/guest"
ok $? "the guest's journal has the agent's debug lines"
"$LAB" sh 'cat /proc/$(pidof cbsnap-agent)/status /proc/$(pidof cbsnap-agent)/limits' >"$work/status"
is "$(awk '/^Cap(Prm|Eff|Bnd):/ {print $2}' "$work/status" | sort -u)" 0000000000280004 \
    'the agent has three capabilities'
is "$(awk '/^(NoNewPrivs|Seccomp):/ {print $2}' "$work/status" | tr '\n' ' ')" '1 2 ' \
    'gains no privileges, and has a filter'
grep -Eq '^Max core file size +0 +0 ' "$work/status"
ok $? 'and leaves no core file'
is "$("$LAB" sh 'readlink /proc/1/ns/mnt /proc/$(pidof cbsnap-agent)/ns/mnt' | sort -u | wc -l)" 1 \
    'it sees the mounts of the guest, in no namespace of its own'
grep -q '^ok *agent .*given up the rights' "$work/told/guest"
ok $? 'check says so'
! grep -q 'too much' "$work/told/guest"
ok $? "and that the account has not too much" "$(grep 'too much' "$work/told/guest")"

# ---- the search

echo "$key" >"$work/planted"
grep -qaF -e "$piece" "$work/planted"
ok $? 'the search finds the key where it is'
! grep -rlaF -e "$key" -e "$piece" "$work/told" "$LAB_STATE_DIR" >"$work/found"
ok $? 'the API key is in no output, record, series, journal, command line or environment' "$(cat "$work/found")"
# a guest whose account has a password keeps it there
secret=$("$LAB" sh 'cat /etc/cbsnap/password' 2>/dev/null)
if [ -n "$secret" ]; then
    ! grep -rlaF -e "$secret" "$work/told" "$LAB_STATE_DIR" >"$work/found"
    ok $? "nor is the account's password" "$(cat "$work/found")"
else
    note "this guest's account has no password"
fi
