# shellcheck shell=bash disable=SC2154,SC2034
# Clients on the host: sysbench as the load, and a meter that feels each stall.

clients_stop() {
    stop load KILL
    stop meter
}

lab_load() {
    case ${1:-} in
    start) load_start "${2:-4}" ;;
    stop) load_stop ;;
    report) load_report ;;
    *) fail "usage: lab load start [THREADS]|stop|report" ;;
    esac
}

# No error is ignored: the first one ends sysbench, and the report shows it.
load_start() { # THREADS
    ! pid_of load >/dev/null || fail "the load runs already"
    rm -f "$LOG/load.log"
    start load sysbench oltp_write_only --db-driver=mysql --mysql-host=127.0.0.1 \
        --mysql-port="$PORT_MYSQL" --mysql-user="$MYSQL_USER" --mysql-password="$MYSQL_PASSWORD" \
        --mysql-db=sbtest --mysql-ignore-errors=none --tables=8 --table-size=5000 \
        --threads="$1" --time=0 --report-interval=1 run
    until_ok 30 "sysbench's first report (see $LOG/load.log)" grep -q 'thds:' "$LOG/load.log"
}

load_stop() {
    pid_of load >/dev/null ||
        echo 'FATAL: the load had ended before it was stopped' >>"$LOG/load.log"
    # sysbench prints no summary on a signal; the report is made from its lines of each second
    stop load TERM
}

load_report() {
    awk '
        /thds:/ {
            seconds++
            for (i = 1; i < NF; i++) {
                if ($i == "tps:") { tps = $(i + 1); all += tps; if (tps == 0) idle++ }
                if ($i == "err/s:") errors += $(i + 1)
            }
        }
        /FATAL/ { errors++; print }
        END {
            printf "transactions: %d\nerrors: %d\nseconds: %d\nseconds without one: %d\n",
                all, errors, seconds, idle
        }' "$LOG/load.log"
}

lab_meter() {
    case ${1:-} in
    start)
        ! pid_of meter >/dev/null || fail "the meter runs already"
        [ -x "$TOP/build/stall-meter" ] ||
            fail "build/stall-meter is not built; run 'make build/stall-meter'"
        rm -f "$LOG/meter.log"
        start meter "$TOP/build/stall-meter" 127.0.0.1 "$PORT_MYSQL" "$MYSQL_USER" \
            "$MYSQL_PASSWORD" "$LOG/meter.csv" ${2:+"$2"}
        until_ok 30 "the meter's first commit (see $LOG/meter.log)" test -s "$LOG/meter.csv"
        ;;
    stop)
        stop meter
        cat "$LOG/meter.log"
        ! grep -q '^stall-meter:' "$LOG/meter.log"
        ;;
    report) cat "$LOG/meter.csv" ;;
    *) fail "usage: lab meter start [PAUSE_MS]|stop|report" ;;
    esac
}
