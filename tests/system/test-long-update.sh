#!/bin/bash
# What keeps the lock from us for as long as the run tries, an UPDATE that runs and a session that has a table
# locked: the run fails in bounded time, no other writer waits longer than one try, nothing stays locked, frozen or
# on the appliance.
. "$(dirname "$0")/lib.sh"

longest_ms() { "$LAB" meter report | awk -F, '$2 > longest {longest = $2} END {printf "%d", longest / 1000}'; }

in_vain() { # OUTCOME of each try
    local calm from status took worst
    "$LAB" meter start
    sleep 5
    calm=$(longest_ms)
    from=$(now_ms)
    coord snapshot "$LAB_DOMAIN" >"$work/out" 2>"$work/err"
    status=$?
    took=$(($(now_ms) - from))
    is "$status" 4 "exit status 4"
    note "$(tail -2 "$work/err")"
    # 10 tries of 500 ms and nine pauses, drawn up to 20 s in all; an agent that went on would take freeze_ms
    holds "in bounded time: $took ms" "$took < 50000"
    grep -q 'not granted' "$work/err"
    ok $? "the message says that the lock was not granted" "$(cat "$work/err")"
    is "$(agent_state)" idle "the agent holds nothing"
    writes_go_on "other writers write"
    is "$(appliance_snapshots | wc -l)" 0 "nothing is left on the appliance"
    is "$(jq -r .verdict "$(last_record)")" void "the record says void"
    is "$(jq -c '[.lock_tries[].outcome] | unique, length' "$(last_record)" | tr '\n' ' ')" "[\"$1\"] 10 " \
        "and lists the ten tries"
    "$LAB" meter stop >"$work/meter"
    cat "$work/meter" | sed 's/^/# /'
    worst=$(awk '/^max_ms/ {print $2}' "$work/meter")
    # one try of 500 ms, plus what a write itself takes here and the cancelling
    holds "no other writer waited longer than one try: $worst ms (undisturbed $calm)" "$worst < 500 + 1000 + 2 * $calm"
}

# a request that is cancelled would leave MySQL's own queue at the table: it is not even asked for there
busy=busy
[ "$LAB_GUEST" = mysql ] || busy=timeout
slow_update
in_vain $busy
slow_update_ends

# idle as far as the server shows, so it is asked for, and cancelled
sql 'CREATE TABLE IF NOT EXISTS shut (id INT PRIMARY KEY)'
mkfifo "$work/statements"
mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -p"$LAB_MYSQL_PASSWORD" -n sbtest \
    <"$work/statements" >/dev/null 2>&1 &
session=$!
exec 9>"$work/statements"
echo 'LOCK TABLES shut WRITE; INSERT INTO shut VALUES (1);' >&9
sleep 3
in_vain timeout
exec 9>&-
kill $session
wait $session 2>/dev/null
is "$(sql 'SELECT COUNT(*) FROM shut')" 1 "the session had its table all the time"
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err"
is "$?" 0 "after the UPDATE has ended a set works"
