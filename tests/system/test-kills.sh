#!/bin/bash
# kill -9 while frozen: of the coordinator, and of the agent. Writes resume, the record is true.
. "$(dirname "$0")/lib.sh"

wait_frozen() { # until the agent reports the lock, at most 20 s
    for _ in $(seq 100); do
        [ "$(agent_state)" != idle ] && [ "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .lock_held)" = true ] && return 0
        sleep 0.1
    done
    return 1
}

# ---- the coordinator
sim 'latency?command=createStorageSnapshot&ms=8000' >/dev/null
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err" &
pid=$!
wait_frozen
ok $? "frozen while the appliance takes 8 s for its snapshots" "$(cat "$work/err")"
from=$(now_ms)
kill -9 $pid
wait $pid 2>/dev/null
ms=$(write_ms 30)
took=$(($(now_ms) - from))
[ "$ms" != timeout ]
ok $? "coordinator killed: writes resume by themselves"
holds "within the lease of 10 s: $took ms after the kill" "$took < 10000 + 1500"
is "$(jq -r .verdict "$(last_record)")" void "the record that it left says void"
is "$(jq -r '.volumes | length' "$(last_record)")" 3 "and names the volumes whose snapshots may exist"
sim 'clear?x=1' >/dev/null
sleep 9 # the appliance carries out what it was asked for
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err"
is "$?" 0 "the next snapshot works"
sed 's/^/# /' "$work/err"

# ---- the agent
fresh
sim 'latency?command=createStorageSnapshot&ms=5000' >/dev/null
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err" &
pid=$!
wait_frozen
ok $? "frozen again"
from=$(now_ms)
"$LAB" sh 'kill -9 $(pidof cbsnap-agent)'
ms=$(write_ms 30)
took=$(($(now_ms) - from))
[ "$ms" != timeout ]
ok $? "agent killed: writes resume ($took ms)"
wait $pid
is "$?" 4 "the run fails with exit status 4"
sed 's/^/# /' "$work/err"
is "$(jq -r .verdict "$(last_record)")" void "its record says void"
is "$(agent_state)" idle "systemd has restarted the agent, which is idle"
is "$("$LAB" sh 'for m in / /mnt/mysql /mnt/mysqldata; do touch $m/.probe && rm $m/.probe && echo free; done' | grep -c free)" 3 \
    "it has thawed what the dead one held"
sim 'clear?x=1' >/dev/null
sleep 6
is "$(appliance_snapshots | wc -l)" 0 "nothing is left on the appliance"
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err"
is "$?" 0 "the next snapshot works"
