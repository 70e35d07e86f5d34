#!/bin/sh
# The real agent with a real MariaDB server, without qemu-ga: hook, lease, port, and what happens when
# one of them dies. Nobody freezes filesystems here, so what is held is the lock alone.
# Starts a server and an agent of its own, in a directory of its own; leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
dir=$(mktemp -d /tmp/cbsnap-agent.XXXXXX) || exit 1
. tests/integration/agent.sh
mysqld=
as=
[ "$(id -u)" -ne 0 ] || as=--user=mysql

stop_all() {
    if [ -d "$dir/mnt" ]; then
        fsfreeze -u "$dir/mnt"
        umount "$dir/mnt"
    fi 2>/dev/null
    kill_both
    [ -z "$mysqld" ] || { kill -9 "$mysqld" && wait "$mysqld"; } 2>/dev/null
}
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

sql() { timeout 20 mariadb --no-defaults -uroot -S "$dir/s" -N -e "$1"; }
insert() { # insert SECONDS: a write from another session, given up after that time
    timeout "$1" mariadb --no-defaults -uroot -S "$dir/s" -e 'INSERT INTO t.t VALUES (1)'
}
write_in() { insert "$(($1 * slow))"; } # 10 where a lock that is not let go lasts for the hook's lease of 30 s
blocked() { ! insert 0.5 2>/dev/null; }
state_is() { run status >"$dir/status" && grep -q "^state  *$1" "$dir/status" || { cat "$dir/status"; false; }; }

start_mysqld() {
    mariadbd --no-defaults $as --datadir="$dir/data" --socket="$dir/s" --skip-networking \
        --pid-file="$dir/pid" --innodb-buffer-pool-size=16M --performance-schema=OFF \
        --log-bin=bin --server-id=7 >"$dir/mysqld.log" 2>&1 &
    mysqld=$!
    for _ in $(seq 300); do
        sql 'CREATE DATABASE IF NOT EXISTS t; CREATE TABLE IF NOT EXISTS t.t (a INT)' \
            >/dev/null 2>&1 && return 0
        kill -0 "$mysqld" 2>/dev/null || break
        sleep 0.1
    done
    echo "Bail out! mariadbd did not start:"
    tail -20 "$dir/mysqld.log"
    exit 1
}

conf() { # conf MYSQL_LINE [HOOK_LEASE_MS]
    cat >"$dir/agent.conf" <<END
[mysql]
socket = $dir/s
$1
[lock]
try_ms = 200
tries = 3
backoff_ms = 50
[lease]
hook_ms = ${2:-$((30000 * slow))}
run_ms = $((10000 * slow))
[freeze]
# other programs of this machine may mind
rcu_expedited = no
[sample]
interval_ms = 200
[manifest]
dir = $dir/own/instance
[agent]
run_dir = $dir/run
port = $dir/port
END
}

mariadb-install-db --no-defaults $as --datadir="$dir/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/install.log" 2>&1 || { cat "$dir/install.log"; exit 1; }
[ -z "$as" ] || chown mysql "$dir"
mkdir "$dir/own" # the directory is the server's, and root without its capabilities may not write there
start_mysqld
: >"$dir/agent.log"
conf ''
start_agent

# ---- the hook alone

frozen_by_hook() { run hook freeze && state_is locked && blocked; }
ok 'hook freeze takes the lock: a write blocks' frozen_by_hook
position_right() {
    here=$(sql 'SHOW MASTER STATUS' | awk '{print $1 ":" $2}')
    grep -q "^position  *$here" "$dir/status" || { echo "server: $here"; cat "$dir/status"; false; }
}
ok 'the position told is the server'\''s own' position_right
second_refused() {
    run hook freeze 2>"$dir/err" && return 1
    grep -q 'already under way' "$dir/err" || { cat "$dir/err"; false; }
}
ok 'a second freeze is refused and changes nothing' second_refused
ok 'and the write still blocks' blocked
thawed_by_hook() { run hook thaw && write_in 10 && state_is idle; }
ok 'hook thaw lets it go' thawed_by_hook
ok 'a thaw with nothing frozen is no failure' run hook thaw
noted() {
    run status >"$dir/status"
    grep -A1 '^freeze .*, held [0-9.]* ms, writers waited [0-9.]* ms, released (hook)$' "$dir/status" |
        grep -qx " *at $here" || { cat "$dir/status"; false; }
}
ok 'status tells of the freeze that is over: how long, and at which position' noted
log_quiet() { logged 'released (epoch 1, by hook)' && logged "nobody prepared), lease $((30000 * slow)) ms"; }
ok 'the log says by whom, and which lease counted' log_quiet
marker_gone() { [ ! -e "$dir/run/session" ] && [ "$(cat "$dir/run/epoch")" = 2 ]; }
ok 'no marker is left, the epoch is raised' marker_gone
perms() { [ "$(stat -c %a "$dir/run" "$dir/run/agent.sock" | tr '\n' ' ')" = '700 600 ' ]; }
ok 'socket and directory are private' perms

hook_killed() {
    sql 'LOCK TABLES t.t WRITE; SELECT SLEEP(30)' >/dev/null 2>&1 &
    holder=$!
    until_true locker_there || return 1
    # not by run(): its own process is to be killed, not a shell that waits for it
    "$agent" --config "$dir/agent.conf" hook freeze 2>/dev/null &
    hook=$!
    until_true state_is locking || return 1
    kill -9 $hook
    until_true state_is idle
    rc=$?
    sql "$(sql "SELECT CONCAT('KILL ', id) FROM information_schema.processlist \
        WHERE info LIKE '%SLEEP(30)%' AND id <> connection_id()")"
    wait $holder $hook 2>/dev/null
    [ $rc -eq 0 ] && write_in 10
}
locker_there() {
    [ -n "$(sql "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'")" ]
}
ok 'a hook that is killed while it waits is as if it had not asked' hook_killed

# ---- leases and deaths

dies_while_held() {
    run hook freeze && blocked && [ -e "$dir/run/session" ] || return 1
    stop_agent KILL
    write_in 10 || return 1
    start_agent
    [ ! -e "$dir/run/session" ] && logged 'died in the freeze' && state_is idle &&
        grep -q 'lost (restart)' "$dir/status"
}
ok 'agent killed while held: the lock is gone, its successor cleans up and says so' dies_while_held
both_noted() {
    run status | grep '^freeze' >"$dir/freezes"
    [ "$(grep -c . "$dir/freezes")" = 3 ] && head -1 "$dir/freezes" | grep -q 'lost (restart)' &&
        tail -1 "$dir/freezes" | grep -q 'released (hook)' && [ "$(stat -c %a "$dir/run/freezes")" = 600 ] ||
        { cat "$dir/freezes"; false; }
}
ok 'and still tells of the freezes before it' both_noted
thaw_tells_lost() {
    run hook thaw 2>"$dir/err" && return 1
    grep -q 'not consistent' "$dir/err" && run hook thaw
}
ok 'the thaw hook tells once that the freeze was lost' thaw_tells_lost

signalled() {
    run hook freeze && stop_agent TERM && write_in 10 && [ ! -e "$dir/run/session" ] &&
        [ ! -e "$dir/run/agent.sock" ] && logged '(signal)'
}
ok 'SIGTERM while held: lets go first, then ends with 0' signalled

conf '' $((1000 * slow))
start_agent
signal_noted() { run status | grep -m1 '^freeze .*, held ' | grep -q 'lost (signal)' || { run status; false; }; }
ok 'and its successor tells of that freeze' signal_noted
lease_ends() {
    began=$(date +%s%N) # the lease runs from somewhere in the hook
    run hook freeze && write_in 5 || return 1
    took=$((($(date +%s%N) - began) / 1000000))
    [ $took -ge $((1000 * slow)) ] && [ $took -le $((4000 * slow)) ] && until_true logged 'not held (lease)' ||
        { echo "the write waited for $took ms"; false; }
}
ok 'the lease ends by itself, in time' lease_ends
lease_tells() { ! run hook thaw 2>"$dir/err" && grep -q "lease of $((1000 * slow)) ms" "$dir/err"; }
ok 'and the thaw hook hears of it' lease_tells

stopped_loop() { # the loop's thread cannot be stopped alone; the whole process and its clock can
    run hook freeze || return 1
    kill -STOP "$daemon"
    pause 1500
    kill -CONT "$daemon"
    until_true write_in 1 && until_true state_is idle && run status >"$dir/status" &&
        grep -q '(lease)' "$dir/status"
}
ok 'an agent that was stopped over its lease lets go as soon as it runs' stopped_loop
run hook thaw 2>/dev/null
stop_agent

conf ''
start_agent
mysqld_dies() {
    run hook freeze || return 1
    kill -9 "$mysqld"
    wait "$mysqld" 2>/dev/null
    until_true logged 'not held (connection)' && state_is idle && ! run hook thaw 2>"$dir/err" &&
        grep -q 'connection that held the lock is gone' "$dir/err"
}
ok 'mysqld killed while held: known at once, told to the thaw hook' mysqld_dies
no_server() {
    ! run hook freeze 2>"$dir/err" && grep -q "$dir/s" "$dir/err" && state_is idle ||
        { cat "$dir/err"; false; }
}
ok 'no server: the freeze fails with a sentence that names the socket' no_server
start_mysqld
works_again() { frozen_by_hook && thawed_by_hook; }
ok 'server back: the next freeze works' works_again
stop_agent

sql "CREATE USER weak@localhost IDENTIFIED BY 'right'; CREATE USER other@localhost IDENTIFIED BY 'right'; GRANT PROCESS ON *.* TO other@localhost"
printf 'wrong\n' >"$dir/password"
chmod 600 "$dir/password"
conf "user = weak
password_file = $dir/password"
start_agent
wrong_password() {
    ! run hook freeze 2>"$dir/err" && grep -q "weak" "$dir/err" && state_is idle && write_in 10 ||
        { cat "$dir/err"; false; }
}
ok 'wrong password: exit 1, the account named, nothing held' wrong_password
check_says() { # check_says CODE PATTERN
    run check >"$dir/checked" 2>&1
    code=$?
    [ $code -eq "$1" ] && grep -q -e "$2" "$dir/checked" || { echo "exit $code"; cat "$dir/checked"; false; }
}
ok 'check: FAIL for an account that cannot log in' check_says 3 "^FAIL  *server .*weak"
stop_agent
printf 'right\n' >"$dir/password"
conf "user = other
password_file = $dir/password"
start_agent
ok 'check: FAIL for a missing right, with the GRANT to run' check_says 3 '^FAIL  *rights .*GRANT .*RELOAD'
chmod 644 "$dir/password"
ok 'check: a password that others can read is refused' check_says 3 'chmod 600'
stop_agent
ok 'check: says when no daemon runs' check_says 3 '^FAIL  *agent .*not running'
hooks_without() { ! run hook freeze 2>"$dir/err" && grep -q 'not running' "$dir/err" && run hook thaw; }
ok 'no daemon: freeze fails, thaw does not' hooks_without

bad_conf() {
    printf '[lock]\ntry_ms = soon\n' >"$dir/bad.conf"
    "$agent" --config "$dir/bad.conf" daemon 2>"$dir/err"
    [ $? -eq 2 ] && grep -q "bad.conf line 2" "$dir/err" || { cat "$dir/err"; false; }
}
ok 'malformed configuration: file and line, exit 2' bad_conf
# NOTIFY_SOCKET is what the unit's start has; what a predecessor left to thaw lies in $dir/bad
started_by_systemd() { # in the background, its pid in $bad
    printf '[agent]\nrun_dir = %s/bad\n[lock]\ntry_ms = soon\n' "$dir" >"$dir/bad.conf"
    NOTIFY_SOCKET=/nonexistent "$agent" --config "$dir/bad.conf" daemon 2>"$dir/err" &
    bad=$!
    until_true grep -q 'bad.conf line 4' "$dir/err"
}
restarts_slowly() {
    started_by_systemd && sleep 2 && kill "$bad" && wait "$bad"
    [ $? -eq 143 ] || { cat "$dir/err"; false; }
}
ok 'systemd restarts it slowly then, and a stop need not wait' restarts_slowly
sweeps_quickly() {
    awk '{ printf "%d\n", $1 * 1000000 }' /proc/uptime >"$dir/bad/sweep"
    begun=$(date +%s)
    started_by_systemd && wait "$bad"
    [ $? -eq 2 ] && grep -q 'thawing on' "$dir/err" && [ $(($(date +%s) - begun)) -lt 9 ] || { cat "$dir/err"; false; }
}
ok 'but at once as long as qemu-ga may still be freezing' sweeps_quickly

# ---- the host

conf ''
start_agent
start_host
ok 'the agent says hello to a host that appears' said '^hello protocol=1 epoch=8 ' wait hello
ok 'prepare tells epoch and server' said '^prepared epoch=.* server=10.* mounts=[1-9]' prepare run-1 $((8000 * slow))
epoch=$(cat "$dir/run/epoch")
ok 'the hook'\''s freeze is then this run'\''s' run hook freeze
ok 'the host hears of the lock, with run and position' said "^event-locked epoch=$epoch run=run-1 .*position=bin" wait event-locked
ok 'the log held back comes over the port' grep -q '^log ' "$dir/said"
ok 'state: locked' said "^state 2 epoch=$epoch run=run-1 held=1" state
ok 'a renewal of another run is refused' said '^error code=13 ' renew run-2 "$epoch"
ok 'a renewal of another epoch is refused' said '^error code=13 ' renew run-1 77
renewed() {
    for _ in 1 2 3 4; do
        pause 2500
        said "^renewed epoch=$epoch left=$((8000 * slow))" renew run-1 "$epoch" || return 1
    done
    blocked
}
ok 'renewals keep it longer than one lease' renewed
ok 'prepare while held is refused' said '^error code=5 ' prepare run-2
ok 'release of another run leaves it alone' said '^released held=0 .*another freeze' release run-2 "$epoch"
ok 'and the write still blocks' blocked
ok 'release: not held, for nothing was frozen' said "^released held=0 epoch=$epoch reason=no filesystem" release run-1 "$epoch"
ok 'writes go on' write_in 5 # before the lease would end
ok 'the late thaw hook is harmless' run hook thaw
ok 'a second release says how it had ended' said '^released held=0 .*had ended already (host)' release run-1 "$epoch"
garbage() { say garbage 5000 >/dev/null && said '^state 0' state; }
ok 'garbage does not disturb' garbage
half() { say half >/dev/null && sleep 1.3 && said '^state 0' state; }
ok 'nor does a frame cut short' half
ok 'an unknown request is answered, not left waiting' said '^error code=8 ' unknown
ok 'another protocol is told so' said '^error code=8 .*protocol 1' hello 2
ok 'and is not served' said '^error code=8 ' state
ok 'until it speaks ours' said '^hello protocol=1' hello 1
samples() {
    say subscribe 200 2000 >/dev/null
    # not in each: what the server's own take is limited
    until_true said '^sample metrics=[1-9].*system.load1,.*mysql' wait sample
}
ok 'samples come, with the server'\''s' samples
comes_back() { say drop >/dev/null && said '^hello' wait hello; }
ok 'the agent comes back after a lost line' comes_back
epoch=$(cat "$dir/run/epoch")
host_dies() {
    said '^prepared' prepare run-3 $((1000 * slow)) && run hook freeze && say drop >/dev/null &&
        write_in 5 && until_true logged "epoch $epoch ended, not held (lease)"
}
ok 'a host that goes silent while held: writes go on after the lease' host_dies
told_late() { say wait hello >/dev/null && said "^released held=0 epoch=$epoch reason=.*(lease)" release run-3 "$epoch"; }
ok 'it is told so when it is back' told_late

# ---- with a filesystem that is really frozen (as qemu-ga would), for which one must be root

frozen_mount() {
    truncate -s 350M "$dir/xfs.img" && mkfs.xfs -q "$dir/xfs.img" && mkdir "$dir/mnt" &&
        mount -o loop "$dir/xfs.img" "$dir/mnt"
}
# A write there ends within a time. Not under timeout(1): a writer on a frozen filesystem cannot be killed.
wrote() { # wrote NAME TENTHS
    touch "$dir/mnt/$1" &
    writer=$!
    for _ in $(seq $(($2 * slow))); do
        kill -0 $writer 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}
freeze_for() { # freeze_for RUN LEASE_MS
    epoch=$(cat "$dir/run/epoch")
    said '^prepared' prepare "$1" "$2" && run hook freeze && fsfreeze -f "$dir/mnt"
}
really_held() {
    freeze_for run-h $((5000 * slow)) && said '^renewed' renew run-h "$epoch" 1 && ! wrote 1 5 &&
        said "^released held=1 epoch=$epoch" release run-h "$epoch" && wrote 2 20
}
fewer_than_told() {
    freeze_for run-f $((5000 * slow)) && said '^renewed' renew run-f "$epoch" 2 &&
        said "^released held=0 .*1 filesystems were frozen .* qemu-ga had frozen 2" release run-f "$epoch"
}
lease_thaws() {
    freeze_for run-l $((1000 * slow)) && wrote 3 20 && until_true state_is idle &&
        said '^released held=0 .*(lease)' release run-l "$epoch"
}
sweeps() { fsfreeze -f "$dir/mnt" && wrote 4 20 && until_true logged 'qemu-ga was late'; }
foreign_thaw() {
    freeze_for run-t $((5000 * slow)) && said '^renewed' renew run-t "$epoch" 1 && fsfreeze -u "$dir/mnt" &&
        said '^released held=0 .*no filesystem was frozen' release run-t "$epoch"
}
successor_thaws() {
    freeze_for run-k $((20000 * slow)) || return 1
    stop_agent KILL
    start_agent
    wrote 5 20 && logged '1 filesystems thawed' && run hook thaw
}
signal_thaws() {
    run hook freeze && fsfreeze -f "$dir/mnt" && stop_agent TERM && wrote 6 20
}
# qemu-ga freezes when the agent has let go already
signal_guards() {
    run hook freeze || return 1
    (until logged "not stopping yet"; do sleep 0.1; done; sleep 0.3; fsfreeze -f "$dir/mnt") &
    late=$!
    stop_agent TERM && wait $late && wrote 7 20 && logged 'qemu-ga was late'
}
if [ "$(id -u)" -eq 0 ]; then
    ok 'a filesystem of its own for the tests' frozen_mount
    ok 'frozen, renewed, released: held' really_held
    ok 'fewer frozen than qemu-ga reported: not held' fewer_than_told
    ok 'somebody else thawed: not held' foreign_thaw
    ok 'the end of the lease thaws' lease_thaws
    ok 'what qemu-ga freezes after that is thawed too' sweeps
    ok 'agent killed: its successor thaws' successor_thaws
    ok 'SIGTERM thaws' signal_thaws
    : >"$dir/agent.log"
    start_agent
    ok 'and an agent that is to stop stays on guard while qemu-ga may still be freezing' signal_guards
    start_agent
    # past the connections of the agents that have ended meanwhile
    until_true said '^state 0' state
fi
lost_event() {
    said '^prepared' prepare run-4 $((30000 * slow)) && run hook freeze && kill -9 "$mysqld" &&
        said '^event-lost .*cause=connection' wait event-lost
}
ok 'mysqld killed: the host hears at once' lost_event
kill -9 "$mysqld" 2>/dev/null
wait "$mysqld" 2>/dev/null
echo quit >&3
exec 3>&- 4<&-
wait "$hostpid" 2>/dev/null
hostpid=

json() {
    run --json status | python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["state"] == "idle"' &&
        run --json check | python3 -c 'import json, sys; assert any(x["level"] == "FAIL" for x in json.load(sys.stdin))'
}
ok 'status and check speak JSON' json
same_version() {
    version=$(run --json status | python3 -c 'import json, sys; print(json.load(sys.stdin)["agent_version"])')
    [ "$("$agent" --version)" = "cbsnap-agent $version" ] && ! run check | grep 'is of version'
}
ok 'status names the version of the daemon, and check has nothing to say of it' same_version
stop_agent TERM
cp "$agent" "$dir/cbsnap-agent"
agent=$dir/cbsnap-agent
start_agent
replaced() {
    ! run check | grep 'has been replaced' && cp "$agent" "$agent.new" && mv "$agent.new" "$agent" &&
        run check | grep -q 'has been replaced since: restart it'
}
# what runs then is valgrind
under memcheck || ok 'another build of that version in its place: check says to restart it' replaced
ok 'the daemon ends with 0' stop_agent TERM
tap_end
