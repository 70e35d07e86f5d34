#!/bin/bash
# All volumes are snapshotted at once: with 250 ms for each, the freeze window of a set of three
# volumes is at most 1.3 times that of a set of one. The server lives on the root disk for this, so
# that a set of the root volume alone is whole; the same three filesystems freeze in both.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-7}

"$LAB" sh 'systemctl stop mysql
    mkdir -p /var/lib/mysql-root && chown mysql: /var/lib/mysql-root
    cp -a /mnt/mysqldata/mysql /var/lib/mysql-root/data && cp -a /mnt/mysql /var/lib/mysql-root/log
    conf=$(grep -l -r "^datadir" /etc/mysql | head -1)
    sed -i -e "s|/mnt/mysqldata/mysql|/var/lib/mysql-root/data|; s|/mnt/mysql/|/var/lib/mysql-root/log/|" $(grep -l -r /mnt/mysql /etc/mysql)
    sed -i "s|/mnt/mysql/|/var/lib/mysql-root/log/|" /var/lib/mysql-root/log/*.index
    systemctl start mysql' >"$work/move" 2>&1
for _ in $(seq 60); do [ "$(write_ms 2)" != timeout ] && break; done
is "$("$LAB" sh 'cbsnap-agent check' 2>&1 | grep -c '/mnt/mysqldata')" 0 "the server has moved to the root disk"
sim 'latency?command=createStorageSnapshot&ms=250' >/dev/null

sed 's|^\[snapshot\]|[snapshot]\nexclude = vdb, vdc|' "$LAB_COORD_CONF" >"$work/one.conf"
window() { # window CONF VOLUMES: the freeze window of one set, in ms
    CONF=$1 coord --json snapshot "$LAB_DOMAIN" 2>>"$work/err" |
        jq -r "select((.volumes | length) == $2 and .verdict == \"application\") | .stall.freeze_ms"
}
# a busy machine may refuse one
again() {
    local try ms
    for try in 1 2 3; do
        ms=$(window "$@")
        [ -z "$ms" ] || { echo "$ms"; return; }
    done
}
for _ in $(seq "$ROUNDS"); do
    again "$work/one.conf" 1 >>"$work/one"
    again "$LAB_COORD_CONF" 3 >>"$work/three"
done
is "$(cat "$work/one" "$work/three" | wc -l)" $((2 * ROUNDS)) "all sets are 'application'" "$(cat "$work/err")"
median() {
    sort -n "$1" | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'
}
one=$(median "$work/one") three=$(median "$work/three")
note "freeze window, median of $ROUNDS: one volume $one ms, three volumes $three ms"
holds "ratio $(awk "BEGIN {printf \"%.2f\", $three / $one}") is at most 1.3" "$three <= 1.3 * $one"
