# SPDX-License-Identifier: GPL-2.0-or-later
# Made-up records: awk -v dir=DIR -v count=N -v from=EPOCH -v metrics=N -f make-catalogue.awk
# One set an hour up to EPOCH, newest first, of one VM; every tenth void, every fourth verified, every
# hundredth of these with a difference. `metrics` is how many readings beside those that ranking
# needs pad each window: 2 make a record of 5 KB, 120 one of the size of a real one.
# The same arguments make the same records.
function pick(n) { seed = (seed * 16807) % 2147483647; return seed % n }
function stats(name, value) {
    printf "%s        \"%s\": {\"min\": %g, \"mean\": %g, \"max\": %g, \"last\": %g, \"p95\": %g, \"count\": 10}", \
        comma, name, value, value, value, value, value >file
    comma = ",\n"
}
function window(name, from_ms, to_ms, deadlocks, m) {
    printf "    \"%s\": {\n      \"from_ms\": %d, \"to_ms\": %d,\n      \"values\": {\n", name, from_ms, to_ms >file
    comma = ""
    stats("system.load1", pick(80) / 10)
    stats("mysql.threads_running", 1 + pick(30))
    stats("disk.vda.write_time", pick(50) / 10)
    stats("disk.vdb.write_time", pick(90) / 10)
    stats("innodb.checkpoint_age", pick(200) * 1000000)
    stats("innodb.pool_dirty", pick(300) * 1000000)
    stats("innodb.history_length", pick(5000))
    stats("innodb.trx_long", 1)
    stats("innodb.trx_oldest", 12)
    stats("innodb.deadlocks.total", deadlocks)
    stats("mysql.errlog.errors", pick(20) == 0 ? 0.1 : 0)
    for (m = 0; m < metrics; m++)
        stats("net.eth" m ".rx", pick(1000000))
    printf "\n      }\n    }" >file
}
BEGIN {
    seed = 7
    for (n = 0; n < count; n++) {
        at = from - n * 3600
        set = strftime("%Y%m%dT%H%M%SZ", at, 1) "-" sprintf("%04x", n)
        file = dir "/" set ".json"
        void = n % 10 == 3
        printf "{\n  \"schema\": 1,\n  \"set\": \"%s\",\n  \"verdict\": \"%s\",\n", set, void ? "void" : "application" >file
        printf "  \"reasons\": [\"made up\"],\n  \"started\": \"%s\",\n", strftime("%Y-%m-%dT%H:%M:%S.000Z", at, 1) >file
        printf "  \"domain\": {\"name\": \"db\", \"uuid\": \"c2a2aa7b-0f0e-4b0c-9b39-6c3a1d4c8e10\"},\n" >file
        printf "  \"position\": {\"binlog_file\": \"binlog.%06d\", \"binlog_offset\": %d, \"innodb_lsn\": %d, \"innodb_lsn_checkpoint\": %d},\n", \
            count - n, 157 + pick(1000000), 9000000000 - n * 1000, 9000000000 - n * 1000 - pick(400) * 1000000 >file
        printf "  \"stall\": {\"write_ms\": %g},\n", 80 + pick(2000) / 10 >file
        if (!void && n % 4 == 0)
            printf "  \"verify\": {\"result\": \"%s\", \"ended\": \"2026-01-01T00:00:00Z\", \"recovery_ms\": %d},\n", \
                n % 400 == 200 ? "different" : "same", 4000 + pick(40000) >file
        printf "  \"volumes\": [\n" >file
        for (v = 0; v < 3; v++)
            printf "    {\"target\": \"vd%c\", \"mounts\": \"/mnt/%d\", \"appliance\": \"a\", \"id\": \"%d\", \"snapshot\": {\"name\": \"%s\", \"state\": \"%s\"}}%s\n", \
                97 + v, v, v, set, void ? "removed" : "kept", v < 2 ? "," : "" >file
        printf "  ],\n  \"transactions\": [\n    {\"at_ms\": 29000, \"window\": \"before\", \"age_s\": 12, \"rows_modified\": %d}\n  ],\n  \"metrics\": {\n", pick(100000) >file
        deadlocks = 100 + pick(3)
        window("before", 0, 30000, 100)
        printf ",\n" >file
        window("freeze", 30000, 30200, deadlocks)
        printf ",\n" >file
        window("after", 30200, 60000, deadlocks)
        printf "\n  }\n}\n" >file
        close(file)
    }
}
