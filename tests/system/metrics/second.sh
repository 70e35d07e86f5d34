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

# The applier waits for a table that a session holds, until that is killed: however long it takes to
# look. The replica is asked before and after the agent's reading, as its lag grows meanwhile.
show_lag() {
    local before after got i
    guest_later 'mysql -S /run/mysqld/second.sock -e "LOCK TABLES sbtest.replicated READ; SELECT SLEEP(600)"'
    for ((i = 0; i < 50; i++)); do
        [ "$(second "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(600%'")" = 0 ] || break
        sleep 0.2
    done
    guest 'mysql -e "INSERT INTO sbtest.replicated (n) VALUES (1)"; sleep 6'
    before=$(replica_value Seconds_Behind)
    got=$(fresh_value repl.lag)
    after=$(replica_value Seconds_Behind)
    near repl.lag "$got" "$(awk "BEGIN {print ($before + $after) / 2}")" "$(awk "BEGIN {print ($after - $before) / 2 + 1}")" \
        "s, the applier held up, as the replica says ($before, then $after)"
    above repl.lag "$got" 4 "s, held up for 6"
    guest 'mysql -S /run/mysqld/second.sock -NBe "SELECT CONCAT(\"KILL \", id) FROM information_schema.processlist
        WHERE info LIKE \"SELECT SLEEP(600%\"" | mysql -S /run/mysqld/second.sock'
    for ((i = 0; i < 10; i++)); do
        got=$(fresh_value repl.lag)
        [ "$got" != 0 ] || break
    done
    near repl.lag "$got" 0 0 "s, let go"
}

show_second() {
    role_is standalone "with no other server"
    second_start || { row 1 repl.role "the second server does not start"; return; }
    second_follow
    role_is source "with a replica"
    agent_looks_at /run/mysqld/second.sock root '/^password_file/d'
    role_is replica "on the replica"
    near repl.io_running "$(fresh_value repl.io_running)" 1 0 "it receives"
    near repl.sql_running "$(fresh_value repl.sql_running)" 1 0 "it applies"
    show_lag
    second 'STOP REPLICA SQL_THREAD'
    sleep 2
    near repl.sql_running "$(fresh_value repl.sql_running)" 0 0 "the applier stopped"
    mark >/dev/null
    row "$([ "$(newest '.m["repl.lag"]')" = "" ]; echo $?)" repl.lag "absent while the server does not know it"
    show_pool_wait
}

pool_waits() {
    second "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_wait_free'" | awk '{print $2}'
}

# Sets before, after (as the server counts), counted (as the agent tells) and i (s of the freeze).
pool_waits_in_freeze() {
    local from
    fresh_value innodb.pool_wait_free >/dev/null
    from=$(mark)
    before=$(pool_waits)
    guest 'systemctl service-watchdogs no'
    for i in 1 2 4 8 16; do
        guest "systemctl kill -s STOP cbsnap-agent; sleep 0.5; fsfreeze -f /mnt/mysqldata
            mysql -S /run/mysqld/second.sock -e 'UPDATE sbtest.wide SET n = n + 1' >/run/wide 2>&1 &
            sleep $i; fsfreeze -u /mnt/mysqldata; wait; systemctl kill -s CONT cbsnap-agent; cat /run/wide"
        after=$(pool_waits)
        [ "$after" -eq "$before" ] || break
    done
    guest 'systemctl service-watchdogs yes'
    fresh_value innodb.pool_wait_free >/dev/null
    fresh_value innodb.pool_wait_free >/dev/null
    after=$(pool_waits)
    counted=$(total innodb.pool_wait_free "$from")
}

# Rows on three times the pages that the pool holds are changed while its filesystem is frozen: no
# page gets written, so the pool fills with changed ones and a statement that needs another waits, on
# a server of either kind and a disk of any speed. How far the statement gets in a second depends on
# the machine: the freeze is longer each time until it was long enough. The agent rests meanwhile: a
# server that cannot write does not tell its status either, and a rate over a reading that hung is not
# over the time between two samples. systemd's watchdog rests too, which would start another.
show_pool_wait() {
    local before after counted i try
    {
        echo "CREATE TABLE sbtest.wide (id INT PRIMARY KEY AUTO_INCREMENT, n INT NOT NULL DEFAULT 0,
            pad VARCHAR(7000)) CHARACTER SET latin1;
            INSERT INTO sbtest.wide (pad) VALUES (REPEAT('x', 7000));"
        for _ in $(seq 11); do
            echo 'INSERT INTO sbtest.wide (pad) SELECT pad FROM sbtest.wide;'
        done
    } >"$work/wide.sql"
    second "$(cat "$work/wide.sql")"
    for try in 1 2 3 4 5 6; do
        pool_waits_in_freeze
        within "$counted" $((after - before)) 25% && break
        note "try $try: $counted of $((after - before)): a reading was under way when the agent was stopped"
    done
    near innodb.pool_wait_free "$counted" $((after - before)) 25% \
        "16 MB of pages changed in a pool of 6 MiB, none written for $i s, as the server counts"
    above innodb.pool_wait_free "$((after - before))" 1 "waits"
}
