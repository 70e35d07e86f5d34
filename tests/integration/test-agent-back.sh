#!/bin/sh
# What going back needs of the agent, with a real MariaDB server: manifest and mark, the certificate
# of a server that recovered, the options of a guest that verifies, and the check of all data.
# Starts a server and an agent of its own, in a directory of its own; leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
dir=$(mktemp -d /tmp/cbsnap-back.XXXXXX) || exit 1
. tests/integration/agent.sh
mysqld=
manager=
as=
[ "$(id -u)" -ne 0 ] || as=--user=mysql
set1=20161104T101500Z-7f3a
set2=20161104T111500Z-0001

stop_all() {
    kill_both
    [ -z "$manager" ] || { kill -9 "$manager" && wait "$manager"; }
    # the server may have been started anew by the stand-in for systemctl: it is no child of ours
    for p in $mysqld $(pgrep -f -- "--datadir=$dir/data "); do
        kill -9 "$p"
    done
    [ -z "$mysqld" ] || wait "$mysqld"
} 2>/dev/null
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

sql_as() { # sql_as USER STATEMENT
    timeout 20 mariadb --no-defaults -u"$1" -pright -S "$dir/s" -N -e "$2"
}
sql() { timeout 20 mariadb --no-defaults -uroot -S "$dir/s" -N -e "$1"; }

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
    for _ in $(seq $((300 * slow))); do
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
dir = $dir/own/instance
[agent]
run_dir = $dir/run
port = $dir/port
END
    shift
    printf '%s\n' "$@" >>"$dir/agent.conf"
}

agent_starts() { # with a log of its own
    : >"$dir/agent.log"
    start_agent
    say wait hello >/dev/null
}

mariadb-install-db --no-defaults $as --datadir="$dir/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/install.log" 2>&1 || { cat "$dir/install.log"; exit 1; }
[ -z "$as" ] || chown mysql "$dir"
mkdir "$dir/bin" "$dir/own" # root's, in a directory that is the server's
PATH=$dir/bin:$PATH # the agent finds our systemctl
# Stands in for systemd: starts and stops the server as its unit would, and notes what was asked. As
# with the real one it is another process that does so: the agent may neither start nor end a server.
mkdir "$dir/manager"
mkfifo "$dir/manager/ask"
manage() { # manage VERB
    case $1 in
    start)
        [ ! -e "$dir/no-start" ] || { echo 'it does not start'; return 1; }
        rm -f "$dir/pid"
        MYSQL_HOME=$dir/home MARIADB_HOME=$dir/home setsid mariadbd $as --datadir="$dir/data" --socket="$dir/s" --skip-networking \
            --pid-file="$dir/pid" --innodb-buffer-pool-size=16M --performance-schema=OFF \
            --log-bin="$dir/data/bin" --server-id=7 --log-error="$dir/error.log" >/dev/null 2>&1 &
        ;;
    stop)
        pid=$(cat "$dir/pid" 2>/dev/null)
        kill "$pid"
        while grep -qs '^State:[[:space:]]*[^Z]' "/proc/$pid/status"; do sleep 0.1; done
        ;;
    esac
}
while :; do
    # one that was killed before it asked is no end of it
    read -r verb unit asker <"$dir/manager/ask" || continue
    echo "$verb $unit" >>"$dir/asked"
    manage "$verb" >"$dir/manager/$asker.says" 2>&1
    echo $? >"$dir/manager/$asker.new"
    mv "$dir/manager/$asker.new" "$dir/manager/$asker"
done &
manager=$!
cat >"$dir/bin/systemctl" <<END
#!/bin/sh
echo "\$1 \$2 \$\$" >"$dir/manager/ask"
until [ -e "$dir/manager/\$\$" ]; do sleep 0.05; done
cat "$dir/manager/\$\$.says"
read -r code <"$dir/manager/\$\$"
exit \$code
END
chmod +x "$dir/bin/systemctl"
echo right >"$dir/password"
chmod 600 "$dir/password"
start_mysqld
sql "CREATE DATABASE t; CREATE TABLE t.t (a INT PRIMARY KEY, b VARCHAR(200)) ENGINE=InnoDB; USE t;
    INSERT INTO t.t SELECT seq, REPEAT('x', 200) FROM seq_1_to_2000;
    CREATE TABLE t.u (a INT) ENGINE=InnoDB; INSERT INTO t.u VALUES (1);
    CREATE DATABASE cbsnap; CREATE TABLE cbsnap.mark (set_id VARCHAR(64) PRIMARY KEY, at_wall_us BIGINT NOT NULL);
    CREATE USER cbsnap@localhost IDENTIFIED BY 'right';
    GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICA MONITOR ON *.* TO cbsnap@localhost;
    GRANT SELECT, INSERT, UPDATE, DELETE ON cbsnap.mark TO cbsnap@localhost;
    CREATE USER few@localhost IDENTIFIED BY 'right'" || exit 1
start_host

# ---- manifest and mark

conf cbsnap
agent_starts
stored() {
    echo '{"format": 1}' >"$dir/document"
    said "^stored path=$dir/own/instance/$set1.json pruned=0 marked=0 mark-problem=-" \
        manifest $set1 "$dir/document" && cmp "$dir/document" "$dir/own/instance/$set1.json" &&
        [ "$(stat -c %a "$dir/own/instance" "$dir/own/instance/$set1.json" | tr '\n' ' ')" = '700 600 ' ]
}
ok 'a manifest is stored, private' stored
ok 'a name that is none is refused' said '^error code=8 .*no set' manifest ../x "$dir/document"
too_big() {
    head -c 530000 /dev/zero | tr '\0' x >"$dir/big"
    said '^error code=8 .*530000 bytes' manifest $set2 "$dir/big" && [ ! -e "$dir/own/instance/$set2.json" ]
}
ok 'one that is too large is refused' too_big
ok 'no mark without mark.table, and no complaint' \
    said '^stored .*marked=0 mark-problem=-' manifest $set2 "$dir/document" 8 mark
ok 'one that is kept alone: the older goes' said '^stored .*pruned=1' manifest $set2 "$dir/document" 1
forgotten() { said '^stored path=- ' manifest $set2 - && [ ! -e "$dir/own/instance/$set2.json" ]; }
ok 'a manifest is forgotten' forgotten
not_while_frozen() {
    run hook freeze && said '^error code=5 ' manifest $set1 "$dir/document" &&
        [ ! -e "$dir/own/instance/$set1.json" ]
    rc=$?
    run hook thaw
    return $rc
}
ok 'nothing is written while a freeze is under way' not_while_frozen
stop_agent

conf cbsnap '[mark]' 'table = cbsnap.mark'
agent_starts
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
wrong_clock() { # one of 2099 is neither the newest for ever, nor in the way of those that come
    sql "INSERT INTO cbsnap.mark VALUES ('20991231T235959Z-7f3a', 4102444799000000)" &&
        said '^stored .*marked=1' manifest $set1 "$dir/document" 8 mark &&
        [ "$(sql 'SELECT set_id, at_wall_us FROM cbsnap.mark ORDER BY at_wall_us DESC LIMIT 1')" = \
            "$set1	4102444799000001" ] && sql "DELETE FROM cbsnap.mark WHERE set_id LIKE '2099%'"
}
ok 'marks are in the order in which they were written' wrong_clock
behind_a_lock() { # somebody else's global lock: not waited for beyond 1 s, and nothing left queued
    sql 'FLUSH TABLES WITH READ LOCK; SELECT SLEEP('$((20 * slow))')' >/dev/null 2>&1 &
    locker=$!
    until_true sleeping
    began=$(date +%s%N)
    said '^stored .*marked=0 mark-problem=.*\(did not take\|timeout\)' manifest $set1 "$dir/document" 8 mark
    rc=$?
    took=$((($(date +%s%N) - began) / 1000000))
    until_true none_left # who is killed goes in its own time
    left=$?
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE state = 'User sleep'")"
    wait $locker 2>/dev/null
    echo "took $took ms"
    [ $rc -eq 0 ] && [ $took -lt $((5000 * slow)) ] && [ $left -eq 0 ]
}
none_left() { [ -z "$(sql "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT%'")" ]; }
sleeping() { [ -n "$(sql "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'")" ]; }
ok 'behind a global lock the mark gives up within its second' behind_a_lock
waiting() { [ -n "$(sql "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT%'")" ]; }
freeze_beside_a_mark() {
    sql "SET autocommit = 0; SELECT * FROM cbsnap.mark WHERE set_id = '$set1' FOR UPDATE; SELECT SLEEP($((20 * slow)))" \
        >/dev/null 2>&1 &
    locker=$!
    until_true sleeping
    echo "manifest $set1 $dir/document 8 mark" >&3
    until_true waiting
    run hook freeze
    rc=$?
    run hook thaw
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do echo "$answer"; done >"$dir/said"
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE state = 'User sleep'")"
    wait $locker 2>/dev/null
    echo "rc $rc"
    [ $rc -eq 0 ] && has 'marked=0 mark-problem=a freeze began while the mark was being written'
}
gives_way() { # a mark that waits must not stand in the way of our own lock
    for _ in 1 2 3; do # where the freeze came late, the mark's own second was over
        freeze_beside_a_mark && return 0
    done
    return 1
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
replica() {
    sql "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x', MASTER_PASSWORD='x'"
    said '^stored .*marked=0 mark-problem=.*is a replica' manifest $set1 "$dir/document" 8 mark
    rc=$?
    sql 'RESET SLAVE ALL'
    return $rc
}
ok 'nor on a replica that takes writes' replica
stop_agent
conf few '[mark]' 'table = cbsnap.mark'
agent_starts
ok 'an account without the right: stored, not marked, and why' \
    said "^stored path=/.*marked=0 mark-problem=.*'few'" manifest $set1 "$dir/document" 8 mark
stop_agent

# ---- certificate, in an ordinary boot: the server recovers, and the account has the least rights

conf cbsnap '[mark]' 'table = cbsnap.mark'
# of tests above, and so that there is something to recover; one is of a time when the clock was wrong
sql "DELETE FROM cbsnap.mark; INSERT INTO cbsnap.mark VALUES ('20991231T235959Z-7f3a', 4102444799000000)"
agent_starts
say manifest $set1 "$dir/document" 8 mark >/dev/null
stop_agent
position=$(sql 'SHOW MASTER STATUS' | awk '{print $1 ":" $2}')
binlog=${position%:*}
gtid=$(sql 'SELECT @@GLOBAL.gtid_binlog_pos')
before_lsn=$(sql "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_lsn_current'")
kill_mysqld
start_mysqld --log-warnings=3
agent_starts
certified() {
    say certificate $set1 "$binlog" >/dev/null
    has "^certificate ready=1 verifying=- version=10.* uuid=- gtid=$gtid at-start=$gtid " &&
        has " binlogs=.*$position,bin.[0-9]*:[0-9]*, " && has ' problem=-$' &&
        has " read-only=0 events=0 replica=0 mark=$set1 manifest=$set1 " && has ' recovery-ms=- '
}
ok 'a server that recovered: position, head of the next binary log, mark, manifest' certified
recovered() {
    said '^certificate ready=1' certificate $set1 "$binlog"
    lsn=$(sed -n 's/.* recovered=\([0-9]*\).*/\1/p' "$dir/said")
    echo "recovered ${lsn:--}, before $before_lsn"
    [ "$lsn" = "$(sed -n 's/.*End of log at LSN=\([0-9]*\).*/\1/p' "$dir/error.log" | tail -n 1)" ] &&
        [ "$lsn" -ge $((before_lsn - 4096)) ]
}
ok 'how far recovery found the redo log, as its error log says' recovered
ok 'a file that is the last has no successor' \
    said '^certificate ready=1 .* at-start=- ' certificate $set1 "$(sql 'SHOW MASTER STATUS' | awk '{print $1}')"
only_this_run() { # the run before left errors that are none of this one's
    said '^certificate .* errors=0 ' certificate $set1 "$binlog"
}
sed -i "1i 2015-01-01 10:00:00 0 [ERROR] of long ago" "$dir/error.log"
ok 'errors of an earlier run do not count' only_this_run
ok 'no data check in an ordinary guest' said '^error code=4 .*not booted to verify' datacheck
not_certified_while_frozen() {
    run hook freeze && said '^error code=5 ' certificate $set1 "$binlog"
    rc=$?
    run hook thaw
    return $rc
}
ok 'no certificate while a freeze is under way' not_certified_while_frozen
stop_agent
conf few '[mark]' 'table = cbsnap.mark'
agent_starts
few_rights() {
    said '^certificate ready=1 .* at-start=- .* read-only=0 .* mark=- ' certificate $set1 "$binlog" &&
        has "mark-problem=.*'few'" && has ' binlogs= '
}
ok 'an account with no rights: absent what it may not read, and why' few_rights
sql 'RENAME TABLE cbsnap.mark TO cbsnap.other'
stop_agent
conf cbsnap '[mark]' 'table = cbsnap.mark'
agent_starts
sql 'GRANT SELECT ON cbsnap.* TO cbsnap@localhost'
ok 'no table for marks: no mark, and no complaint' said ' mark=- .* mark-problem=- ' certificate $set1 "$binlog"
sql 'RENAME TABLE cbsnap.other TO cbsnap.mark'
position=$(sql 'SHOW MASTER STATUS' | awk '{print $1 ":" $2}')
binlog=${position%:*}
gtid=$(sql 'SELECT @@GLOBAL.gtid_binlog_pos')
down_at_once() {
    kill_mysqld
    began=$(date +%s%N)
    said "^certificate ready=0 .*problem=.*$dir/s" certificate $set1 "$binlog" || return 1
    [ $((($(date +%s%N) - began) / 1000000)) -lt $((5000 * slow)) ]
}
ok 'a server that is down: not ready, at once' down_at_once
stop_agent

# ---- a guest that verifies

echo "cbsnap-verify:$set1" >"$dir/tag"
generate() { # generate TAG-FILE
    rm -rf "$dir/units" "$dir/home"
    mkdir -p "$dir/units/normal" "$dir/units/early" "$dir/units/late"
    CBSNAP_ASSET_FILE=$1 CBSNAP_VERIFY_HOME=$dir/home \
        guest-agent/cbsnap-verify-generator "$dir/units/normal" "$dir/units/early" "$dir/units/late"
}
ordinary_boot() {
    echo 'cbsnap-verify:x' >"$dir/other-tag"
    generate "$dir/other-tag" && generate "$dir/none" && [ ! -e "$dir/home" ] &&
        [ -z "$(find "$dir/units" -type f)" ]
}
ok 'the generator leaves an ordinary boot alone' ordinary_boot
verifying_boot() {
    generate "$dir/tag" || return 1
    for unit in mysql mysqld mariadb mysqld@; do
        grep -qx "Environment=MYSQL_HOME=$dir/home MARIADB_HOME=$dir/home" \
            "$dir/units/early/$unit.service.d/zz-cbsnap-verify.conf" || return 1
        grep -qx 'Restart=no' "$dir/units/early/$unit.service.d/zz-cbsnap-verify.conf" || return 1
    done
    grep -qx skip_grant_tables "$dir/home/my.cnf"
}
ok 'and gives the server of a guest that verifies its options' verifying_boot

# as a unit would: the option files of this machine, and the ones of the generator
export MYSQL_HOME="$dir/home" MARIADB_HOME="$dir/home"
no_defaults=
conf cbsnap '[mark]' 'table = cbsnap.mark' '[verify]' "asset_file = $dir/tag" 'unit = db.service'
agent_starts
ok 'the agent says that it verifies' logged "verify mode.*$set1"
ok 'before the server is there: not ready, for which set' \
    said "^certificate ready=0 verifying=$set1 .*problem=no server runs\|^certificate ready=0 verifying=$set1 .*does not answer" \
    certificate $set1 "$binlog"
start_mysqld --event-scheduler=OFF
verified() {
    until_true took
    has "^certificate ready=1 verifying=$set1 .* gtid=$gtid at-start=$gtid " &&
        has " read-only=1 events=0 replica=0 mark=$set1 manifest=$set1 "
    rc=$?
    # no warning of our own making; that a question was given up on while the server was slow to
    # start is none, nor what MariaDB says on a machine without a network
    ! grep '^line' "$dir/said" | grep -v -e "Aborted connection .* user: 'cbsnap'" -e WSREP && return $rc
}
took() { said ' recovery-ms=[1-9]' certificate $set1 "$binlog"; }
ok 'then its certificate: read-only, and how long recovery took' verified
ok 'all accounts are let in' sql_as nobody 'SELECT 1 FROM t.t LIMIT 1'
no_freeze() { ! run hook freeze 2>"$dir/err" && grep -q "verify set $set1" "$dir/err"; }
ok 'it takes no freeze' no_freeze
ok 'nor a run' said '^error code=4 .*takes no freeze' prepare run-1
ok 'nor a manifest' said '^error code=4 .*keeps no manifest' manifest $set2 "$dir/document"

# ---- the check of all data

all_right() {
    : >"$dir/asked"
    say datacheck >/dev/null
    has '^checked tables=[1-9][0-9]* files=[1-9][0-9]* problems=0 tables-problem=- files-problem=-$' &&
        grep -qx 'stop db.service' "$dir/asked" && ! up 2>/dev/null
}
ok 'sound data: every table and file checked, no problem, the server stopped' all_right
start_unit() { systemctl start db.service && until_up; }
mysqld=
start_unit
ok 'tables by name, no checksums: the server stays up' \
    said '^checked tables=1 files=0 problems=0 ' datacheck - t.t
none_read() {
    said '^absent t.none$' datacheck t.t t.none && has '^checked tables=0 files=0 problems=0 tables-problem=.*no table .t.none.' && up
}
ok 'a table that is not there is told, and nothing is read' none_read
ok 'a name that is none is told' said 'tables-problem=.*no schema.table' datacheck - t

locked() { # locked COMMAND...: while somebody keeps t.t, so that its check waits
    sql 'LOCK TABLES t.t WRITE; SELECT SLEEP('$((30 * slow))')' >/dev/null 2>&1 &
    locker=$!
    until_true sleeping
    "$@"
    rc=$?
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE state = 'User sleep'")"
    wait $locker 2>/dev/null
    return $rc
} 2>/dev/null
checking() { [ -n "$(sql "SELECT id FROM information_schema.processlist WHERE info LIKE 'CHECK TABLE%'")" ]; }
not_checking() { ! checking; }
busy_meanwhile() {
    echo 'datacheck - t.t' >&3
    until_true checking || return 1
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do
        echo "$answer"
        case $answer in progress*) break ;; esac
    done >"$dir/said"
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE state = 'User sleep'")"
    has '^progress 0/1 t.t' || return 1
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do echo "$answer"; done >"$dir/said"
    has '^checked tables=1 .*problems=0 '
}
ok 'progress is told meanwhile' locked busy_meanwhile
host_goes() {
    echo 'datacheck - t.t' >&3
    until_true checking || return 1
    kill -9 "$hostpid"
    wait "$hostpid" 2>/dev/null
    exec 3>&- 4<&-
    until_true not_checking
}
ok 'a host that goes away ends the check, on the server too' locked host_goes
rm -f "$dir/in" "$dir/out"
start_host
say wait hello >/dev/null
goes_on() { said '^checked tables=1 files=0 problems=0 ' datacheck - t.t; }
ok 'and the next host can have one' until_true goes_on

died() { # the server dies in the middle of the first of two tables
    : >"$dir/asked"
    sql 'LOCK TABLES t.t WRITE; SELECT SLEEP('$((30 * slow))')' >/dev/null 2>&1 &
    locker=$!
    until_true sleeping
    echo 'datacheck - t.t t.u' >&3
    until_true checking
    echo "$(date '+%Y-%m-%d %H:%M:%S') 0 [ERROR] InnoDB: a page is not what it should be" >>"$dir/error.log"
    kill -9 "$(cat "$dir/pid")"
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do echo "$answer"; done >"$dir/said"
    wait $locker 2>/dev/null
    has '^problem t.t: the server died while checking it: .*a page is not what it should be'
}
died_and_back() {
    died && has '^checked tables=1 files=0 problems=1 tables-problem=- ' && grep -qx 'start db.service' "$dir/asked"
}
died_for_good() {
    touch "$dir/no-start"
    died && has 'tables-problem=1 of 2 tables were checked: .*not started again: .*it does not start' &&
        [ "$(grep -c start "$dir/asked")" = 3 ]
    rc=$?
    rm "$dir/no-start"
    start_unit
    return $rc
}
ok 'a server that dies on a table: its problem, and the rest goes on' died_and_back
ok 'one that does not come back: three tries, then it says so' died_for_good

# a page of a table overwritten while the server is down, as a disk that lies would
systemctl stop db.service
dd if=/dev/urandom of="$dir/data/t/t.ibd" bs=16384 seek=6 count=1 conv=notrunc 2>/dev/null
start_unit
page_is_found() {
    say datacheck >/dev/null
    has '^problem t.t: ' && has "^problem $dir/data/t/t.ibd: .*[Ff]ail.*status 1" &&
        has '^checked tables=[1-9].* files=[1-9].* tables-problem=- files-problem=-$'
}
ok 'one overwritten page: CHECK TABLE and innochecksum find it' page_is_found
cat "$dir/said" | grep ^problem | sed 's/^/# /'
no_tool() {
    start_unit
    mv "$dir/data/t/t.ibd" "$dir/t.ibd"
    stop_agent
    mkdir "$dir/few"
    for tool in "$dir/bin/systemctl" /bin/sh /bin/sleep /bin/cat; do
        ln -s "$(command -v "$tool")" "$dir/few/"
    done
    : >"$dir/agent.log"
    PATH="$dir/few" "$agent" --config "$dir/agent.conf" daemon >>"$dir/agent.log" 2>&1 3>&- 4>&- &
    daemon=$!
    until_true run status && say wait hello >/dev/null
    said '^checked tables=1 files=0 problems=0 tables-problem=- files-problem=.*innochecksum' datacheck t.u
}
if under memcheck; then
    # it makes a fork of the vfork in posix_spawn(), which then cannot tell that there is no such program
    skip 'no innochecksum, under valgrind'
else
    ok 'no innochecksum: said, and the tables are checked all the same' no_tool
fi
ok 'the daemon ends with 0' stop_agent
tap_end
