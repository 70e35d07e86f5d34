#!/bin/bash
# Each metric of the catalogue brought about in a real guest and seen with the right value: a line of
# the table each. Compared with what the guest's own tools say wherever they tell the same.
. "$(dirname "$0")/lib.sh"
for part in read os server innodb second volumes; do
    # shellcheck source=/dev/null
    . "$(dirname "$0")/metrics/$part.sh"
done
trap 'tap_stop; finish' EXIT

# What the two servers spell differently.
case $LAB_GUEST in
mysql)
    server_unit=mysql.service server_program=mysqld
    sql_replica_of_nowhere="CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1,
        SOURCE_USER = 'x', SOURCE_PASSWORD = 'x', SOURCE_CONNECT_RETRY = 60; START REPLICA"
    sql_no_replica='STOP REPLICA; RESET REPLICA ALL'
    sql_no_idle_flush='SET GLOBAL innodb_idle_flush_pct = 0'
    sql_binlog_status='SHOW BINARY LOG STATUS'
    second_options='gtid_mode = ON
enforce_gtid_consistency = ON
mysqlx = OFF
performance_schema = OFF' # memory for two servers is tight
    sql_follow="CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_USER = 'repl',
        SOURCE_PASSWORD = 'repl', GET_SOURCE_PUBLIC_KEY = 1, SOURCE_LOG_FILE = '%s',
        SOURCE_LOG_POS = %s; START REPLICA"
    # shellcheck disable=SC2016
    sql_tmp_on_disk='SET SESSION internal_tmp_mem_storage_engine = MEMORY; SET SESSION tmp_table_size = 1024;'
    ;;
mariadb)
    server_unit=mariadb.service server_program=mariadbd
    sql_replica_of_nowhere="CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1,
        MASTER_USER = 'x', MASTER_PASSWORD = 'x', MASTER_CONNECT_RETRY = 60; START SLAVE"
    sql_no_replica='STOP SLAVE; RESET SLAVE ALL'
    sql_no_idle_flush=
    sql_binlog_status='SHOW BINLOG STATUS'
    second_options=
    sql_follow="CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_USER = 'repl',
        MASTER_PASSWORD = 'repl', MASTER_USE_GTID = no, MASTER_LOG_FILE = '%s',
        MASTER_LOG_POS = %s; START SLAVE"
    sql_tmp_on_disk='SET SESSION tmp_memory_table_size = 1024;'
    ;;
esac
for _ in 1 2 3 4 5; do
    sql_tmp_on_disk="$sql_tmp_on_disk SELECT c, COUNT(*) FROM sbtest.sbtest2 GROUP BY c LIMIT 1;"
done

# What the server wrote to its error log since server_log_end told $began: a time or a line.
server_log_end() {
    case $LAB_GUEST in
    mysql) guest 'sleep 1; date +%s' ;;
    mariadb) guest 'wc -l </var/log/mysql/error.log' ;;
    esac
}

server_log() {
    case $LAB_GUEST in
    mysql) "$LAB" mysql "SELECT CONCAT('[', prio, '] ', data) FROM performance_schema.error_log
        WHERE logged > FROM_UNIXTIME($began)" ;;
    mariadb) guest "tail -n +$((began + 1)) /var/log/mysql/error.log" ;;
    esac
}

# Slow paces and limits made quick, so that the table is done in minutes; pages and binary log need
# not be durable here.
prepare() {
    guest "cat >>/etc/cbsnap/agent.conf <<'END'
[sample]
interval_ms = 500
trx_long_s = 5
log_every_ms = 1000
cost_percent = 25
END
systemctl restart cbsnap-agent"
    run_sql 'SET GLOBAL sync_binlog = 0; SET GLOBAL innodb_flush_log_at_trx_commit = 2'
}

# show NAME...: parts of the table
show() {
    local part t0
    for part in "$@"; do
        t0=$(now_ms)
        "show_$part"
        note "$part: $((($(now_ms) - t0) / 1000)) s"
    done
}

prepare
: >"$work/samples"
tap_start 0
[ $# -eq 0 ] || { # some parts only, to work on them
    show "$@"
    exit
}
make_files
show cpu memory disk filesystems network
show gauges connections error_log deleted statements opened_tables
show log pool row_locks deadlock history
show swap volumes agent second
table_complete
