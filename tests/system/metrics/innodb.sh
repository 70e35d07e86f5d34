# shellcheck shell=bash disable=SC2154
# InnoDB's rows: log, buffer pool, locks, transactions.

engine_status() {
    guest 'mysql -NBr -e "SHOW ENGINE INNODB STATUS"' >"$work/engine"
}

engine_number() { # WORDS-BEFORE-IT
    sed -n "s/^$1 *\([0-9]*\).*/\1/p" "$work/engine" | head -n 1
}

show_log() {
    local from lsn age now
    lsn=$(last innodb.lsn)
    for _ in 1 2 3; do # between one look and the other the server may have written all of it out
        from=$(mark)
        run_sql 'UPDATE sbtest.sbtest5 SET k = k + 1'
        sleep 1
        engine_status
        age=$(($(engine_number 'Log sequence number') - $(engine_number 'Last checkpoint at')))
        now=$(fresh_value innodb.lsn)
        within "$(max innodb.checkpoint_age "$from")" "$age" 20% && break
    done
    near innodb.lsn "$now" "$(engine_number 'Log sequence number')" 20000 "as the engine's status says"
    above innodb.lsn "$(awk "BEGIN {print $(last innodb.lsn) - $lsn}")" 500000 "5,000 rows updated, bytes of log"
    near innodb.checkpoint_age "$(max innodb.checkpoint_age "$from")" "$age" 20% "as the engine's status says"
    above innodb.checkpoint_age "$(max innodb.checkpoint_age "$from")" 300000 "after it"
}

show_pool() {
    local from
    run_sql "SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0; $sql_no_idle_flush"
    from=$(mark)
    run_sql 'UPDATE sbtest.sbtest6 SET k = k + 1, pad = REVERSE(pad)'
    status_take now
    near innodb.pool_dirty "$(fresh_value innodb.pool_dirty)" "$(status_of now Innodb_buffer_pool_bytes_dirty)" 25% \
        "5,000 rows updated, as the server says"
    above innodb.pool_dirty "$(max innodb.pool_dirty "$from")" 1000000 "5,000 rows updated"
    near innodb.pool_pages_free "$(last innodb.pool_pages_free)" "$(status_of now Innodb_buffer_pool_pages_free)" 20 \
        "as the server says"
}

# One session holds seven rows and sleeps; two wait for one of them.
show_row_locks() {
    local from t
    status_take before
    from=$(mark)
    guest_later 'mysql sbtest -e "BEGIN; UPDATE sbtest7 SET k = k + 1 WHERE id BETWEEN 1 AND 7; SELECT SLEEP(600); COMMIT"'
    sleepers 1
    guest_later 'for i in 1 2; do mysql sbtest -e "UPDATE sbtest7 SET k = k + 1 WHERE id = 5" & done; wait'
    until_sql '2 1' "SELECT CONCAT(COUNT(*), ' ', MIN(trx_wait_started) < NOW() - INTERVAL 6 SECOND)
        FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    near innodb.row_lock_current "$(fresh_value innodb.row_lock_current)" 2 0 "2 sessions wait for a row"
    show_transactions
    wake_sleepers
    sleep 3
    mark >/dev/null
    status_take after
    near innodb.row_lock_current "$(fresh_value innodb.row_lock_current)" 0 0 "and none later"
    near innodb.row_lock_waits "$(total innodb.row_lock_waits "$from")" 2 1.5 "2 waits"
    near innodb.row_lock_time_avg "$(last innodb.row_lock_time_avg)" "$(status_of after Innodb_row_lock_time_avg)" 1% \
        "ms, as the server says"
    above innodb.row_lock_time_avg "$(last innodb.row_lock_time_avg)" 3000 "ms: they waited for some 10 s"
}

# While the one above sleeps in its transaction. trx_long_s is 5 here.
show_transactions() {
    local trx row
    trx=$(run_sql "SELECT COUNT(*), MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())),
        SUM(trx_started < NOW() - INTERVAL 5 SECOND) FROM information_schema.innodb_trx")
    near innodb.trx_active "$(fresh_value innodb.trx_active)" "$(column 1 "$trx")" 0 "as INNODB_TRX says"
    near innodb.trx_oldest "$(last innodb.trx_oldest)" "$(column 2 "$trx")" 3 "s, as INNODB_TRX says"
    above innodb.trx_oldest "$(last innodb.trx_oldest)" 6 "s, as long as they have waited for it"
    sleep 1
    above innodb.trx_long "$(fresh_value innodb.trx_long)" 1 "older than trx_long_s"
    trx=$(jq -c 'select(.trx[0] != null).trx[0]' "$work/samples" | tail -n 1)
    row=$(jq -r '"\(.user) \(.rows) \(.age_s >= 5)"' <<<"$trx")
    [[ $row == root*" 7 true" ]]
    row $? innodb.trx_long "user and rows of the oldest: $row (want root..., 7)" "$trx"
    row=$(jq -r .statement <<<"$trx")
    [[ $row == *SLEEP* && $row != *600* ]]
    row $? innodb.trx_long "its statement without values: $row"
}

show_deadlock() {
    local from before counted rated
    for _ in 1 2 3; do # a reading that the server did not answer in time takes the rates since the one before with it
        before=$(fresh_value innodb.deadlocks.total)
        from=$(mark)
        guest 'rm -f /run/deadlock; for pair in "1 2" "2 1"; do set -- $pair
            mysql sbtest -e "BEGIN; UPDATE sbtest8 SET k = k + 1 WHERE id = $1; SELECT SLEEP(8);
                UPDATE sbtest8 SET k = k + 1 WHERE id = $2; COMMIT" >/dev/null 2>>/run/deadlock &
            done; wait; grep -c "ERROR 1213" /run/deadlock' >"$work/deadlock"
        counted=$(awk "BEGIN {print $(fresh_value innodb.deadlocks.total) - $before}")
        rated=$(total innodb.deadlocks "$from")
        within "$rated" "$(cat "$work/deadlock")" 0.9 && break
    done
    near innodb.deadlocks.total "$counted" 1 0 "two sessions in a deadlock"
    near innodb.deadlocks "$rated" "$(cat "$work/deadlock")" 0.9 "sessions told of a deadlock"
}

# A read view stays open, so that nothing can be purged.
show_history() {
    local before
    before=$(fresh_value innodb.history_length)
    guest_later 'mysql sbtest -e "START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT COUNT(*) FROM sbtest1; SELECT SLEEP(600)"'
    sleepers 1
    guest 'for i in $(seq 400); do echo "UPDATE sbtest1 SET k = k + 1 WHERE id = $i;"; done | mysql sbtest'
    engine_status
    near innodb.history_length "$(fresh_value innodb.history_length)" "$(engine_number 'History list length')" 5 \
        "400 updates under a read view, as the engine's status says"
    above innodb.history_length "$(awk "BEGIN {print $(last innodb.history_length) - $before}")" 380 "400 updates more"
    guest 'mysql -NBe "SELECT CONCAT(\"KILL \", id) FROM information_schema.processlist WHERE info LIKE \"SELECT SLEEP(600%\"" | mysql; :'
}
