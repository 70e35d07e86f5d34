# shellcheck shell=bash disable=SC2154
# The operating system's rows.

# Files whose size and number are known; filesystems are read every 10 s, so they are made at the
# beginning and looked at later (show_filesystems).
make_files() {
    used_before=$(fresh_value fs./mnt/mysqldata.used)
    inodes_before=$(last fs./.inodes_free)
    guest 'fallocate -l 64M /mnt/mysqldata/known && sync -f /mnt/mysqldata
        mkdir /root/many && cd /root/many && for i in $(seq 300); do : >$i; done; sync -f /root'
}

show_filesystems() {
    local df inodes now
    now=$(fresh_value fs./mnt/mysqldata.used)
    df=$(guest 'df -B1 --output=size,used,avail /mnt/mysqldata | tail -n 1')
    inodes=$(guest 'df --output=iavail / | tail -n 1')
    near 'fs.*.used' "$now" "$(column 2 "$df")" 1% "/mnt/mysqldata as df says"
    near 'fs.*.used' "$(awk "BEGIN {printf \"%d\", $now - $used_before}")" 171966464 2% \
        "a file of 64 MiB and four of 25 MiB more"
    near 'fs.*.size' "$(last fs./mnt/mysqldata.size)" "$(column 1 "$df")" 0 "/mnt/mysqldata as df says"
    near 'fs.*.avail' "$(last fs./mnt/mysqldata.avail)" "$(column 3 "$df")" 1% "/mnt/mysqldata as df says"
    near 'fs.*.inodes_free' "$(last fs./.inodes_free)" "$inodes" 20 "/ as df says"
    near 'fs.*.inodes_free' "$(awk "BEGIN {print $(last fs./.inodes_free) - $inodes_before}")" -301 20 \
        "300 files and a folder more"
}

# One CPU of two is kept busy by a program, the other one in the kernel. What vmstat -s counts from
# the same moment to the same moment, but for half a second at each end.
show_cpu() {
    local from line
    # shellcheck disable=SC2016
    guest_later 'timeout 14 sh -c "while :; do :; done" & timeout 14 dd if=/dev/zero of=/dev/null bs=64k'
    sleep 2
    from=$(mark)
    cpu_take busy-before
    sleep 8
    cpu_take busy-after
    to=$(newest)
    near system.cpu.user "$(steady system.cpu.user "$from")" \
        "$(cpu_share busy-before busy-after 'non-nice user cpu ticks,nice user cpu ticks')" 8 "a busy loop, as vmstat says"
    above system.cpu.user "$(max system.cpu.user "$from")" 30 "a busy loop on one of two CPUs, in %"
    near system.cpu.system "$(steady system.cpu.system "$from")" \
        "$(cpu_share busy-before busy-after 'system cpu ticks,IRQ cpu ticks,softirq cpu ticks')" 8 "dd from zero to null, as vmstat says"
    above system.cpu.system "$(max system.cpu.system "$from")" 20 "dd from zero to null, in %"
    unset to
    line=$(guest 'cut -d " " -f 1-3 /proc/loadavg')
    near system.load1 "$(newest '.m["system.load1"]')" "$(column 1 "$line")" 0.3 "as /proc/loadavg says"
    above system.load1 "$(newest '.m["system.load1"]')" 0.2 "after two busy loops"
    near system.load5 "$(newest '.m["system.load5"]')" "$(column 2 "$line")" 0.1 "as /proc/loadavg says"
    near system.load15 "$(newest '.m["system.load15"]')" "$(column 3 "$line")" 0.1 "as /proc/loadavg says"
    cannot system.cpu.steal 0 "an emulated CPU tells the guest of no stolen time"
    sleep 4
    from=$(mark)
    cpu_take rest-before
    sleep 5
    cpu_take rest-after
    near system.cpu.idle "$(steady system.cpu.idle "$from")" "$(cpu_share rest-before rest-after 'idle cpu ticks')" 15 \
        "at rest, as vmstat says"
}

# /sys/block/DEV/stat: 1 reads 3 sectors 4 ms, 5 writes 7 sectors 8 ms, 10 busy ms, 11 weighted ms,
# 16 flushes (Documentation/block/stat.rst)
disk_stat() {
    guest 'cat /sys/block/vdc/stat'
}

grew() { # COLUMN
    echo $(($(column "$1" "$disk_after") - $(column "$1" "$disk_before")))
}

# Eight readers and writers at once, past the page cache, each request of 64 KiB: what the kernel's
# other file says of the same window, and that there was as much as was asked for.
show_disk() {
    local from
    guest 'cd /mnt/mysqldata && for i in 1 2 3 4; do
        dd if=/dev/zero of=direct$i bs=64k count=400 oflag=direct 2>/dev/null; done; sync -f .; sleep 1'
    disk_before=$(disk_stat)
    cpu_take disk-before
    from=$(mark)
    guest 'cd /mnt/mysqldata && for i in 1 2 3 4; do
            dd if=/dev/zero of=direct$i bs=64k count=400 oflag=direct conv=notrunc 2>/dev/null &
            dd if=direct$i of=/dev/null bs=64k count=400 iflag=direct 2>/dev/null &
        done; wait
        for i in $(seq 30); do
            dd if=/dev/zero of=direct1 bs=64k count=1 conv=notrunc,fsync 2>/dev/null; done'
    mark >/dev/null
    to=$(mark)
    disk_after=$(disk_stat)
    cpu_take disk-after
    near 'disk.*.reads' "$(total disk.vdc.reads "$from")" "$(grew 1)" 3% "4 x 400 reads, as the kernel counts"
    near 'disk.*.reads' "$(total disk.vdc.reads "$from")" 1600 5% "4 x 400 reads, as asked for"
    near 'disk.*.read_bytes' "$(total disk.vdc.read_bytes "$from")" 104857600 5% "100 MiB as asked for"
    near 'disk.*.writes' "$(total disk.vdc.writes "$from")" "$(grew 5)" 3% "4 x 400 writes, as the kernel counts"
    near 'disk.*.write_bytes' "$(total disk.vdc.write_bytes "$from")" 106823680 5% "100 MiB and 30 x 64 KiB as asked for"
    near 'disk.*.flushes' "$(total disk.vdc.flushes "$from")" "$(grew 16)" 10% "30 fsyncs, as the kernel counts"
    above 'disk.*.flushes' "$(total disk.vdc.flushes "$from")" 29 "30 fsyncs"
    near 'disk.*.queue' "$(total disk.vdc.queue "$from")" "$(awk "BEGIN {print $(grew 11) / 1000}")" 5% \
        "request-seconds, as the kernel counts"
    near 'disk.*.util' "$(total disk.vdc.util "$from")" "$(awk "BEGIN {print $(grew 10) / 10}")" 5% \
        "percent-seconds busy, as the kernel counts"
    near 'disk.*.read_time' "$(weighed '.["disk.vdc.read_time"]' '.["disk.vdc.reads"]' "$from")" \
        "$(awk "BEGIN {print $(grew 4) / $(grew 1)}")" 5% "ms per read, as the kernel counts"
    near 'disk.*.write_time' "$(weighed '.["disk.vdc.write_time"]' '.["disk.vdc.writes"]' "$from")" \
        "$(awk "BEGIN {print $(grew 8) / $(grew 5)}")" 5% "ms per write, as the kernel counts"
    show_disk_wait "$from"
    above system.cpu.iowait "$(max system.cpu.iowait "$from")" 1 "while the disk was waited for, in %"
    near system.cpu.iowait "$(steady system.cpu.iowait "$from")" "$(cpu_share disk-before disk-after 'IO-wait cpu ticks')" 10 \
        "as vmstat says"
    unset to
    show_inflight
}

# A moment's figure: two dozen readers go on until some reading meets them at it, half a minute at most.
show_inflight() {
    local from most
    from=$(mark)
    for _ in 1 2 3 4 5 6; do
        guest 'cd /mnt/mysqldata && for i in $(seq 24); do
            timeout 5 sh -c "while :; do dd if=direct1 of=/dev/null bs=1M iflag=direct 2>/dev/null; done" &
        done; wait'
        most=$(max disk.vdc.inflight "$from")
        at_least "$most" 2 && break
    done
    above 'disk.*.inflight' "$most" 2 "24 programs at once, most seen in flight"
}

# The estimate's own formula, from the kernel's figures for the whole window: what single intervals
# clip at 0 makes it somewhat larger.
show_disk_wait() { # FROM
    local want
    want=$(awk "BEGIN {n = $(grew 1) + $(grew 5); print ($(grew 4) + $(grew 8) - $(grew 10)) / n}")
    near 'disk.*.wait' "$(weighed '.["disk.vdc.wait"]' '.["disk.vdc.reads"] + .["disk.vdc.writes"]' "$1")" "$want" 20% \
        "ms (estimate): time per request less busy time per request"
}

# The kernel's flusher rests until 40 MiB have been looked at, and then has ten seconds' work.
show_memory() {
    local from line
    from=$(mark)
    line=$(guest 'sysctl -qw vm.dirty_writeback_centisecs=0 vm.dirty_background_ratio=60 vm.dirty_ratio=80; sync
        dd if=/dev/zero of=/root/dirty bs=1M count=40 2>/dev/null; sleep 1.5
        free -b | sed -n 2p; awk "/^nr_dirty /{print \$2 * 4096}" /proc/vmstat')
    near system.mem.total "$(newest '.m["system.mem.total"]')" "$(awk 'NR == 1 {print $2}' <<<"$line")" 0 "as free says"
    near system.mem.available "$(newest '.m["system.mem.available"]')" \
        "$(awk 'NR == 1 {print $7}' <<<"$line")" 5% "as free says"
    near system.mem.dirty "$(newest '.m["system.mem.dirty"]')" "$(sed -n 2p <<<"$line")" 5% \
        "40 MiB not yet on disk, as /proc/vmstat says"
    above system.mem.dirty "$(newest '.m["system.mem.dirty"]')" 40000000 "40 MiB not yet on disk"
    guest 'end=$(($(date +%s) + 10)); while [ "$(date +%s)" -lt "$end" ]; do
        dd if=/dev/zero of=/root/dirty bs=1M count=80 conv=notrunc 2>/dev/null; sync -f /root; done; rm /root/dirty
        sysctl -qw vm.dirty_writeback_centisecs=500 vm.dirty_background_ratio=10 vm.dirty_ratio=20'
    mark >/dev/null
    above system.mem.writeback "$(max system.mem.writeback "$from")" 1000000 "while 80 MiB at a time were being written"
}

# The server's memory is pushed out to a swap file, and comes back when that is taken away.
show_swap() {
    local from line unit=$server_unit
    from=$(mark)
    line=$(guest "dd if=/dev/zero of=/root/swap bs=1M count=256 2>/dev/null; chmod 600 /root/swap
        mkswap -q /root/swap && swapon /root/swap
        echo 200 >/proc/sys/vm/swappiness
        echo 200M >/sys/fs/cgroup/system.slice/$unit/memory.reclaim 2>/dev/null; sleep 1
        free -b | awk '/^Swap/ {print \$3}'
        awk '/^Swap:/ {print \$2 * 1024}' /proc/\$(pidof $server_program)/smaps_rollup")
    mark >/dev/null
    near system.swap.used "$(fresh_value system.swap.used)" "$(sed -n 1p <<<"$line")" 10% "as free says"
    above system.swap.used "$(last system.swap.used)" 5000000 "the server pushed out as far as it goes"
    near system.swap.out "$(total system.swap.out "$from")" "$(sed -n 1p <<<"$line")" 20% "bytes written, beside what is in use"
    near mysql.swap "$(fresh_value mysql.swap)" "$(sed -n 2p <<<"$line")" 10% "as smaps says"
    line=$(guest "ps -o rss= -p \$(pidof $server_program)")
    near mysql.rss "$(fresh_value mysql.rss)" $((line * 1024)) 10% "as ps says"
    from=$(mark)
    guest 'swapoff /root/swap && rm /root/swap; echo 60 >/proc/sys/vm/swappiness'
    mark >/dev/null
    above system.swap.in "$(total system.swap.in "$from")" 5000000 "read back, in bytes"
    near system.swap.used "$(fresh_value system.swap.used)" 0 0 "none is left"
}

# Ten results of 1 MB to the host, ten statements of 1 MB from it; headers add 4 %.
show_network() {
    local from i
    from=$(mark)
    for i in 1 2 3 4 5 6 7 8 9 10; do echo "SELECT REPEAT('$((i % 10))', 1000000);"; done >"$work/tx.sql"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        printf "SELECT LENGTH('%s');\n" "$(head -c 1000000 /dev/zero | tr '\0' x)"
    done >"$work/rx.sql"
    host_client <"$work/tx.sql" >"$work/tx.out"
    mark >/dev/null
    near 'net.*.tx' "$(total net.eth0.tx "$from")" 10400000 6% "10 results of 1 MB ($(wc -c <"$work/tx.out") bytes came)"
    from=$(mark)
    host_client <"$work/rx.sql" >"$work/rx.out"
    mark >/dev/null
    near 'net.*.rx' "$(total net.eth0.rx "$from")" 10400000 6% "10 statements of 1 MB ($(sort -u "$work/rx.out") each)"
}

host_client() {
    mysql -h "$LAB_MYSQL_HOST" -P "$LAB_MYSQL_PORT" -u "$LAB_MYSQL_USER" -p"$LAB_MYSQL_PASSWORD" \
        -N -B sbtest 2>/dev/null
}

show_agent() {
    local from line before after seconds
    before=$(guest 'cut -d " " -f 14,15 /proc/$(pidof cbsnap-agent)/stat; cat /proc/uptime')
    from=$(mark)
    sleep 8
    to=$(mark)
    after=$(guest 'cut -d " " -f 14,15 /proc/$(pidof cbsnap-agent)/stat; cat /proc/uptime')
    seconds=$(awk "BEGIN {print $(column 1 "$(sed -n 2p <<<"$after")") - $(column 1 "$(sed -n 2p <<<"$before")")}")
    line=$(awk -v s="$seconds" 'NR == 1 || NR == 3 {t[NR] = $1 + $2} END {print (t[3] - t[1]) / s}' <<<"$before
$after")
    near agent.cpu "$(mean agent.cpu "$from")" "$line" 2 "% of one CPU, as its ticks say over the same time"
    unset to
    line=$(guest 'ps -o rss= -p $(pidof cbsnap-agent)')
    near agent.rss "$(last agent.rss)" $((line * 1024)) 5% "as ps says"
    above agent.sample_time "$(mean agent.sample_time "$from")" 0.05 "mean, in ms"
    holds "and below the interval" "$(mean agent.sample_time "$from") < 500"
    from=$(last agent.missed)
    guest "pkill -STOP -x $server_program; sleep 6; pkill -CONT -x $server_program"
    mark >/dev/null
    above agent.missed "$(awk "BEGIN {print $(last agent.missed) - $from}")" 1 "the server stopped for 6 s: readings skipped"
}
