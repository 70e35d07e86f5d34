# shellcheck shell=bash disable=SC2154
# A second server in the guest, with a buffer pool of 6 MiB, as a replica of the first; the agent is
# pointed at one, then at the other. Its datadir goes when the guest is reset.

second() {
    guest "mysql -S /run/mysqld/second.sock -NB <<'END-OF-SQL'
$*
END-OF-SQL"
}

second_start() {
    guest "cat >/etc/mysql/second.cnf <<'END'
[mysqld]
user = mysql
datadir = /mnt/mysqldata/second
socket = /run/mysqld/second.sock
pid_file = /run/mysqld/second.pid
port = 3307
server_id = 2
log_error = /mnt/mysqldata/second.err
log_bin = second
relay_log = second-relay
innodb_buffer_pool_size = 6M
innodb_lru_scan_depth = 100
innodb_io_capacity = 100
sync_binlog = 0
innodb_flush_log_at_trx_commit = 2
$second_options
END
touch /mnt/mysqldata/second.err && chown mysql /mnt/mysqldata/second.err
setsid mysqld --defaults-file=/etc/mysql/second.cnf >/run/second.log 2>&1 </dev/null &
for i in \$(seq 300); do mysqladmin -S /run/mysqld/second.sock --silent ping >/dev/null 2>&1 && exit 0; sleep 0.2; done
tail /mnt/mysqldata/second.err >&2; exit 1"
}

# The databases of the load are copied; from there on the replica follows by file and position.
second_follow() {
    local at
    guest "mysql -e \"CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl'; GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'\"
        mysql -e 'CREATE TABLE sbtest.replicated (id INT AUTO_INCREMENT PRIMARY KEY, n INT)'
        mysql -S /run/mysqld/second.sock -e 'CREATE DATABASE sbtest; CREATE TABLE sbtest.replicated (id INT AUTO_INCREMENT PRIMARY KEY, n INT)'"
    at=$(run_sql "$sql_binlog_status" | awk '{print $1, $2}')
    # shellcheck disable=SC2086
    second "$(printf "$sql_follow" $at)"
}

# agent_looks_at SOCKET
agent_looks_at() {
    guest "sed -i 's|^socket = .*|socket = $1|; s|^user = .*|user = $2|' /etc/cbsnap/agent.conf
        sed -i '$3' /etc/cbsnap/agent.conf; systemctl restart cbsnap-agent"
    mark >/dev/null
}

replica_value() { # COLUMN
    guest "mysql -S /run/mysqld/second.sock -B -e 'SHOW REPLICA STATUS'" | awk -F '\t' -v n="$1" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ n) column = i }
        NR == 2 { print $column }'
}

role_is() { # WANT TEXT
    local role
    role=$(text_value repl.role "$1" "$(newest)")
    [ "$role" = "$1" ]
    row $? repl.role "$2: $role (want $1)"
}

show_second() {
    local lag
    role_is standalone "with no other server"
    second_start || { row 1 repl.role "the second server does not start"; return; }
    second_follow
    role_is source "with a replica"
    agent_looks_at /run/mysqld/second.sock root '/^password_file/d'
    role_is replica "on the replica"
    near repl.io_running "$(fresh_value repl.io_running)" 1 0 "it receives"
    near repl.sql_running "$(fresh_value repl.sql_running)" 1 0 "it applies"
    # the applier waits for a table that a session holds
    guest_later 'mysql -S /run/mysqld/second.sock -e "LOCK TABLES sbtest.replicated READ; SELECT SLEEP(12)"'
    guest 'sleep 1; mysql -e "INSERT INTO sbtest.replicated (n) VALUES (1)"; sleep 6'
    lag=$(replica_value Seconds_Behind)
    near repl.lag "$(fresh_value repl.lag)" "$lag" 3 "s, the applier held up, as the replica says"
    above repl.lag "$(last repl.lag)" 4 "s, held up for 6"
    sleep 7
    near repl.lag "$(fresh_value repl.lag)" 0 1 "s, let go"
    second 'STOP REPLICA SQL_THREAD'
    sleep 2
    near repl.sql_running "$(fresh_value repl.sql_running)" 0 0 "the applier stopped"
    mark >/dev/null
    row "$([ "$(newest '.m["repl.lag"]')" = "" ]; echo $?)" repl.lag "absent while the server does not know it"
    show_pool_wait
}

# Far more pages changed at once than a pool of 6 MiB holds; MariaDB needs a slow disk besides.
show_pool_wait() {
    local from before after
    from=$(mark)
    before=$(second "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_wait_free'" | awk '{print $2}')
    second "CREATE TABLE sbtest.wide (id INT PRIMARY KEY AUTO_INCREMENT, pad VARCHAR(7000)) CHARACTER SET latin1;
        INSERT INTO sbtest.wide (pad) VALUES (REPEAT('x', 7000));"
    for _ in $(seq 11); do
        echo 'INSERT INTO sbtest.wide (pad) SELECT pad FROM sbtest.wide;'
    done >"$work/wide.sql"
    [ -z "$second_wbps" ] || guest 'cd /sys/fs/cgroup && echo +io >cgroup.subtree_control && mkdir second &&
        echo "$(cat /sys/block/vdc/dev) wbps='"$second_wbps"'" >second/io.max && cat /run/mysqld/second.pid >second/cgroup.procs'
    second "$(cat "$work/wide.sql")"
    fresh_value innodb.pool_wait_free >/dev/null
    fresh_value innodb.pool_wait_free >/dev/null
    after=$(second "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_wait_free'" | awk '{print $2}')
    near innodb.pool_wait_free "$(total innodb.pool_wait_free "$from")" $((after - before)) 25% \
        "14 MB of rows at once into a pool of 6 MiB, as the server counts"
    above innodb.pool_wait_free "$((after - before))" 1 "waits"
}
