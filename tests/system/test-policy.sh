#!/bin/bash
# The abort policy on a real server: rules that fire and rules that do not, with `for`, with `wait`,
# without readings; what a refusal leaves behind.
. "$(dirname "$0")/lib.sh"

# policy LINE...: a configuration with these lines under [policy], as $CONF
policy() {
    cp "$LAB_COORD_CONF" "$work/coord.conf"
    printf '\n[policy]\n' >>"$work/coord.conf"
    printf '%s\n' "$@" >>"$work/coord.conf"
    CONF=$work/coord.conf
}
try() {
    before=$(coord --json list | jq '.sets | length')
    coord snapshot "$LAB_DOMAIN" >"$work/out" 2>"$work/err"
    status=$?
    # the newest record tells of this attempt, whatever became of it
    coord --json show "$(coord --json list | jq -r '.sets[0].set')" >"$work/record.json"
    new=$(($(coord --json list | jq '.sets | length') - before))
}
record() {
    jq -r "$1" "$work/record.json"
}
epoch() {
    "$LAB" sh 'cbsnap-agent status --json' | jq -r .epoch
}
refused() { # refused TEXT WORDS
    note "$(grep '^cbsnap-coord: ' "$work/err")"
    is "$status" 3 "$1: exit status 3"
    grep -q -- "$2" "$work/err"
    ok $? "$1: names rule, value and time" "$(cat "$work/err")"
    is "$new/$(record .verdict)/$(record '[.policy.findings[] | select(.action == "refuse")] | length > 0')" \
        "1/void/true" "$1: the refusal has its record"
    is "$(appliance_snapshots | wc -l)/$(epoch)" "0/$epoch" "$1: nothing was frozen, no snapshot asked for"
}
# open_transaction SECONDS: one that has changed a row and then does nothing
open_transaction() {
    mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -p"$LAB_MYSQL_PASSWORD" \
        sbtest -e "BEGIN; UPDATE sbtest1 SET k = k + 1 WHERE id = 1; DO SLEEP($1); ROLLBACK" \
        >/dev/null 2>&1 &
    transaction=$!
}

epoch=$(epoch)
open_transaction 600
read_it() { coord --json watch "$LAB_DOMAIN" --once 2>/dev/null | jq -e '.transactions | length > 0' >/dev/null; }
eventually 120 read_it # until it is a long one for the agent too

policy 'refuse = innodb.trx_oldest > 5s'
try
refused "an old transaction" 'innodb.trx_oldest > 5s'
is "$(record '.transactions | length > 0')" true "its record lists the transaction"

policy 'refuse = innodb.trx_oldest > 5s' 'wait = 2s'
try
refused "a wait that is too short" 'innodb.trx_oldest'

# the transaction ends meanwhile
policy 'refuse = innodb.trx_oldest > 5s' 'wait = 120s'
coord snapshot "$LAB_DOMAIN" >"$work/out" 2>"$work/err" &
pid=$!
sleep 10
kill -0 "$pid"
ok $? "with wait it is still waiting after 10 s"
"$LAB" mysql "$("$LAB" mysql "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE info LIKE 'DO SLEEP(600)%'")"
wait "$transaction"
wait "$pid"
status=$?
coord --json show "$(cat "$work/out")" >"$work/record.json"
is "$status/$(record .verdict)" 0/application "and takes the set when the transaction has ended"
grep -q 'waiting for a calm moment: ' "$work/err"
ok $? "it said what it waited for" "$(cat "$work/err")"
is "$(record '.policy.waited_s > 3')" true "and for how long"
"$LAB" reset >/dev/null 2>&1
epoch=$(epoch)

policy 'refuse = system.mem.total > 1M for 2s'
try
refused "met for so long" 'for 2s'

policy 'refuse = mysql.threads_connected > 100000 for 2s' 'refuse = system.mem.available < 1M' \
    'warn = fs./mnt/mysqldata.avail > 1M' 'warn = repl.lag > 5'
try
is "$status/$(record .verdict)" 0/application "rules that do not fire let the set be taken"
is "$(record '[.policy.findings[] | select(.action == "warn")] | length')" 1 "one that warns is in the record"
is "$(record '[.policy.findings[] | select(.absent)] | .[0].metric')" repl.lag \
    "one without a reading is in the record too, as undecided"
record '.notes[]' | grep -q 'fs./mnt/mysqldata.avail'
ok $? "and people are told"
"$LAB" reset >/dev/null 2>&1
epoch=$(epoch)

policy 'refuse = repl.lag > 5' 'absent = refuse'
try
refused "no reading, and absent = refuse" repl.lag

policy 'refuse = disk.*.util >= 0%'
try
refused "a rule for every disk" 'disk\.vd[a-c]\.util'

for rule in 'innodb.trx_oldst > 5:innodb.trx_oldest' 'innodb.trx_oldest > 5G:unit' 'innodb.trx_oldest 5:>' \
    'disk.*.util > 5 for ever:for' 'system.load1 > 5 5:5'; do
    policy "# a comment" "refuse = ${rule%:*}"
    coord check "$LAB_DOMAIN" >"$work/out" 2>"$work/err"
    is "$?" 2 "check: '${rule%:*}' is an error"
    line=$(grep -n "^refuse" "$CONF" | cut -d: -f1)
    grep -qE "line $line.*column [0-9]+|:$line:[0-9]+" "$work/err"
    ok $? "check: with line and column" "$(cat "$work/err")"
    note "$(cat "$work/err")"
done
