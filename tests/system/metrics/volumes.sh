# shellcheck shell=bash disable=SC2154
# The appliance's rows, which the host reads: the stand-in is told what to say, and watch says it.

watched() { # NAME
    jq -r --arg n "$1" '.metrics[$n]' "$work/watch"
}

show_volumes() {
    local name=$LAB_VOLUME_DATA_NAME
    tap_stop # the port has one reader
    sim "qos?name=$name&iops=321&throughput=4567&latency=7&throttle=3" >/dev/null
    guest 'rm -f /mnt/mysqldata/random
        dd if=/dev/urandom of=/mnt/mysqldata/random bs=1M count=48 conv=fsync 2>/dev/null'
    coord --json watch --once "$LAB_DOMAIN" >"$work/watch"
    near 'volume.*.iops' "$(watched "volume.$name.iops")" 321 0 "what the appliance was told to say"
    near 'volume.*.throughput' "$(watched "volume.$name.throughput")" 4567 0 "what the appliance was told to say"
    near 'volume.*.latency' "$(watched "volume.$name.latency")" 7 0 "what the appliance was told to say"
    near 'volume.*.throttle' "$(watched "volume.$name.throttle")" 3 0 "what the appliance was told to say"
    near 'volume.*.used' "$(watched "volume.$name.used")" "$(du -B1 "$LAB_VOLUME_DATA_PATH" | cut -f 1)" 3% \
        "as du says of what backs the volume"
    near 'volume.*.iops' "$(watched "volume.$LAB_VOLUME_LOG_NAME.iops")" 0 50 "another volume is not told of"
    tap_start 0
}
