# Shared by the system tests: TAP output, the lab's names, what an outside observer can see.
# shellcheck shell=bash
set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$TOP" || exit 1
LAB=tests/lab/lab
BUILD=${BUILD:-build}
work=$(mktemp -d)
tests=0 failures=0

# Hands the records of the lab's state directory to tests/schema/check, before they are gone.
collect() {
    local f
    for f in "${LAB_STATE_DIR:-/nonexistent}"/records/*/*.json; do
        [ -z "${CBSNAP_RECORDS:-}" ] || [ ! -f "$f" ] || cp "$f" "$CBSNAP_RECORDS/"
    done
}

# shellcheck disable=SC2317
finish() {
    collect
    "$LAB" load stop >/dev/null 2>&1
    rm -rf "$work"
    echo "1..$tests"
    [ "$failures" -eq 0 ]
    exit $?
}
trap finish EXIT

# ok CONDITION-STATUS TEXT [DETAIL]: one TAP line
ok() {
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        failures=$((failures + 1))
        # the beginning of it in the line too: where only the lines that failed are kept, that is all there is
        echo "not ok $tests - $2${3:+ [$(tr -s '\n ' '  ' <<<"$3" | cut -c1-400)]}"
        [ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/# /'
    fi
}

# is ACTUAL EXPECTED TEXT [DETAIL]
is() {
    [ "$1" = "$2" ]
    ok $? "$3" "got:      $1
expected: $2${4:+
$4}"
}

# holds TEXT EXPRESSION: an arithmetic or [[ ]] condition given as a string, for figures
holds() {
    awk "BEGIN { exit !($2) }"
    ok $? "$1" "$2"
}

note() {
    echo "# $*"
}

"$LAB" up >"$work/up.log" 2>&1 || {
    cat "$work/up.log"
    echo "Bail out! the lab does not come up"
    exit 1
}
fresh() {
    collect
    "$LAB" reset >"$work/reset.log" 2>&1 || { cat "$work/reset.log"; echo "Bail out! the lab cannot be reset"; exit 1; }
    eval "$("$LAB" env)"
    # qemu-ga of another release, for who runs a test with it (qemu-ga-of-host.sh)
    [ -z "${CBSNAP_QEMU_GA:-}" ] || "$LAB" qemu-ga "$CBSNAP_QEMU_GA" || { echo "Bail out! no other qemu-ga"; exit 1; }
    local try
    for try in 1 2 3; do
        sql 'CREATE TABLE IF NOT EXISTS probe (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6))' && return
    done
    echo "Bail out! the server takes no table"
    exit 1
}

# the coordinator under test, with the lab's configuration; CONF= replaces it
coord() {
    "$LAB_COORD" --config "${CONF:-$LAB_COORD_CONF}" "$@"
}

# The same in the background, as $pid: the program's own. A function in the background is a shell that
# waits for the program, and killing that shell kills nothing else.
coord_start() {
    "$LAB_COORD" --config "${CONF:-$LAB_COORD_CONF}" "$@" >/dev/null 2>"$work/err" &
    pid=$!
}

sql() {
    mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -p"$LAB_MYSQL_PASSWORD" \
        --connect-timeout=15 -N -B -e "$1" "${2:-sbtest}" 2>/dev/null
}

# milliseconds on the monotonic clock
now_ms() {
    awk '{printf "%d", $1 * 1000}' /proc/uptime
}

# snapshots that the appliance holds, over all three volumes
appliance_snapshots() {
    for v in $LAB_VOLUME_IDS; do
        curl -sS --noproxy '*' --cacert "$LAB_SIM_CA" \
            "$LAB_SIM_URL?command=listStorageSnapshots&id=$v&response=json&apiKey=$LAB_SIM_KEY" |
            jq -r '.listDatasetSnapshotsResponse.snapshot[]?.name'
    done
}

# the newest record; its readings lie beside it, under the same name
last_record() {
    ls "$LAB_STATE_DIR/records/$LAB_DOMAIN"/*.json | tail -1
}

sim() { # sim PATH-AND-QUERY: the stand-in's control interface
    curl -sS --noproxy '*' --cacert "$LAB_SIM_CA" "${LAB_SIM_URL%/client/api}/sim/$1&apiKey=$LAB_SIM_KEY"
}

# how long one small write takes now, in ms; 'timeout' after $1 seconds
write_ms() {
    local from
    from=$(now_ms)
    if timeout "${1:-5}" mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" \
        -p"$LAB_MYSQL_PASSWORD" -e 'INSERT INTO probe (at) VALUES (NOW(6))' sbtest 2>"$work/write.err"; then
        echo $(($(now_ms) - from))
    else
        echo timeout
        sed 's/^/# write: /' "$work/write.err" >&2
    fi
}

fresh

writes_go_on() { # writes_go_on TEXT
    local ms
    ms=$(write_ms 10)
    [ "$ms" != timeout ]
    ok $? "$1" "a write took: $ms"
}

# the state that the agent tells, in the guest
agent_state() {
    "$LAB" sh 'cbsnap-agent status --json' | jq -r .state
}
lock_held() { "$LAB" sh 'cbsnap-agent status --json' | jq -e .lock_held >/dev/null; }

eventually() { # SECONDS COMMAND...
    local end=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        sleep 0.3
    done
}

# An UPDATE that keeps the global lock from everybody until slow_update_ends; it runs when this returns.
slow_updates() {
    "$LAB" mysql "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist
        WHERE info LIKE 'UPDATE slow SET%'"
}
slow_update_is_there() { [ -n "$(slow_updates)" ]; }
slow_update() {
    sql 'CREATE TABLE IF NOT EXISTS slow (id INT PRIMARY KEY, n INT); REPLACE INTO slow VALUES (1, 0)'
    sql 'UPDATE slow SET n = n + SLEEP(600) WHERE id = 1' &
    slow=$!
    eventually 60 slow_update_is_there
}
slow_update_ends() {
    "$LAB" mysql "$(slow_updates)"
    wait $slow 2>/dev/null
}
