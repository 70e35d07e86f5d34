#!/bin/sh
# What the agent may do, and what its account may: the real agent as root, with a real MariaDB server
# that runs as another user in a directory that nobody else may enter, and a filesystem of its own.
# Starts its own, in a directory of its own; leaves nothing behind. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
[ "$(id -u)" -eq 0 ] || { echo "not ok 1 - giving up rights needs root, to have some"; exit 1; }
drive=$PWD/${BUILD:-build}/confine-drive
dir=$(mktemp -d /tmp/cbsnap-rights.XXXXXX) || exit 1
. tests/integration/agent.sh
mysqld=

stop_all() {
    kill_both
    [ -z "$mysqld" ] || { kill -9 "$mysqld" && wait "$mysqld"; } 2>/dev/null
    fsfreeze -u "$dir/mnt" 2>/dev/null
    ! mountpoint -q "$dir/mnt" || umount "$dir/mnt"
}
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

sql() { timeout 20 mariadb --no-defaults -uroot -S "$dir/db/s" -N -e "$1"; }

# ---- a server of another user, and a filesystem that can be frozen

mkdir "$dir/db" "$dir/mnt"
chown mysql "$dir/db"
mariadb-install-db --no-defaults --user=mysql --datadir="$dir/db/data" \
    --auth-root-authentication-method=normal --skip-test-db >"$dir/install.log" 2>&1 ||
    { cat "$dir/install.log"; exit 1; }
mariadbd --no-defaults --user=mysql --datadir="$dir/db/data" --socket="$dir/db/s" --skip-networking \
    --pid-file="$dir/db/pid" --innodb-buffer-pool-size=16M --performance-schema=OFF \
    --log-bin=bin --server-id=7 --log-error="$dir/db/data/error.log" >"$dir/mysqld.log" 2>&1 &
mysqld=$!
# the account of docs/security.md, word by word
least() {
    sed -n '/^### MariaDB/,/^### /s/^    \(.*;\)$/\1/p' docs/security.md
}
server_up() { # within 30 s: it makes its files first
    for _ in $(seq $((300 * slow))); do
        sql 'CREATE DATABASE IF NOT EXISTS t; CREATE TABLE IF NOT EXISTS t.t (a INT)' >/dev/null 2>&1 && return 0
        kill -0 "$mysqld" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
server_up ||
    { echo "Bail out! no server"; tail "$dir/db/data/error.log"; exit 1; }
least | mariadb --no-defaults -uroot -S "$dir/db/s" >"$dir/why" 2>&1 ||
    { echo "Bail out! the statements of docs/security.md do not run:"; least; cat "$dir/why"; exit 1; }
chmod 700 "$dir/db/data"
chmod 600 "$dir/db/data/error.log"
truncate -s 350M "$dir/xfs.img"
mkfs.xfs -q "$dir/xfs.img" && mount -o loop "$dir/xfs.img" "$dir/mnt" ||
    { echo "Bail out! no filesystem of its own"; exit 1; }

conf() { # conf MYSQL_LINES
    cat >"$dir/agent.conf" <<END
[mysql]
socket = $dir/db/s
$1
[freeze]
rcu_expedited = no
[sample]
cost_percent = 100
interval_ms = 200
log_every_ms = 200
[manifest]
dir = $dir/instance
[agent]
run_dir = $dir/run
port = $dir/port
END
}
account="user = cbsnap
password_file = $dir/password"
echo PASSWORD >"$dir/password"
chmod 600 "$dir/password"
conf "$account"

# ---- the library's part, call by call

echo "# giving up rights"
setpriv --reuid=mysql --clear-groups sleep 300 &
other=$!
install -o mysql -m 600 /dev/null "$dir/db/secret"
echo x >"$dir/db/secret"
# the sleep has to be the other user's by the time it is looked at
until_true sh -c "[ \"\$(stat -c %U /proc/$other)\" = mysql ] && grep -q sleep /proc/$other/comm"
for mode in '' programs; do
    "$drive" "$dir/mnt" $other "$dir/db/secret" $mode >"$dir/drive.out" 2>&1 || tap_failed=1
    while read -r first second rest; do
        case $first in
        ok) result 0 "${rest#- }" ;;
        not) result 1 "${rest#* - }" ;;
        *) echo "# $first $second $rest" ;;
        esac
    done <"$dir/drive.out"
done
program_caps() { [ "$(sed -n 's/^CapEff:[[:space:]]*//p' "$dir/drive.out")" = 0000000000280004 ]; }
ok 'a program that a guest runs to verify has no more than the agent' program_caps
kill $other

# ---- the daemon

start_host
# as systemd does it, where the limit on locked memory is none
ulimit -l unlimited 2>/dev/null
start_agent
say wait hello >/dev/null

every_thread() { # every_thread NAME VALUE
    for s in /proc/"$daemon"/task/*/status; do
        value=$(sed -n "s/^$1:[[:space:]]*//p" "$s")
        [ "$value" = "$2" ] || { echo "$s: $1 is $value, not $2"; return 1; }
    done
}
# CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH; and CAP_IPC_LOCK where locked memory has a limit
mask=0000000000280004
[ "$(ulimit -l)" = unlimited ] || mask=0000000000284004
for set in CapPrm CapEff CapBnd; do
    ok "$set of every thread is what is needed" every_thread $set $mask
done
for set in CapInh CapAmb; do
    ok "$set is empty" every_thread $set 0000000000000000
done
ok 'no thread can gain privileges' every_thread NoNewPrivs 1
if "$agent" --version | grep -q 'without a filter'; then
    echo "# no filter on this kind of machine"
else
    ok 'and each has the filter' every_thread Seccomp 2
fi
# the whole process is locked as before
locked() { [ "$(sed -n 's/^VmLck:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$daemon/status")" -gt 1000 ]; }
if under thread; then
    # its shadow memory has terabytes of addresses: it makes mlockall(2) do nothing
    skip 'ThreadSanitizer locks no memory'
else
    ok 'its memory is locked all the same' locked
fi
told() { run check >"$dir/checked"; grep -q '^ok  *agent .*given up the rights' "$dir/checked" || { cat "$dir/checked"; false; }; }
ok 'check says so' told

echo "# what it still does"
insert() { timeout "$1" mariadb --no-defaults -uroot -S "$dir/db/s" -e 'INSERT INTO t.t VALUES (1)'; }
wrote() { # wrote NAME TENTHS: not under timeout(1), a writer on a frozen filesystem cannot be killed
    touch "$dir/mnt/$1" &
    writer=$!
    for _ in $(seq $(($2 * slow))); do
        kill -0 $writer 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}
held() {
    said '^prepared epoch=.* server=10' prepare run-1 $((5000 * slow)) || return 1
    epoch=$(cat "$dir/run/epoch")
    run hook freeze && fsfreeze -f "$dir/mnt" &&
        said '^renewed' renew run-1 "$epoch" 1 && ! insert 0.5 && ! wrote 1 5 &&
        said "^released held=1 epoch=$epoch" release run-1 "$epoch" && insert $((2 * slow)) && wrote 2 20
}
ok 'lock, freeze, probe, thaw: held' held
lease() {
    said '^prepared' prepare run-2 $((1000 * slow)) || return 1
    epoch=$(cat "$dir/run/epoch")
    run hook freeze && fsfreeze -f "$dir/mnt" && wrote 3 20 &&
        said '^released held=0 .*(lease)' release run-2 "$epoch"
}
ok 'the watchdog thaws' lease
stored() { said "^stored path=$dir/instance/" manifest 20161104T101500Z-7f3a docs/architecture.md; }
ok 'a manifest is kept' stored
# a file that the server has open and somebody removed; in a directory that only the server may enter
sample_says() { # sample_says METRIC
    said "^sample metrics=.*[ ,]$1" wait sample
}
say subscribe 200 2000 >/dev/null
sql 'CREATE TABLE t.d (a INT) ENGINE=MyISAM; INSERT INTO t.d VALUES (1)' && rm "$dir/db/data/t/d.MYD"
ok 'deleted files of the server are seen' until_true sample_says mysql.deleted_open.files
ok "its error log is read" until_true sample_says mysql.errlog.warnings

# ---- the socket

nobody() { setpriv --reuid=nobody --clear-groups "$agent" --config "$dir/agent.conf" status; }
shut() { ! nobody >"$dir/nobody" 2>&1 && grep -qi 'permission' "$dir/nobody" || { cat "$dir/nobody"; false; }; }
ok 'the socket is shut to others' shut
turned_away() {
    chmod 755 "$dir/run" && chmod 666 "$dir/run/agent.sock"
    nobody >"$dir/nobody" 2>&1 && { cat "$dir/nobody"; return 1; }
    until_true grep -q 'is not root was turned away' "$dir/agent.log" && run status
}
ok 'where its mode was widened they are turned away, and root is not' turned_away
ok 'it ends with 0' stop_agent
closed_again() { start_agent && [ "$(stat -c %a "$dir/run" "$dir/run/agent.sock" | tr '\n' ' ')" = '700 600 ' ]; }
ok 'the next one shuts it again' closed_again

# ---- the account

echo "# the account"
check_says() { # check_says PATTERN
    run check >"$dir/checked" 2>&1
    grep -q -e "$1" "$dir/checked" || { echo "wanted: $1"; cat "$dir/checked"; false; }
}
ok 'the account of the documentation has all that is needed' check_says '^ok  *rights .*all that is needed'
not_too_much() { ! grep 'too much' "$dir/checked"; }
ok 'and not too much' not_too_much
lacks() { # lacks RIGHT NAME: taken away, it is missed; given back
    sql "REVOKE $1 ON *.* FROM cbsnap@localhost" && check_says "^[wF][aA][rI][nL]  *rights .*$2.*; GRANT $2 ON"
    rc=$?
    sql "GRANT $1 ON *.* TO cbsnap@localhost"
    return $rc
}
ok 'each right that lacks is told, with the GRANT: RELOAD' lacks RELOAD RELOAD
ok 'PROCESS' lacks PROCESS PROCESS
ok 'BINLOG MONITOR' lacks 'BINLOG MONITOR' 'BINLOG MONITOR'
ok 'REPLICA MONITOR' lacks 'REPLICA MONITOR' 'REPLICA MONITOR'
wide() {
    sql 'GRANT SUPER, FILE ON *.* TO cbsnap@localhost; GRANT SELECT ON t.* TO cbsnap@localhost'
    check_says '^warn  *rights .*too much: SUPER lets .*; REVOKE SUPER' &&
        grep -q 'too much: FILE lets' "$dir/checked" && grep -q 'too much: a right on t\.\*' "$dir/checked" &&
        sql 'REVOKE SUPER, FILE ON *.* FROM cbsnap@localhost; REVOKE SELECT ON t.* FROM cbsnap@localhost'
}
ok 'each that is too much is told, with the REVOKE' wide
stop_agent
conf 'user = root'
start_agent
root() { check_says "^warn  *rights .*too much: 'root'@'localhost' may do anything" && [ "$(grep -c 'too much' "$dir/checked")" = 1 ]; }
ok "root's own account is too much: one sentence" root
ok 'the daemon ends with 0' stop_agent

# ---- the unit

echo "# the unit"
# each of these makes a mount namespace, in which the agent would see other mounts than those there are
no_namespace() {
    ! grep -E '^(Protect(System|Home|Kernel|Control|Proc|Hostname)|Private|(ReadOnly|ReadWrite|Inaccessible|Exec|NoExec)Paths|Bind|TemporaryFileSystem|Root|Mount(Flags|Images|API)|ProcSubset|DynamicUser|LogNamespace|NetworkNamespacePath)' \
        guest-agent/cbsnap-agent.service
}
ok 'it makes no mount namespace' no_namespace
same_caps() {
    [ "$(sed -n 's/^CapabilityBoundingSet=//p' guest-agent/cbsnap-agent.service)" = \
        "$(sed -n 's/.*always\[\] = {\(.*\)};/\1/p' guest-agent/confine/confine.c | tr -d ,)" ]
}
ok 'it keeps the capabilities that the agent keeps' same_caps
valid() {
    sed "s|@SBINDIR@/cbsnap-agent|$agent|" guest-agent/cbsnap-agent.service >"$dir/cbsnap-agent.service"
    out=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$dir/cbsnap-agent.service" 2>&1)
    [ -z "$out" ] || { echo "$out"; false; }
}
if command -v systemd-analyze >/dev/null; then
    ok 'systemd knows every line of it' valid
fi
tap_end
