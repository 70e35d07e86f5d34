#!/bin/bash
# A server that is in trouble already: the agent answers, the system's readings go on at their pace,
# what is missed is counted, a freeze goes through or is refused in bounded time, and afterwards all is
# as before.
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/metrics/read.sh"
trap 'tap_stop; finish' EXIT

# ms_in_guest COMMAND: how long it takes there, its way there and back included
ms_in_guest() {
    local t0
    t0=$(now_ms)
    timeout 20 "$LAB" sh "$1" >"$work/status" 2>&1
    echo $(($(now_ms) - t0))
}

# responsive SICKNESS: the agent answers people within 2 s. What it takes to start a program in the
# guest just then is not its doing: the median of three, each less that.
responsive() {
    local start took
    : >"$work/took"
    for _ in 1 2 3; do
        start=$(ms_in_guest 'cbsnap-agent --version')
        took=$(ms_in_guest 'cbsnap-agent status --json')
        echo "$((took - start)) $took" >>"$work/took"
    done
    [ "$(jq -r .state "$work/status" 2>/dev/null)" = idle ]
    ok $? "$1: the agent's status comes" "$(cat "$work/status")"
    read -r took start < <(sort -n "$work/took" | sed -n 2p)
    holds "$1: within 2 s ($took ms of $start)" "$took < 2000"
}

# paced SICKNESS: ten seconds of samples, one a second. What the sickness does is in each such window; a
# machine that stood still is not.
paced() {
    local gap came
    for _ in 1 2 3; do
        : >"$work/samples"
        tap_start 0
        missed=$(last agent.missed)
        sleep 10
        tap_stop
        missed=$(awk "BEGIN {print $(last agent.missed) - ${missed/null/0}}")
        gap=$(ask system.cpu.idle 0 '$d | max')
        came=$(ask system.cpu.idle 0 '$v | length')
        awk "BEGIN {exit !($gap < 2.5 && $came >= 8)}" && break
    done
    holds "$1: the system's readings go on, one a second (largest gap ${gap} s)" "$gap < 2.5"
    holds "$1: as many as there should be" "$came >= 8"
}

# bounded SICKNESS: both ways to freeze end, soon, with nothing left behind
bounded() {
    local t0 took status
    t0=$(now_ms)
    timeout 180 "$LAB_COORD" --config "$LAB_COORD_CONF" snapshot "$LAB_DOMAIN" >"$work/out" 2>"$work/err"
    status=$?
    took=$(($(now_ms) - t0))
    note "$1: snapshot: exit $status after $took ms: $(grep '^cbsnap-coord' "$work/err" | tail -n 1)"
    case $status in 0 | 3 | 4) true ;; *) false ;; esac
    ok $? "$1: a snapshot goes through or is refused (exit $status)" "$(cat "$work/err")"
    holds "$1: in bounded time" "$took < 60000"
    let_go "$1" "after the snapshot"
    t0=$(now_ms)
    timeout 180 virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1
    status=$?
    timeout 60 virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/thaw" 2>&1
    took=$(($(now_ms) - t0))
    note "$1: virsh domfsfreeze: exit $status, with domfsthaw $took ms: $(tail -n 1 "$work/freeze")"
    holds "$1: virsh domfsfreeze and domfsthaw end in bounded time" "$took < 60000 && $status != 124"
    let_go "$1" "after virsh"
}

# Nothing frozen and nothing locked by the agent. What is frozen cannot be frozen again, which is told at
# once, however slow the machine; what could be is thawed again at once.
let_go() {
    local free
    free=$("$LAB" sh 'for m in / /mnt/mysql /mnt/mysqldata; do
            fsfreeze -f $m 2>/dev/null && fsfreeze -u $m && echo $m
        done' | LC_ALL=C sort | tr '\n' ' ')
    is "$free" "/ /mnt/mysql /mnt/mysqldata " "$1: nothing is frozen $2"
    is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r '"\(.state) \(.lock_held)"')" "idle false" \
        "$1: nor locked $2"
}

# well SICKNESS: cured
well() {
    local ms i
    for ((i = 0; i < 30; i++)); do
        ms=$(write_ms 5)
        [ "$ms" = timeout ] || break
        sleep 1
    done
    [ "$ms" != timeout ]
    ok $? "$1, cured: a write goes through"
    : >"$work/samples"
    tap_start 0
    holds "$1, cured: the server's readings are back" "$(fresh_value mysql.questions) + 0 > 0"
    tap_stop
    coord snapshot "$LAB_DOMAIN" >"$work/out" 2>"$work/err"
    is $? 0 "$1, cured: a set works"
    grep '^cbsnap-coord:' "$work/err"
    let_go "$1, cured" "after it"
}

# The server itself says that it has no room; a login that takes too long is something else.
turned_away() {
    mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -p"$LAB_MYSQL_PASSWORD" \
        --connect-timeout=20 -e 'SELECT 1' sbtest >"$work/login" 2>&1
    grep -q 'ERROR 1040' "$work/login"
}

sick=FLUSH-TABLES
"$LAB" sh 'mysql -e "FLUSH TABLES WITH READ LOCK; SELECT SLEEP(1000)" >/dev/null 2>&1 & sleep 2'
is "$(write_ms 2 2>/dev/null)" timeout "$sick: writes wait, as they must"
responsive $sick
paced $sick
bounded $sick
"$LAB" sh 'mysql -NBe "SELECT CONCAT(\"KILL \", id) FROM information_schema.processlist WHERE info LIKE \"SELECT SLEEP(1000%\"" | mysql'
well $sick

sick=stopped
program=$([ "$LAB_GUEST" = mariadb ] && echo mariadbd || echo mysqld)
"$LAB" sh "pkill -STOP -x $program"
responsive $sick
paced $sick
holds "$sick: readings were missed, and counted ($missed)" "$missed >= 1"
is "$(newest '.m["mysql.questions"]')" "" "$sick: the server's figures are absent, not stale"
bounded $sick
"$LAB" sh "pkill -CONT -x $program"
well $sick

sick=disk-full
"$LAB" sh 'fallocate -l 100G /mnt/mysqldata/full 2>/dev/null
    dd if=/dev/zero of=/mnt/mysqldata/full bs=1M oflag=append conv=notrunc 2>/dev/null
    dd if=/dev/zero of=/mnt/mysqldata/full bs=4k oflag=append conv=notrunc 2>/dev/null; df /mnt/mysqldata | tail -n 1'
sql 'CREATE TABLE big (id INT AUTO_INCREMENT PRIMARY KEY, pad LONGTEXT)' || note "$sick: no table can be made"
(timeout 60 mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -p"$LAB_MYSQL_PASSWORD" \
    -e "INSERT INTO sbtest1 (k, c, pad) SELECT k, c, pad FROM sbtest2" sbtest >"$work/full" 2>&1) &
writer=$!
sleep 3
responsive $sick
paced $sick
bounded $sick
"$LAB" sh 'rm /mnt/mysqldata/full'
wait $writer
note "$sick: the writer: $(tail -n 1 "$work/full")"
well $sick

sick=max-connections
"$LAB" mysql 'SET GLOBAL max_connections = 20'
for _ in $(seq 25); do
    sql 'SELECT SLEEP(1000)' >/dev/null &
done
# The sessions come one by one, some not in time, and what the agent has open comes and goes: whoever
# gets in is followed by one that stays, until five in a row are turned away.
refused=0
for ((i = 0; i < 120 && refused < 5; i++)); do
    if turned_away; then
        refused=$((refused + 1))
    else
        refused=0
        sql 'SELECT SLEEP(1000)' >/dev/null &
    fi
    sleep 0.5
done
is "$refused" 5 "$sick: nobody gets in any more" "$(cat "$work/login")"
responsive $sick
paced $sick
bounded $sick
# an agent that comes new to such a server has no connection at all
"$LAB" sh 'systemctl restart cbsnap-agent; sleep 1'
responsive "$sick, agent restarted"
paced "$sick, agent restarted"
bounded "$sick, agent restarted"
"$LAB" mysql 'SET GLOBAL max_connections = 151'
"$LAB" mysql "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(1000%'" >"$work/kill"
"$LAB" mysql "$(cat "$work/kill")"
wait
well $sick
