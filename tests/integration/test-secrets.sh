#!/bin/sh
# Where the API key and the server's password could come to light, and do not: both programs at their
# most talkative against the stand-in and a real MariaDB server, in good runs and in failing ones;
# then all that they printed and wrote, and their command lines and environments, are searched. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/world.sh
password="p%ss/w+rd=$(head -c 18 /dev/urandom | base64 | tr -d '/+=')"
wrong="wrong$(head -c 24 /dev/urandom | base64 | tr -d '/+=')"
key=$(cat "$dir/key")
told=$dir/told # everything that a program printed
mkdir "$told"
as=
[ "$(id -u)" -ne 0 ] || as=--user=mysql

# Whole, and a piece from the middle of each: text may be cut, or escaped at its ends.
cat >"$dir/secrets" <<END_SECRETS
$key
$(echo "$key" | cut -c 20-45)
$password
$(echo "$password" | cut -c 12-26)
$wrong
$(echo "$wrong" | cut -c 3-20)
END_SECRETS
# clean TEXT FILE...: no file has any of them, nor has what is compressed
clean() {
    text=$1
    shift
    : >"$dir/err"
    { ls -A "$@" && grep -rlaFf "$dir/secrets" -- "$@" >"$dir/err"; } >"$dir/out" 2>&1
    [ -s "$dir/out" ] && [ ! -s "$dir/err" ]
    result $? "$text"
}

# A search that finds nothing is worth what it would have found.
finds() { # finds TEXT CONTENT
    mkdir -p "$dir/planted"
    printf 'before\0%s after' "$2" >"$dir/planted/file"
    grep -rlaFf "$dir/secrets" "$dir/planted" >/dev/null 2>"$dir/err"
    result $? "$1"
}
: >"$dir/out" >"$dir/err"
finds 'the search finds a key' "GET /client/api?apiKey=$key"
finds 'the search finds a piece of one' "$(echo "$key" | cut -c 15-50)"
finds 'the search finds a password' "$password"

# ---- a server with an account that has a password

mkdir "$dir/db"
[ -z "$as" ] || chown mysql "$dir/db"
mariadb-install-db --no-defaults $as --datadir="$dir/db/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/install.log" 2>&1 || { cat "$dir/install.log"; exit 1; }
mariadbd --no-defaults $as --datadir="$dir/db/data" --socket="$dir/db/s" --skip-networking \
    --pid-file="$dir/db/pid" --innodb-buffer-pool-size=16M --performance-schema=OFF --log-bin=bin \
    --server-id=7 --log-error="$dir/db/data/error.log" >"$dir/mysqld.log" 2>&1 </dev/null &
world_pids=$!
sql() { timeout 20 mariadb --no-defaults -uroot -S "$dir/db/s" -N; }
echo 'SELECT 1' >"$dir/one"
for _ in $(seq $((300 * slow))); do # the first start takes longest
    sql <"$dir/one" >/dev/null 2>&1 && break
    sleep 0.1
done
sql <"$dir/one" >/dev/null || { echo 'Bail out! no server'; exit 1; }
sql <<END_SQL
CREATE USER cbsnap@localhost IDENTIFIED BY '$password';
GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICA MONITOR ON *.* TO cbsnap@localhost;
END_SQL
(umask 077 && echo "$password" >"$dir/password" && echo "$wrong" >"$dir/password.wrong")
agent_conf "socket = $dir/db/s" 'user = cbsnap' "password_file = $dir/password"

# ---- the run

count=0
print() { # print PROGRAM...: what it prints is kept
    count=$((count + 1))
    timeout $((30 * slow)) "$@" >"$told/$count.out" 2>"$told/$count.err" </dev/null
    status=$?
    echo "$status $*" >>"$dir/runs"
    return $status
}
run_agent() { print "$agent" -v --config "$dir/agent.conf" "$@"; }
coord() { print "$coordinator" -v --config "${conf:-$dir/coord.conf}" "$@"; }
expect() { # expect STATUS TEXT: of the last program
    [ $status -eq "$1" ] || sed 's/^/# /' "$told/$count.out" "$told/$count.err"
    [ $status -eq "$1" ]
    result $? "$2"
}

agent_start
run_agent status
run_agent check
run_agent --json check
run_agent hook freeze
expect 0 'the agent logs in with its password, and locks'
run_agent hook thaw
# long enough to be looked at
"$coordinator" -v --json --config "$dir/coord.conf" watch db1 --interval 0.5 >"$told/watch.out" \
    2>"$told/watch.err" </dev/null &
watch=$!
world_pids="$world_pids $watch"
shows() { grep -q "$1" "$told/watch.out"; }
until_true shows 'volume.data' && until_true shows '"server":"10'
result $? 'a watch shows readings of the appliance and of the server, so both have let us in'

looked_at() { # looked_at WHAT PID
    for file in cmdline environ; do
        cp "/proc/$2/$file" "$told/$1.$file"
        [ -s "$told/$1.$file" ] || return 1
    done
    grep -Eq '^Max core file size +0 +0 ' "/proc/$2/limits"
}
: >"$dir/out" >"$dir/err"
looked_at agent $agent_pid
result $? 'the agent leaves no core file'
looked_at coordinator $watch
result $? 'nor does the coordinator'
kill $watch
wait $watch 2>/dev/null
coord check db1
coord snapshot db1
coord --json list
record 20261124T013604Z-0001
record 20261125T013604Z-0002
drive snapshot 20261124T013604Z-0001 data
drive snapshot 20261125T013604Z-0002 data
coord --json list db1
coord show 20261124T013604Z-0001
coord --json best db1
coord prune db1 --orphans
coord prune db1 --keep-last 1
expect 0 'a prune asks the appliance to remove a set'
coord verify 20261125T013604Z-0002
coord restore 20261125T013604Z-0002
coord delete 20261125T013604Z-0002 --force
coord recover
coord thaw db1

# ---- what goes wrong

for fault in status\&value=530 garbage truncated reset; do
    sim "fault?command=*&kind=$fault"
    record 20261126T013604Z-0003
    coord --json watch db1 --once
    coord delete 20261126T013604Z-0003 --force
    sim clear
done
credentials "$wrong"
coord --json watch db1 --once
record 20261126T013604Z-0003
coord delete 20261126T013604Z-0003 --force
expect 2 'a key that the appliance does not know'
grep -q 'api_key' "$told/$count.err"
result $? 'is told to be wrong, without being told'
credentials "$key"
mistaken() { # mistaken TEXT CREDENTIALS: refused
    (umask 077 && printf "$2" >"$dir/credentials")
    coord delete 20261126T013604Z-0003 --force
    expect 2 "$1"
}
mistaken 'a credentials file without a section' "api_key = $key\n"
mistaken 'one with the key twice' "[appliance east]\napi_key = $key\napi_key = $wrong\n"
mistaken 'one with a key in two lines' "[appliance east]\napi_key = $key\n  $wrong\n"
mistaken 'one with another word for it' "[appliance east]\nkey = $key\n"
mistaken 'one with nothing but the key' "[appliance east]\n$key\n"
mistaken 'one that names another appliance' "[appliance west]\napi_key = $key\n"
credentials "$key"
chmod 644 "$dir/credentials"
coord delete 20261126T013604Z-0003 --force
expect 2 'one that others can read'
credentials "$key"
conf=$dir/bad.conf
sed "s/^url = .*/&\napi_key = $key/" "$dir/coord.conf" >"$conf"
coord delete 20261126T013604Z-0003 --force
expect 2 'a key in coord.conf'
sed 's/^ca = .*//' "$dir/coord.conf" >"$conf"
coord delete 20261126T013604Z-0003 --force
expect 2 'an appliance that is not trusted'
conf=
kill "$sim_pid"
wait "$sim_pid" 2>/dev/null
sim_pid=
coord delete 20261126T013604Z-0003 --force
expect 3 'an appliance that is not there'

agent_stop
agent_conf "socket = $dir/db/s" 'user = cbsnap' "password_file = $dir/password.wrong"
agent_start
run_agent check
run_agent hook freeze
expect 1 'a password that the server does not take'
agent_stop
agent_conf "socket = $dir/db/s" "password = $password"
run_agent daemon
expect 2 'a password in agent.conf'
agent_conf "socket = $dir/db/s" 'user = cbsnap' "password_file = $dir/password"
chmod 644 "$dir/password"
run_agent check
expect 3 'a password file that others can read'
chmod 600 "$dir/password"

# ---- what has come of it

clean 'nothing that a program printed has a secret in it; nor command line, nor environment' "$told"
clean "nor has the agent's log" "$dir/agent.log"
clean 'nor what the coordinator keeps' "$dir/coord"
clean 'nor what the agent keeps' "$dir/run"
clean "nor has the server's log" "$dir/db/data/error.log"
tap_end
