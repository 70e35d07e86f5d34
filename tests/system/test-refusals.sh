#!/bin/bash
# What is wrong beforehand: one clear sentence with the object's name and what to do, exit 2 or 3,
# nothing touched.
. "$(dirname "$0")/lib.sh"

# refused STATUS WORDS TEXT: the last run ended so, said so in one line, and touched nothing
refused() {
    note "$(grep "^cbsnap-coord: " "$work/err")"
    is "$status" "$1" "$3: exit status $1"
    grep -q -- "$2" "$work/err"
    ok $? "$3: says so" "$(cat "$work/err")"
    is "$(grep -c '^cbsnap-coord: ' "$work/err")" 1 "$3: in one sentence"
    is "$(appliance_snapshots | wc -l)/$(sim 'log?x=1' | grep -c createStorageSnapshot)" 0/0 "$3: nothing touched"
}
try() {
    coord snapshot "${1:-$LAB_DOMAIN}" >"$work/out" 2>"$work/err"
    status=$?
}
conf_with() { # conf_with SED-SCRIPT: a copy of the lab's configuration
    sed "$1" "$LAB_COORD_CONF" >"$work/coord.conf"
    echo "$work/coord.conf"
}

install -m 600 /dev/null "$work/credentials"
printf '[appliance lab]\napi_key = not-the-key\n' >"$work/credentials"
CONF=$(conf_with "s|^credentials.*|credentials = $work/credentials|") try
refused 2 "appliance 'lab'" "wrong API key"
! grep -q not-the-key "$work/err" "$work/out"
ok $? "wrong API key: the key itself is not told"
chmod 644 "$work/credentials"
CONF=$(conf_with "s|^credentials.*|credentials = $work/credentials|") try
refused 2 "chmod 600" "credentials that others can read"

CONF=$(conf_with '/^ca *=/d') try
refused 2 "certificate" "untrusted certificate"

try no-such-vm
refused 3 "no-such-vm" "no such domain"

"$LAB" sh 'systemctl stop cbsnap-agent'
try
refused 3 "cbsnap-agent" "agent absent"
"$LAB" sh 'systemctl start cbsnap-agent; sleep 1'

"$LAB" hook none
try
refused 3 "hook" "hook not enabled"
"$LAB" hook ours

CONF=$(conf_with 's|^\[snapshot\]|[snapshot]\nexclude = vdc|') try
refused 3 "datadir '/mnt/mysqldata/mysql'.*'vdc'" "datadir outside the set"

CONF=$(conf_with '1s|^|[snapshot]\nlease_sm = 10\n|') try
refused 2 "line 2.*lease_sm" "malformed configuration"
CONF=$work/absent.conf try
refused 2 "absent.conf" "no configuration"

coord check "$LAB_DOMAIN" >"$work/check" 2>&1
is "$?" 0 "and with all that mended, check is content"
sed 's/^/# /' "$work/check"
try
is "$status" 0 "and a set works"

# ---- what the timer runs: refused while the agent is away, tried again when it is back

printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$LAB_COORD" "$LAB_COORD_CONF" >"$work/coord"
chmod 755 "$work/coord"
before=$(last_record)
"$LAB" sh 'systemctl stop cbsnap-agent'
CBSNAP_COORD=$work/coord CBSNAP_TRIES=20 CBSNAP_PAUSE_S=2 \
    "$(dirname "$LAB_COORD")/../libexec/cbsnap/scheduled-snapshot" "$LAB_DOMAIN" >"$work/out" 2>"$work/err" &
pid=$!
eventually 60 grep -q '^try 1 of 20 ended with status 3' "$work/err"
ok $? "scheduled, with the agent away: refused, and to be tried again" "$(cat "$work/err")"
"$LAB" sh 'systemctl start cbsnap-agent'
wait $pid
is "$?" 0 "scheduled: once the agent is back, it ends well" "$(tail -5 "$work/err")"
after=$(last_record)
[ "$after" != "$before" ] && [ "$(jq -r .verdict "$after")" = application ] && [ "$(cat "$work/out")" = "$(jq -r .set "$after")" ]
ok $? "scheduled: and it made a set" "$(cat "$work/out")"
