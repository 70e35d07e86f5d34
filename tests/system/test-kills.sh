#!/bin/bash
# kill -9 while frozen: of the coordinator, and of the agent. Writes resume, the record is true.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/faults/faults.sh"

wait_frozen() { # until the agent reports the lock, at most 20 s
    for _ in $(seq 100); do
        [ "$(agent_state)" != idle ] && [ "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .lock_held)" = true ] && return 0
        sleep 0.1
    done
    return 1
}

confirmed() { grep -qx confirm "$work/steps"; } # its own lines come when writers go on
has_snapshots() { [ "$(appliance_snapshots | wc -l)" -eq "$1" ]; }

# ---- the coordinator
build_at_step || exit 1
: >"$work/steps"
# longer than the lease, so that it is the lease that ends the freeze
sim 'latency?command=createStorageSnapshot&ms=14000' >/dev/null
LD_PRELOAD=$work/at-step.so FAULT_STEPS=$work/steps coord_start snapshot "$LAB_DOMAIN"
wait_frozen
ok $? "frozen while the appliance takes 14 s for its snapshots" "$(cat "$work/err")"
eventually 20 confirmed
sleep 1 # and with that asked for all three
from=$(now_ms)
kill -9 $pid
wait $pid 2>/dev/null
[ ! -e "/proc/$pid" ]
ok $? "the coordinator is killed"
ms=$(write_ms 30)
took=$(($(now_ms) - from))
[ "$ms" != timeout ]
ok $? "writes resume by themselves"
holds "within the lease of 10 s: $took ms after the kill" "$took < 10000 + 5000"
is "$(jq -r .verdict "$(last_record)")" void "the record that it left says void"
is "$(jq -r '.volumes | length' "$(last_record)")" 3 "and names the volumes whose snapshots may exist"
sim 'clear?x=1' >/dev/null
eventually 30 has_snapshots 3 # it carries out what it was asked for
ok $? "the appliance has made its snapshots all the same"
next=$(coord snapshot "$LAB_DOMAIN" 2>"$work/err")
is "$?" 0 "the next snapshot works" "$(cat "$work/err")"
coord recover >"$work/out" 2>"$work/err"
is "$?" 0 "recover: $(cat "$work/out")" "$(cat "$work/err")"
is "$(appliance_snapshots | sort -u)" "$next" "has removed what the dead run had left, and nothing else"

# ---- the agent
fresh
sim 'latency?command=createStorageSnapshot&ms=14000' >/dev/null # longer than a run waits: it fails, however late the agent dies
coord_start snapshot "$LAB_DOMAIN"
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
sleep 9
is "$(appliance_snapshots | wc -l)" 0 "nothing is left on the appliance"
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err"
is "$?" 0 "the next snapshot works"
