#!/bin/sh
# The agent's MySQL lock, position, status and server facts against a real MariaDB server: starts one
# of its own (socket only, own directory), drives it, leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
drive=${BUILD:-build}/mysql-drive
dir=$(mktemp -d /tmp/cbsnap-mysql.XXXXXX) || exit 1
pid=
chmod 755 "$dir"
as=
if [ "$(id -u)" -eq 0 ]; then
    chown mysql "$dir"
    as=--user=mysql
fi

stop() {
    # -9 and CONT: the tests stop and kill this server themselves
    [ -z "$pid" ] || { kill -9 "$pid" && kill -CONT "$pid"; wait "$pid"; } 2>/dev/null
    pid=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# start DATADIR OPTION...: sets pid once the server answers on its socket
start() {
    datadir=$1
    shift
    mariadbd --no-defaults $as --datadir="$datadir" --socket="$dir/s" --skip-networking \
        --pid-file="$dir/pid" --innodb-buffer-pool-size=32M --performance-schema=OFF "$@" \
        >"$dir/log" 2>&1 &
    pid=$!
    for _ in $(seq 300); do
        mariadb --no-defaults -uroot -S "$dir/s" -e 'CREATE DATABASE IF NOT EXISTS cbsnap_test' \
            2>/dev/null && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "Bail out! mariadbd did not start:"
    tail -20 "$dir/log"
    exit 1
}

mariadb-install-db --no-defaults $as --datadir="$dir/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
# a crashed server does not start without the binary log it crashed with: a datadir for each
cp -a "$dir/data" "$dir/data2"
mkdir "$dir/binlogs" "$dir/elsewhere"
[ -z "$as" ] || chown mysql "$dir/binlogs" "$dir/elsewhere"

status=0
start "$dir/data" --log-bin="$dir/binlogs/bin" --server-id=7
"$drive" all "$dir/s" "$pid" "$dir" || status=1
stop
start "$dir/data2" --skip-log-bin
"$drive" nobinlog "$dir/s" || status=1
exit $status
