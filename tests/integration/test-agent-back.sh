#!/bin/sh
# What going back needs of the agent, with a real MariaDB server: manifest and mark, the certificate
# of a server that recovered, the options of a guest that verifies, and the check of all data.
# Starts a server and an agent of its own, in a directory of its own; leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
agent=$PWD/${BUILD:-build}/cbsnap-agent
host=$PWD/${BUILD:-build}/agent-host
dir=$(mktemp -d /tmp/cbsnap-back.XXXXXX) || exit 1
chmod 755 "$dir"
mysqld=
daemon=
hostpid=
count=0
failed=0
as=
[ "$(id -u)" -ne 0 ] || as=--user=mysql
set1=20161104T101500Z-7f3a
set2=20161104T111500Z-0001

stop_all() {
    [ -z "$daemon" ] || { kill -9 "$daemon" && wait "$daemon"; }
    [ -z "$hostpid" ] || { kill -9 "$hostpid" && wait "$hostpid"; }
    # the server may have been started anew by the stand-in for systemctl: it is no child of ours
    for p in $mysqld $(cat "$dir/pid"); do
        kill -9 "$p"
    done
    [ -z "$mysqld" ] || wait "$mysqld"
} 2>/dev/null
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

ok() { # ok NAME COMMAND...: one TAP line; what the command printed is shown when it failed
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$dir/why" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$dir/why"
        tail -5 "$dir/agent.log" | sed 's/^/# agent: /'
        failed=1
    fi
}

sql_as() { # sql_as USER STATEMENT
    timeout 20 mariadb --no-defaults -u"$1" -pright -S "$dir/s" -N -e "$2"
}
sql() { timeout 20 mariadb --no-defaults -uroot -S "$dir/s" -N -e "$1"; }
run() { "$agent" --config "$dir/agent.conf" "$@"; }
logged() { grep -q -e "$1" "$dir/agent.log"; }
until_true() { # until_true COMMAND..., for at most 10 s
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "not within 10 s: $*"
    return 1
}

# The options come in the way of a real guest: from $MYSQL_HOME, if at all.
start_mysqld() { # start_mysqld [OPTION...]
    : >"$dir/error.log.first"
    mariadbd ${no_defaults---no-defaults} $as --datadir="$dir/data" --socket="$dir/s" \
        --skip-networking --pid-file="$dir/pid" --innodb-buffer-pool-size=16M \
        --performance-schema=OFF --log-bin="$dir/data/bin" --server-id=7 \
        --log-error="$dir/error.log" "$@" >"$dir/mysqld.log" 2>&1 &
    mysqld=$!
    until_up || { echo "Bail out! mariadbd did not start:"; tail -20 "$dir/error.log"; exit 1; }
}
up() { sql 'SELECT 1'; }
until_up() {
    for _ in $(seq 300); do
        up >/dev/null 2>&1 && return 0
        [ -z "$mysqld" ] || kill -0 "$mysqld" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
kill_mysqld() {
    kill -9 "$mysqld"
    wait "$mysqld" 2>/dev/null
    mysqld=
}

conf() { # conf USER [LINE...]: more sections
    cat >"$dir/agent.conf" <<END
[mysql]
socket = $dir/s
user = $1
password_file = $dir/password
[freeze]
rcu_expedited = no
[sample]
interval_ms = 200
[manifest]
dir = $dir/instance
[agent]
run_dir = $dir/run
port = $dir/port
END
    shift
    printf '%s\n' "$@" >>"$dir/agent.conf"
}
start_agent() {
    : >"$dir/agent.log"
    PATH="$dir/bin:$PATH" "$agent" --config "$dir/agent.conf" daemon >>"$dir/agent.log" 2>&1 3>&- 4>&- &
    daemon=$!
    until_true run status || { echo "Bail out! the agent did not start:"; cat "$dir/agent.log"; exit 1; }
    say wait hello >/dev/null
}
stop_agent() {
    kill -TERM "$daemon"
    wait "$daemon" 2>/dev/null
    code=$?
    daemon=
    return $code
}

# The host's end: say LINE writes a command and prints the answers to it.
start_host() {
    mkfifo "$dir/in" "$dir/out"
    "$host" "$dir/port" <"$dir/in" >"$dir/out" &
    hostpid=$!
    exec 3>"$dir/in" 4<"$dir/out"
}
say() {
    echo "$*" >&3
    : >"$dir/said"
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do
        echo "$answer" >>"$dir/said"
    done
    cat "$dir/said"
}
has() { # has PATTERN: the last answer has a line like that
    grep -q -e "$1" "$dir/said" || { echo "wanted: $1; got:"; cat "$dir/said"; false; }
}
said() { # said PATTERN LINE
    pattern=$1
    shift
    say "$*" >/dev/null
    has "$pattern"
}

mariadb-install-db --no-defaults $as --datadir="$dir/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/install.log" 2>&1 || { cat "$dir/install.log"; exit 1; }
[ -z "$as" ] || chown mysql "$dir"
mkdir "$dir/bin"
echo right >"$dir/password"
chmod 600 "$dir/password"
start_mysqld
sql "CREATE DATABASE t; CREATE TABLE t.t (a INT PRIMARY KEY, b VARCHAR(200)) ENGINE=InnoDB; USE t;
    INSERT INTO t.t SELECT seq, REPEAT('x', 200) FROM seq_1_to_2000;
    CREATE DATABASE cbsnap; CREATE TABLE cbsnap.mark (set_id VARCHAR(64) PRIMARY KEY, at_wall_us BIGINT NOT NULL);
    CREATE USER cbsnap@localhost IDENTIFIED BY 'right';
    GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICA MONITOR ON *.* TO cbsnap@localhost;
    GRANT SELECT, INSERT, UPDATE, DELETE ON cbsnap.mark TO cbsnap@localhost;
    CREATE USER few@localhost IDENTIFIED BY 'right'" || exit 1
start_host

# ---- manifest and mark

conf cbsnap
start_agent
stored() {
    echo '{"format": 1}' >"$dir/document"
    said "^stored path=$dir/instance/$set1.json pruned=0 marked=0 mark-problem=-" \
        manifest $set1 "$dir/document" && cmp "$dir/document" "$dir/instance/$set1.json" &&
        [ "$(stat -c %a "$dir/instance" "$dir/instance/$set1.json" | tr '\n' ' ')" = '700 600 ' ]
}
ok 'a manifest is stored, private' stored
ok 'a name that is none is refused' said '^error code=8 .*no set' manifest ../x "$dir/document"
too_big() {
    head -c 530000 /dev/zero | tr '\0' x >"$dir/big"
    said '^error code=8 .*530000 bytes' manifest $set2 "$dir/big" && [ ! -e "$dir/instance/$set2.json" ]
}
ok 'one that is too large is refused' too_big
ok 'no mark without mark.table, and no complaint' \
    said '^stored .*marked=0 mark-problem=-' manifest $set2 "$dir/document" 8 mark
ok 'one that is kept alone: the older goes' said '^stored .*pruned=1' manifest $set2 "$dir/document" 1
forgotten() { said '^stored path=- ' manifest $set2 - && [ ! -e "$dir/instance/$set2.json" ]; }
ok 'a manifest is forgotten' forgotten
not_while_frozen() {
    run hook freeze && said '^error code=5 ' manifest $set1 "$dir/document" &&
        [ ! -e "$dir/instance/$set1.json" ]
    rc=$?
    run hook thaw
    return $rc
}
ok 'nothing is written while a freeze is under way' not_while_frozen
stop_agent

conf cbsnap '[mark]' 'table = cbsnap.mark'
start_agent
marked() {
    said '^stored .*marked=1 mark-problem=-' manifest $set1 "$dir/document" 8 mark &&
        [ "$(sql 'SELECT set_id FROM cbsnap.mark WHERE at_wall_us > 1e15')" = $set1 ]
}
ok 'the mark is committed' marked
twice() {
    said '^stored .*marked=1' manifest $set1 "$dir/document" 8 mark &&
        [ "$(sql 'SELECT COUNT(*) FROM cbsnap.mark')" = 1 ]
}
ok 'again: still one row' twice
pruned() {
    sql "USE t; INSERT INTO cbsnap.mark SELECT CONCAT('20150101T', LPAD(seq, 6, '0'), 'Z-0000'), seq FROM seq_1_to_120" &&
        said '^stored .*marked=1' manifest $set2 "$dir/document" 8 mark &&
        [ "$(sql "SELECT COUNT(*), MIN(set_id), MAX(set_id) FROM cbsnap.mark")" = \
            "100	20150101T000023Z-0000	$set2" ] ||
        { sql 'SELECT COUNT(*), MIN(set_id), MAX(set_id) FROM cbsnap.mark'; false; }
}
ok 'the 100 newest marks stay' pruned
behind_a_lock() { # somebody else's global lock: not waited for beyond 1 s, and nothing left queued
    sql 'FLUSH TABLES WITH READ LOCK; SELECT SLEEP(20)' >/dev/null 2>&1 &
    locker=$!
    until_true sleeping
    began=$(date +%s%N)
    said '^stored .*marked=0 mark-problem=.*\(did not take\|timeout\)' manifest $set1 "$dir/document" 8 mark
    rc=$?
    took=$((($(date +%s%N) - began) / 1000000))
    left=$(sql "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT%'")
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE state = 'User sleep'")"
    wait $locker 2>/dev/null
    echo "took $took ms, $left left"
    [ $rc -eq 0 ] && [ $took -lt 2000 ] && [ "$left" = 0 ]
}
sleeping() { [ -n "$(sql "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'")" ]; }
ok 'behind a global lock the mark gives up within its second' behind_a_lock
gives_way() { # a mark that waits must not stand in the way of our own lock
    sql "SET autocommit = 0; SELECT * FROM cbsnap.mark WHERE set_id = '$set1' FOR UPDATE; SELECT SLEEP(20)" \
        >/dev/null 2>&1 &
    locker=$!
    until_true sleeping
    echo "manifest $set1 $dir/document 8 mark" >&3
    sleep 0.3
    began=$(date +%s%N)
    run hook freeze
    rc=$?
    took=$((($(date +%s%N) - began) / 1000000))
    run hook thaw
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do echo "$answer"; done
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE state = 'User sleep'")"
    wait $locker 2>/dev/null
    echo "rc $rc, the freeze took $took ms"
    [ $rc -eq 0 ] && [ $took -lt 500 ]
}
ok 'a freeze does not wait for a mark that waits for a row' gives_way
read_only() {
    sql 'SET GLOBAL read_only = ON'
    said '^stored .*marked=0 mark-problem=.*read-only' manifest $set1 "$dir/document" 8 mark
    rc=$?
    sql 'SET GLOBAL read_only = OFF'
    return $rc
}
ok 'no mark on a server that is read-only' read_only
stop_agent
conf few '[mark]' 'table = cbsnap.mark'
start_agent
ok 'an account without the right: stored, not marked, and why' \
    said "^stored path=/.*marked=0 mark-problem=.*'few'" manifest $set1 "$dir/document" 8 mark
stop_agent

echo "1..$count"
exit $failed
