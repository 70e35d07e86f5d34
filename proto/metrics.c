/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The catalogue of metrics and how names match it; see metrics.h. */
#include "proto/metrics.h"

#include <string.h>

#include "proto/base/cleanup.h"

/* clang-format off */
const struct metric_row metric_rows[] = {
    {"system.load1", FAMILY_LOADAVG, UNIT_ONE, KIND_GAUGE, "/proc/loadavg", "load average, 1 minute"},
    {"system.load5", FAMILY_LOADAVG, UNIT_ONE, KIND_GAUGE, "/proc/loadavg", "load average, 5 minutes"},
    {"system.load15", FAMILY_LOADAVG, UNIT_ONE, KIND_GAUGE, "/proc/loadavg", "load average, 15 minutes"},

    {"system.cpu.user", FAMILY_CPU, UNIT_PERCENT, KIND_RATE, "/proc/stat", "of all CPUs: programs, nice ones too"},
    {"system.cpu.system", FAMILY_CPU, UNIT_PERCENT, KIND_RATE, "/proc/stat", "of all CPUs: kernel and interrupts"},
    {"system.cpu.iowait", FAMILY_CPU, UNIT_PERCENT, KIND_RATE, "/proc/stat", "of all CPUs: idle while a disk was waited for"},
    {"system.cpu.steal", FAMILY_CPU, UNIT_PERCENT, KIND_RATE, "/proc/stat", "of all CPUs: taken by the hypervisor"},
    {"system.cpu.idle", FAMILY_CPU, UNIT_PERCENT, KIND_RATE, "/proc/stat", "of all CPUs: idle"},

    {"system.mem.total", FAMILY_MEMINFO, UNIT_BYTES, KIND_GAUGE, "MemTotal", "memory of the guest"},
    {"system.mem.available", FAMILY_MEMINFO, UNIT_BYTES, KIND_GAUGE, "MemAvailable", "memory to be had without swapping"},
    {"system.mem.dirty", FAMILY_MEMINFO, UNIT_BYTES, KIND_GAUGE, "Dirty", "waiting to be written to disks"},
    {"system.mem.writeback", FAMILY_MEMINFO, UNIT_BYTES, KIND_GAUGE, "Writeback", "being written to disks"},
    {"system.swap.used", FAMILY_MEMINFO, UNIT_BYTES, KIND_GAUGE, "SwapTotal-SwapFree", "swap in use; 0 where there is none"},
    {"system.swap.in", FAMILY_VMSTAT, UNIT_BYTES_PER_S, KIND_RATE, "pswpin", "read back from swap"},
    {"system.swap.out", FAMILY_VMSTAT, UNIT_BYTES_PER_S, KIND_RATE, "pswpout", "written to swap"},

    {"net.*.rx", FAMILY_NET, UNIT_BYTES_PER_S, KIND_RATE, "/proc/net/dev", "received by the interface; loopback left out"},
    {"net.*.tx", FAMILY_NET, UNIT_BYTES_PER_S, KIND_RATE, "/proc/net/dev", "sent by the interface; loopback left out"},

    {"fs.*.size", FAMILY_FS, UNIT_BYTES, KIND_GAUGE, "statvfs", "size of the filesystem; never read while frozen"},
    {"fs.*.used", FAMILY_FS, UNIT_BYTES, KIND_GAUGE, "statvfs", "used"},
    {"fs.*.avail", FAMILY_FS, UNIT_BYTES, KIND_GAUGE, "statvfs", "free to ordinary users"},
    {"fs.*.inodes_free", FAMILY_FS, UNIT_ONE, KIND_GAUGE, "statvfs", "inodes left; absent where there is no fixed number"},

    {"disk.*.reads", FAMILY_DISK, UNIT_PER_S, KIND_RATE, "/proc/diskstats", "reads completed"},
    {"disk.*.writes", FAMILY_DISK, UNIT_PER_S, KIND_RATE, "/proc/diskstats", "writes completed"},
    {"disk.*.flushes", FAMILY_DISK, UNIT_PER_S, KIND_RATE, "/proc/diskstats", "flushes completed; Linux 5.5 and later"},
    {"disk.*.read_bytes", FAMILY_DISK, UNIT_BYTES_PER_S, KIND_RATE, "/proc/diskstats", "read"},
    {"disk.*.write_bytes", FAMILY_DISK, UNIT_BYTES_PER_S, KIND_RATE, "/proc/diskstats", "written"},
    {"disk.*.inflight", FAMILY_DISK, UNIT_ONE, KIND_GAUGE, "/proc/diskstats", "requests in flight now"},
    {"disk.*.queue", FAMILY_DISK, UNIT_ONE, KIND_RATE, "/proc/diskstats", "requests in flight on average: weighted time / time"},
    {"disk.*.wait", FAMILY_DISK, UNIT_MS, KIND_RATE, "/proc/diskstats",
     "estimate of the time in the queue: average time per request - busy time per request, not below 0; the kernel does not tell queue from device"},
    {"disk.*.read_time", FAMILY_DISK, UNIT_MS, KIND_RATE, "/proc/diskstats", "per read, from queued to completed; absent without reads"},
    {"disk.*.write_time", FAMILY_DISK, UNIT_MS, KIND_RATE, "/proc/diskstats", "per write, from queued to completed; absent without writes"},
    {"disk.*.util", FAMILY_DISK, UNIT_PERCENT, KIND_RATE, "/proc/diskstats", "time with a request in flight"},

    {"mysql.rss", FAMILY_PROCESS, UNIT_BYTES, KIND_GAUGE, "VmRSS", "resident memory of mysqld"},
    {"mysql.swap", FAMILY_PROCESS, UNIT_BYTES, KIND_GAUGE, "VmSwap", "memory of mysqld in swap"},

    {"mysql.uptime", FAMILY_SERVER, UNIT_S, KIND_GAUGE, "Uptime", "since the server's start"},
    {"mysql.threads_connected", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Threads_connected", "sessions"},
    {"mysql.threads_running", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Threads_running", "sessions that are not idle"},
    {"mysql.max_used_connections", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Max_used_connections", "most sessions at once since the server's start"},
    {"mysql.aborted_connects", FAMILY_SERVER, UNIT_ONE, KIND_COUNTER, "Aborted_connects", "logins that failed"},
    {"mysql.aborted_clients", FAMILY_SERVER, UNIT_ONE, KIND_COUNTER, "Aborted_clients", "sessions that ended without goodbye"},
    {"mysql.slow_queries", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Slow_queries", "statements over long_query_time"},
    {"mysql.slow_queries.total", FAMILY_SERVER, UNIT_ONE, KIND_COUNTER, "Slow_queries", "the same since the server's start"},
    {"mysql.tmp_tables", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Created_tmp_tables", "internal temporary tables made"},
    {"mysql.tmp_disk_tables", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Created_tmp_disk_tables", "of them on disk"},
    {"mysql.select_scan", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Select_scan", "joins that read all of their first table"},
    {"mysql.select_full_join", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Select_full_join", "joins without an index"},
    {"mysql.rows_read_rnd_next", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Handler_read_rnd_next", "rows read in scans"},
    {"mysql.questions", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Questions", "statements of clients; the agent's own are among them"},
    {"mysql.commits", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Com_commit", "COMMIT statements"},
    {"mysql.writes", FAMILY_SERVER, UNIT_PER_S, KIND_RATE,
     "Com_insert+Com_insert_select+Com_update+Com_update_multi+Com_delete+Com_delete_multi+Com_replace+Com_replace_select",
     "statements that write"},
    {"mysql.open_tables", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Open_tables", "tables in the table cache"},
    {"mysql.opened_tables", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Opened_tables", "tables opened: cache misses"},
    {"mysql.table_open_cache", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "@table_open_cache|@table_cache", "size of the table cache"},
    {"mysql.open_files", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Open_files", "files open by the server's own count; InnoDB's are not in it"},

    {"innodb.row_lock_waits", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Innodb_row_lock_waits", "row locks waited for"},
    {"innodb.row_lock_current", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Innodb_row_lock_current_waits", "row locks waited for now"},
    {"innodb.row_lock_time_avg", FAMILY_SERVER, UNIT_MS, KIND_GAUGE, "Innodb_row_lock_time_avg", "per wait, since the server's start"},
    {"innodb.pool_wait_free", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Innodb_buffer_pool_wait_free", "waits for a clean page"},
    {"innodb.pool_dirty", FAMILY_SERVER, UNIT_BYTES, KIND_GAUGE, "Innodb_buffer_pool_bytes_dirty", "changed pages not yet written; counted in pages where the server tells no bytes"},
    {"innodb.pool_pages_free", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Innodb_buffer_pool_pages_free", "free pages"},
    {"innodb.lsn", FAMILY_SERVER, UNIT_BYTES, KIND_GAUGE, "Innodb_redo_log_current_lsn|Innodb_lsn_current|%log_lsn_current", "log sequence number"},
    {"innodb.checkpoint_age", FAMILY_SERVER, UNIT_BYTES, KIND_GAUGE,
     "(the log sequence number less that of the last checkpoint)", "log that a recovery would read: predicts its time"},
    {"innodb.history_length", FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, "Innodb_history_list_length|%trx_rseg_history_len", "undo records not yet purged"},
    {"innodb.deadlocks", FAMILY_SERVER, UNIT_PER_S, KIND_RATE, "Innodb_deadlocks|%lock_deadlocks", "deadlocks"},
    {"innodb.deadlocks.total", FAMILY_SERVER, UNIT_ONE, KIND_COUNTER, "Innodb_deadlocks|%lock_deadlocks", "the same since the server's start, or since the counter was switched on"},

    {"mysql.errlog.errors", FAMILY_ERROR_LOG, UNIT_ONE, KIND_GAUGE, "@@log_error, performance_schema.error_log", "error lines since the previous reading"},
    {"mysql.errlog.warnings", FAMILY_ERROR_LOG, UNIT_ONE, KIND_GAUGE, "@@log_error, performance_schema.error_log", "warning lines since the previous reading"},

    {"mysql.deleted_open.files", FAMILY_DELETED, UNIT_ONE, KIND_GAUGE, "/proc/PID/fd", "files deleted and still open in mysqld; its own anonymous temporary files left out"},
    {"mysql.deleted_open.bytes", FAMILY_DELETED, UNIT_BYTES, KIND_GAUGE, "/proc/PID/fd", "space that they hold"},

    {"innodb.trx_active", FAMILY_TRX, UNIT_ONE, KIND_GAUGE, "information_schema.INNODB_TRX", "transactions"},
    {"innodb.trx_oldest", FAMILY_TRX, UNIT_S, KIND_GAUGE, "information_schema.INNODB_TRX", "age of the oldest; 0 when there is none"},
    {"innodb.trx_long", FAMILY_TRX, UNIT_ONE, KIND_GAUGE, "information_schema.INNODB_TRX", "transactions older than sample.trx_long_s"},

    {"repl.role", FAMILY_REPL, UNIT_TEXT, KIND_TEXT, "SHOW REPLICA STATUS, SHOW SLAVE STATUS", "replica, source (a replica reads from it), or standalone"},
    {"repl.lag", FAMILY_REPL, UNIT_S, KIND_GAUGE, "Seconds_Behind_Source", "as the server says; absent while it does not know"},
    {"repl.io_running", FAMILY_REPL, UNIT_BOOL, KIND_GAUGE, "Replica_IO_Running", "the replica receives"},
    {"repl.sql_running", FAMILY_REPL, UNIT_BOOL, KIND_GAUGE, "Replica_SQL_Running", "the replica applies"},

    {"volume.*.iops", FAMILY_VOLUME, UNIT_PER_S, KIND_GAUGE, "listFileSystem currentIOPS", "requests, as the appliance reports"},
    {"volume.*.throughput", FAMILY_VOLUME, UNIT_KB_PER_S, KIND_GAUGE, "listFileSystem currentThroughput", "as the appliance reports"},
    {"volume.*.latency", FAMILY_VOLUME, UNIT_REPORTED, KIND_GAUGE, "listFileSystem currentLatency", "as the appliance reports; its unit is not documented"},
    {"volume.*.throttle", FAMILY_VOLUME, UNIT_REPORTED, KIND_GAUGE, "listFileSystem currentThrottle", "as the appliance reports; its unit is not documented"},
    {"volume.*.used", FAMILY_VOLUME, UNIT_BYTES, KIND_GAUGE, "listFileSystem currentUsedSpace", "used, snapshots too"},

    {"agent.cpu", FAMILY_AGENT, UNIT_PERCENT, KIND_RATE, "getrusage", "of one CPU"},
    {"agent.rss", FAMILY_AGENT, UNIT_BYTES, KIND_GAUGE, "/proc/self/statm", "resident memory"},
    {"agent.sample_time", FAMILY_AGENT, UNIT_MS, KIND_GAUGE, "own clock", "from the beginning of the previous reading until all of its sources had answered or were given up"},
    {"agent.missed", FAMILY_AGENT, UNIT_ONE, KIND_COUNTER, "own count", "readings skipped since the agent's start because a source was late"},
};
/* clang-format on */
const size_t metric_row_count = ARRAY_SIZE(metric_rows);

bool metric_matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    size_t head, tail, len = strlen(name);

    if (!star)
        return strcmp(pattern, name) == 0;
    head = (size_t)(star - pattern);
    tail = strlen(star + 1);
    return len > head + tail && strncmp(name, pattern, head) == 0 &&
           strcmp(name + len - tail, star + 1) == 0;
}

const struct metric_row *metric_find(const char *name)
{
    for (size_t n = 0; n < metric_row_count; n++) {
        if (metric_matches(metric_rows[n].name, name))
            return &metric_rows[n];
    }
    return NULL;
}

const struct metric_row *metric_of_pattern(const char *pattern)
{
    const char *star = strchr(pattern, '*');

    if (!star)
        return metric_find(pattern);
    for (size_t n = 0; n < metric_row_count; n++) {
        if (strcmp(metric_rows[n].name, pattern) == 0)
            return &metric_rows[n];
    }
    return NULL;
}

const char *metric_unit_name(enum metric_unit u)
{
    static const char *const names[UNIT_COUNT] = {
        [UNIT_ONE] = "1",         [UNIT_PER_S] = "1/s",
        [UNIT_BYTES] = "bytes",   [UNIT_BYTES_PER_S] = "bytes/s",
        [UNIT_KB_PER_S] = "KB/s", [UNIT_PERCENT] = "%",
        [UNIT_MS] = "ms",         [UNIT_S] = "s",
        [UNIT_BOOL] = "0 or 1",   [UNIT_REPORTED] = "as reported",
        [UNIT_TEXT] = "text",
    };

    return names[u];
}

const char *metric_kind_name(enum metric_kind k)
{
    static const char *const names[] = {
        [KIND_GAUGE] = "gauge",
        [KIND_RATE] = "rate",
        [KIND_COUNTER] = "counter",
        [KIND_TEXT] = "text",
    };

    return names[k];
}

const char *metric_family_name(enum metric_family f)
{
    static const char *const names[FAMILY_COUNT] = {
        [FAMILY_LOADAVG] = "load",
        [FAMILY_CPU] = "CPU",
        [FAMILY_MEMINFO] = "memory",
        [FAMILY_VMSTAT] = "swap",
        [FAMILY_NET] = "network",
        [FAMILY_FS] = "filesystems",
        [FAMILY_DISK] = "disks",
        [FAMILY_PROCESS] = "mysqld",
        [FAMILY_SERVER] = "server",
        [FAMILY_ERROR_LOG] = "error log",
        [FAMILY_DELETED] = "deleted but open",
        [FAMILY_TRX] = "transactions",
        [FAMILY_REPL] = "replication",
        [FAMILY_VOLUME] = "appliance",
        [FAMILY_AGENT] = "agent",
    };

    return names[f];
}
