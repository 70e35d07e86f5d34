# shellcheck shell=bash disable=SC2154
# What measuring costs the guest; shared by tests/system/test-cost.sh (short), tests/bench/cost (all of it)
# and tests/bench/overhead. Whoever sources this has LAB, BUILD and work.

in_guest() {
    "$LAB" sh "$@"
}

# The two exporters, as one would run them beside a server, on the guest's loopback.
exporters_start() {
    "$LAB" mysql "CREATE USER exporter@localhost IDENTIFIED BY 'exporter' WITH MAX_USER_CONNECTIONS 3;
        GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO exporter@localhost"
    in_guest "printf '[client]\nuser = exporter\npassword = exporter\nsocket = /run/mysqld/mysqld.sock\n' >/run/exporter.cnf
        setsid prometheus-node-exporter --web.listen-address=127.0.0.1:9100 >/run/node.log 2>&1 </dev/null &
        setsid prometheus-mysqld-exporter --web.listen-address=127.0.0.1:9104 \
            --config.my-cnf=/run/exporter.cnf >/run/mysqld-exporter.log 2>&1 </dev/null &
        for i in \$(seq 100); do
            curl -s 127.0.0.1:9104/metrics | grep -qx 'mysql_up 1' && curl -s 127.0.0.1:9100/metrics | grep -q node_cpu && exit 0
            sleep 0.3
        done; cat /run/node.log /run/mysqld-exporter.log >&2; exit 1"
}

# cpu_of_three SECONDS: agent, node exporter and mysqld exporter side by side, the exporters scraped
# once a second by one curl each. Prints CPU in ms per second and resident memory in KiB of each.
cpu_of_three() {
    in_guest "names='cbsnap-agent prometheus-node-exporter prometheus-mysqld-exporter'
        ticks() { for n in \$names; do awk '{print \$14 + \$15}' /proc/\$(pgrep -o -f \"/\$n|^\$n\")/stat; done | tr '\n' ' '; cut -d ' ' -f 1 /proc/uptime; }
        for port in 9100 9104; do
            setsid curl -s -o /run/scrape.\$port --rate 60/m \"http://127.0.0.1:\$port/metrics?n=[1-\$(($1 + 5))]\" </dev/null >/dev/null 2>&1 &
        done
        sleep 2; before=\$(ticks); sleep $1; after=\$(ticks)
        echo \"\$before \$after\" | awk '{s = \$8 - \$4; for (i = 1; i <= 3; i++) printf \"%.2f \", (\$(i + 4) - \$i) * 10 / s}'
        for n in \$names; do awk '/^VmRSS/ {print \$2}' /proc/\$(pgrep -o -f \"/\$n|^\$n\")/status; done | tr '\n' ' '
        echo; test -s /run/scrape.9100 && test -s /run/scrape.9104"
}

# The agent at so many ms, its counters anew.
agent_at() { # INTERVAL_MS
    in_guest "grep -q '^\[sample\]' /etc/cbsnap/agent.conf || printf '[sample]\ninterval_ms = 1000\n' >>/etc/cbsnap/agent.conf
        sed -i 's/^interval_ms = .*/interval_ms = $1/' /etc/cbsnap/agent.conf
        systemctl restart cbsnap-agent"
}

# missed_in SECONDS INTERVAL_MS: readings skipped, readings that came, largest gap in ms
missed_in() {
    local channel
    channel=$(virsh -q -c "$LAB_URI" dumpxml "$LAB_DOMAIN" |
        sed -n "s|.*path='\(.*org\.cbsnap\.agent\.0\)'.*|\1|p" | head -n 1)
    timeout "$1" "$BUILD/sample-tap" "$channel" 0 >"$work/tap"
    jq -rs '[(.[-1].m["agent.missed"] - .[0].m["agent.missed"]), length,
        ([range(1; length) as $i | .[$i].mono_us - .[$i - 1].mono_us] | max / 1000 | floor)] | @tsv' "$work/tap"
}

# many_tables TABLES CONNECTIONS SQL...: a server with so many tables, which lets so many in and is bound by
# its processor. SQL... is what runs statements as its root.
many_tables() {
    local tables=$1 connections=$2 n k
    shift 2
    "$@" "SET GLOBAL sync_binlog = 0; SET GLOBAL innodb_flush_log_at_trx_commit = 2;
        SET GLOBAL max_connections = $((connections + 100));
        CREATE DATABASE many; CREATE TABLESPACE many ADD DATAFILE 'many.ibd'"
    for ((n = 0; n < tables; n += 500)); do
        "$@" "SET SESSION sql_log_bin = 0; USE many; $(
            for ((k = n; k < n + 500 && k < tables; k++)); do
                echo "CREATE TABLE t$k (id INT PRIMARY KEY, n INT) TABLESPACE many;"
            done
        )"
    done
}
