# shellcheck shell=bash disable=SC2154
# The server's rows, but for InnoDB's and replication's.

# run_sql SQL...: one session of root's in the guest, for statements of known number
run_sql() {
    "$LAB" mysql "$*"
}

until_sql() { # ANSWER STATEMENT: up to 60 s
    local i
    for ((i = 0; i < 120; i++)); do
        [ "$(run_sql "$2")" != "$1" ] || return 0
        sleep 0.5
    done
    note "no '$1' in 60 s: $2"
}
sleepers() { # COUNT: so many sessions are asleep in a statement
    until_sql "$1" "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'"
}

# The statements are interrupted, not the sessions: a SELECT SLEEP() ends well, and no client aborts.
wake_sleepers() {
    run_sql "$(run_sql "SELECT CONCAT('KILL QUERY ', id, ';') FROM information_schema.processlist
        WHERE info = 'SELECT SLEEP(600)'")"
}

# A window around some statements, seen from both sides: the rates' integrals since $from, and how
# far the server's own counters went ($work/before, $work/after). A rate is over the time between two
# answers of the server, a sample tells when its reading began: an integral is exact only over
# several readings, so statements are spread over some seconds.
window_open() {
    fresh_value mysql.opened_tables >/dev/null
    status_take before
    from=$(mark)
}

window_close() {
    fresh_value mysql.opened_tables >/dev/null
    fresh_value mysql.opened_tables >/dev/null
    status_take after
}

# integral NAME TOLERANCE TEXT VARIABLE...: the rate's integral against the server's counters
integral() {
    local name=$1 tolerance=$2 text=$3 want
    shift 3
    want=$(status_grew before after "$@")
    near "$name" "$(total "$name" "$from")" "$want" "$tolerance" "$text, as the server counts"
}

show_gauges() {
    run_sql 'SELECT 1' >/dev/null
    status_take now
    near mysql.uptime "$(last mysql.uptime)" "$(status_of now Uptime)" 4 "as the server says"
    near mysql.table_open_cache "$(fresh_value mysql.table_open_cache)" \
        "$(run_sql 'SELECT @@GLOBAL.table_open_cache')" 0 "as the variable says"
    near mysql.open_tables "$(fresh_value mysql.open_tables)" "$(status_of now Open_tables)" 3 "as the server says"
    near mysql.open_files "$(last mysql.open_files)" "$(status_of now Open_files)" 3 "as the server says"
}

# Fifteen sessions that sleep in the server, while others fail or die.
show_connections() {
    local idle from count
    idle=$(fresh_value mysql.threads_connected)
    count=$(fresh_value mysql.aborted_connects)
    status_take before
    guest_later 'for i in $(seq 15); do mysql -e "SELECT SLEEP(600)" & done; wait'
    for i in 1 2 3; do
        mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -pwrong -e 'SELECT 1' 2>/dev/null
    done
    near mysql.aborted_connects "$(grown mysql.aborted_connects "$count" 3)" 3 0 "3 wrong logins"
    sleepers 15
    near mysql.threads_connected "$(awk "BEGIN {print $(fresh_value mysql.threads_connected) - $idle}")" 15 0 "15 sessions more"
    near mysql.threads_connected "$(last mysql.threads_connected)" \
        "$(($(run_sql "SELECT COUNT(*) FROM information_schema.processlist
            WHERE user NOT IN ('event_scheduler', 'system user')") - 1))" 0 "as the process list says"
    status_take now
    near mysql.threads_running "$(last mysql.threads_running)" "$(status_of now Threads_running)" 1 "as the server says"
    above mysql.threads_running "$(last mysql.threads_running)" 15 "15 sessions asleep in a statement"
    near mysql.max_used_connections "$(last mysql.max_used_connections)" \
        "$(status_of now Max_used_connections)" 1 "as the server says"
    above mysql.max_used_connections "$(last mysql.max_used_connections)" 16 "15 sessions more"
    wake_sleepers
    show_killed_clients
}

# Clients that die without a goodbye, while the server waits for their next statement.
show_killed_clients() {
    local count
    count=$(fresh_value mysql.aborted_clients)
    kill_clients
    near mysql.aborted_clients "$(grown mysql.aborted_clients "$count" 2)" 2 0 "2 clients killed"
}

kill_clients() {
    guest 'mkfifo /run/idle; for i in 1 2; do mysql </run/idle >/dev/null & pids="$pids $!"; done
        exec 3>/run/idle
        for i in $(seq 100); do # until both are in
            [ "$(mysql -NBe "SELECT COUNT(*) FROM information_schema.processlist WHERE command = \"Sleep\" AND user = \"root\"")" -lt 2 ] || break
            sleep 0.2
        done; kill -KILL $pids; rm /run/idle; sleep 1' 2>/dev/null
}

# A replica of nowhere, and clients that die: the server itself logs what it thinks of that.
show_error_log() {
    local from errors warnings log
    began=$(server_log_end)
    fresh_value mysql.errlog.errors >/dev/null
    from=$(mark)
    run_sql "$sql_replica_of_nowhere"
    sleep 2
    run_sql "$sql_no_replica"
    kill_clients
    log=$(server_log)
    sleep 1
    fresh_value mysql.errlog.errors >/dev/null
    fresh_value mysql.errlog.errors >/dev/null
    errors=$(grep -c '\[E[Rr][Rr][Oo][Rr]\]' <<<"$log")
    warnings=$(grep -c '\[Warning\]' <<<"$log")
    near mysql.errlog.errors "$(ask mysql.errlog.errors "$from" '$v | add')" "$errors" 0 "a replica of nowhere, lines in the log"
    above mysql.errlog.errors "$errors" 1 "lines that the server wrote"
    near mysql.errlog.warnings "$(ask mysql.errlog.warnings "$from" '$v | add')" "$warnings" 0 "the same, warnings"
    above mysql.errlog.warnings "$warnings" 1 "warnings that the server wrote"
    jq -r --argjson from "$from" 'select(.mono_us > $from) | .lines[] | select(.level == "error").text' \
        "$work/samples" >"$work/lines"
    grep -qi 'replica\|slave\|connect' "$work/lines"
    row $? mysql.errlog.errors "the line itself: $(head -n 1 "$work/lines" | cut -c -150)"
}

# The log file of the general log is deleted under the server, and grows on.
show_deleted() {
    local size path=/mnt/mysqldata/mysql/general.log
    near mysql.deleted_open.files "$(fresh_value mysql.deleted_open.files)" 0 0 "none but the server's own temporary ones"
    run_sql "SET GLOBAL general_log_file = '$path'; SET GLOBAL general_log = ON;
        SELECT LENGTH('$(head -c 100000 /dev/zero | tr '\0' x)')" >/dev/null
    guest "rm $path"
    fresh_value mysql.deleted_open.files >/dev/null
    near mysql.deleted_open.files "$(fresh_value mysql.deleted_open.files)" 1 0 "the general log, deleted while open"
    size=$(guest "pid=\$(pidof $server_program); for fd in \$(find /proc/\$pid/fd -lname '$path (deleted)'); do
        stat -Lc '%b 512' \$fd; done" | awk '{print $1 * $2}')
    near mysql.deleted_open.bytes "$(last mysql.deleted_open.bytes)" "$size" 5% "what it takes on disk, as stat says"
    above mysql.deleted_open.bytes "$(last mysql.deleted_open.bytes)" 100000 "a statement of 100,000 bytes is in it"
    row "$(jq -r '.deleted[]?.path' "$work/samples" | grep -qxF "$path"; echo $?)" mysql.deleted_open.files "named: $path"
    run_sql "SET GLOBAL general_log = OFF"
}

# Statements whose effect on each counter is known.
show_statements() {
    local n
    window_open
    {
        for n in 1 2 3; do echo 'SET SESSION long_query_time = 0.2; SELECT SLEEP(0.4); SET SESSION long_query_time = 10; DO SLEEP(0.8);'; done
        echo 'SET SESSION long_query_time = 10; USE sbtest;'
        for n in $(seq 10); do echo 'DO SLEEP(0.3); SELECT COUNT(c) FROM sbtest1 WHERE pad LIKE "%x%";'; done
        # a join without an index on its column: full scan, full join
        for n in $(seq 4); do echo 'DO SLEEP(0.4); SELECT COUNT(*) FROM probe a JOIN probe b ON a.at = b.at;'; done
        for n in $(seq 20); do echo "DO SLEEP(0.1); INSERT INTO probe (at) VALUES (NOW(6));"; done
        for n in $(seq 10); do echo "DO SLEEP(0.2); BEGIN; UPDATE sbtest2 SET k = k + 1 WHERE id = $n; COMMIT;"; done
        for n in $(seq 5); do echo "DELETE FROM sbtest3 WHERE id = $n;"; done
        for n in $(seq 5); do echo "REPLACE INTO sbtest3 (id, k) VALUES ($n, 1);"; done
        # a temporary table each
        for n in $(seq 12); do echo 'DO SLEEP(0.3); SELECT k % 7, COUNT(*) FROM sbtest4 GROUP BY k % 7 ORDER BY NULL;'; done
    } >"$work/statements.sql"
    run_sql "$(cat "$work/statements.sql")" >/dev/null
    run_sql "$sql_tmp_on_disk" >/dev/null
    window_close
    near mysql.slow_queries "$(total mysql.slow_queries "$from")" 3 1 "3 statements over long_query_time"
    near mysql.slow_queries.total "$(last mysql.slow_queries.total)" "$(status_of after Slow_queries)" 0 "as the server says"
    integral mysql.select_scan 15% "10 full scans and others" Select_scan
    above mysql.select_scan "$(total mysql.select_scan "$from")" 14 "10 scans, 4 joins"
    near mysql.select_full_join "$(total mysql.select_full_join "$from")" 4 1 "4 joins without an index"
    integral mysql.rows_read_rnd_next 15% "rows of 10 scans and others" Handler_read_rnd_next
    above mysql.rows_read_rnd_next "$(total mysql.rows_read_rnd_next "$from")" 45000 "10 scans of 5,000 rows"
    integral mysql.tmp_tables 15% "12 with GROUP BY and others" Created_tmp_tables
    above mysql.tmp_tables "$(total mysql.tmp_tables "$from")" 12 "12 with GROUP BY"
    integral mysql.tmp_disk_tables 25% "5 on disk" Created_tmp_disk_tables
    above mysql.tmp_disk_tables "$(total mysql.tmp_disk_tables "$from")" 3.7 "5 on disk"
    integral mysql.questions 15% "some 90 and the agent's" Questions
    integral mysql.commits 20% "10 COMMITs" Com_commit
    above mysql.commits "$(total mysql.commits "$from")" 8 "10 COMMITs"
    integral mysql.writes 15% "20 INSERTs, 10 UPDATEs, 5 DELETEs, 5 REPLACEs" Com_insert Com_update Com_delete Com_replace Com_insert_select
    above mysql.writes "$(total mysql.writes "$from")" 34 "40 of them"
}

show_opened_tables() {
    window_open
    run_sql "USE sbtest; $(for _ in 1 2 3 4 5 6; do
        echo 'FLUSH TABLES; DO SLEEP(0.7);'
        for n in 1 2 3 4 5 6 7 8; do echo "SELECT MAX(id) FROM sbtest$n;"; done
    done)" >/dev/null
    window_close
    integral mysql.opened_tables 20% "6 x 8 tables after FLUSH TABLES" Opened_tables
    above mysql.opened_tables "$(total mysql.opened_tables "$from")" 38 "6 x 8 tables after FLUSH TABLES"
}
