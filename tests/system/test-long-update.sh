#!/bin/bash
# An UPDATE that runs for as long as the run tries: the run fails in bounded time, no other writer waits longer than one
# try, nothing stays locked, frozen or on the appliance.
. "$(dirname "$0")/lib.sh"

sql 'CREATE TABLE slow (id INT PRIMARY KEY, n INT)'
sql 'INSERT INTO slow VALUES (1, 0)'
"$LAB" meter start
sleep 2
(sql 'UPDATE slow SET n = n + SLEEP(600) WHERE id = 1') &
sleep 2
from=$(now_ms)
coord snapshot "$LAB_DOMAIN" >"$work/out" 2>"$work/err"
status=$?
took=$(($(now_ms) - from))
is "$status" 4 "exit status 4"
note "$(tail -2 "$work/err")"
holds "in bounded time: $took ms, 10 tries of 500 ms and their pauses" "$took < 30000"
grep -q 'not granted' "$work/err"
ok $? "the message says that the lock was not granted" "$(cat "$work/err")"
is "$(agent_state)" idle "the agent holds nothing"
writes_go_on "other writers write"
is "$(appliance_snapshots | wc -l)" 0 "nothing is left on the appliance"
is "$(jq -r .verdict "$(last_record)")" void "the record says void"
is "$(jq '.lock_tries | length' "$(last_record)")" 10 "and lists the ten tries"
"$LAB" meter stop >"$work/meter"
cat "$work/meter" | sed 's/^/# /'
worst=$(awk '/^max_ms/ {print $2}' "$work/meter")
# one try of 500 ms, plus what a write itself takes here and the cancelling
holds "no other writer waited longer than one try: $worst ms" "$worst < 500 + 1000"
"$LAB" mysql "SELECT CONCAT('KILL QUERY ', id, ';') FROM information_schema.processlist
    WHERE info LIKE 'UPDATE slow SET%'" >"$work/kill"
"$LAB" mysql "$(cat "$work/kill")"
wait
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err"
is "$?" 0 "after the UPDATE has ended a set works"
