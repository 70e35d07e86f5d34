#!/bin/sh
# The agent's reading of a server's metrics against real MariaDB servers, provoked: starts its own
# (sockets and loopback, own directory), drives them, leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
drive=${BUILD:-build}/metrics-drive
dir=$(mktemp -d /tmp/cbsnap-metrics.XXXXXX) || exit 1
chmod 755 "$dir"
as=
if [ "$(id -u)" -eq 0 ]; then
    chown mysql "$dir"
    as=--user=mysql
fi

# whatever runs on a datadir of ours
stop_all() {
    for file in "$dir"/*.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        kill -9 "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        rm -f "$file"
    done
}
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# The server is started by a script of its own, since the test does so again. It is nobody's child
# here, so that it is gone when it is killed.
cat >"$dir/start" <<END
#!/bin/sh
name=\$1
shift
setsid mariadbd --no-defaults $as --datadir="$dir/\$name" --socket="$dir/\$name.sock" \\
    --pid-file="$dir/\$name.pid" --innodb-buffer-pool-size=32M "\$@" >"$dir/\$name.out" 2>&1 &
for _ in \$(seq 300); do
    mariadb --no-defaults -uroot -S "$dir/\$name.sock" -e 'CREATE DATABASE IF NOT EXISTS cbsnap_test' \\
        2>/dev/null && exit 0
    sleep 0.1
done
echo "# mariadbd did not start:"
tail -20 "$dir/\$name.out"
exit 1
END
cat >"$dir/restart" <<END
#!/bin/sh
exec "$dir/start" one --skip-networking --performance-schema=OFF --log-error=error.log
END
chmod 755 "$dir/start" "$dir/restart"
start() {
    "$dir/start" "$@" || { echo "Bail out! no server"; exit 1; }
}

mariadb-install-db --no-defaults $as --datadir="$dir/one" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
for name in digest source replica; do cp -a "$dir/one" "$dir/$name"; done

status=0
start one --skip-networking --performance-schema=OFF --log-error=error.log
"$drive" all "$dir/one.sock" "$(cat "$dir/one.pid")" "$dir" || status=1
stop_all
start digest --skip-networking --performance-schema=ON
"$drive" digest "$dir/digest.sock" || status=1
stop_all
port=$((20000 + $$ % 10000))
start source --bind-address=127.0.0.1 --port=$port --server-id=1 --log-bin=bin
start replica --skip-networking --server-id=2
"$drive" repl "$dir/source.sock" "$dir/replica.sock" $port || status=1
exit $status
