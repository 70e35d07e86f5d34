#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The stand-in appliance with a real tgtd and QEMU's own initiator: who may log in, what snapshots,
# rollback and clones do to data that was written over iSCSI, restarts of either program.
# Needs no root: tgtd has its own control socket here.
set -u
. "$(dirname "$0")/slow.sh"
PATH=$PATH:/usr/sbin:/sbin
sim=${ELASTISTOR_SIM:-${BUILD:-build}/elastistor-sim}
dir=$(mktemp -d) || exit 1
key=0123456789abcdef
control=$((RANDOM % 20000 + 1000))
# below the ports that the system gives to clients
portal=$((RANDOM % 8000 + 24000))
n=0 failed=0 pid='' tgtd=''
export TGT_IPC_SOCKET=$dir/tgt

cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    # tgtd ignores SIGTERM while it has targets
    [ -z "$tgtd" ] || kill -9 "$tgtd" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

ok() { # STATUS TEXT
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
        return
    fi
    echo "not ok $n - $2"
    failed=$((failed + 1))
    tail -n 5 "$dir/body" "$dir/io" "$dir/tgtd.log" 2>/dev/null | sed 's/^/# /'
}
start_tgtd() {
    tgtd -f -C "$control" --iscsi "portal=127.0.0.1:$portal" >>"$dir/tgtd.log" 2>&1 &
    tgtd=$!
    for _ in $(seq $((600 * slow))); do
        tgtadm -C "$control" --lld iscsi --op show --mode target >/dev/null 2>&1 && return 0
        kill -0 "$tgtd" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}
stop_tgtd() {
    disown "$tgtd"
    kill -9 "$tgtd"
    while kill -0 "$tgtd" 2>/dev/null; do sleep 0.02; done
    rm -f "$dir"/tgt.*
}
start_sim() {
    rm -f "$dir/port"
    "$sim" --config "$dir/sim.conf" --foreground 2>>"$dir/stderr" &
    pid=$!
    for _ in $(seq $((600 * slow))); do
        [ -e "$dir/port" ] && break
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
    port=$(cat "$dir/port")
}
request() { # PATH NAME=VALUE...: body in $dir/body
    local path=$1 args=()
    shift
    for a in "$@"; do args+=(--data-urlencode "$a"); done
    curl -sS --max-time 20 --cacert "$dir/cert.pem" -G "https://127.0.0.1:$port$path" "${args[@]}" \
        -d "apiKey=$key" -o "$dir/body"
}
call() {
    local command=$1
    shift
    request /client/api "command=$command" response=json "$@"
}
get() { jq -r "$1" "$dir/body"; }
job() {
    local id
    id=$(get '.[].jobid')
    for _ in $(seq 100); do
        call queryAsyncJobResult jobId="$id"
        [ "$(get '.[].jobstatus')" = 0 ] || break
        sleep 0.02
    done
    [ "$(get '.[].jobstatus')" = 1 ]
}
io() { # IQN QEMU-IO-COMMAND...: fails when a pattern is not as told
    local iqn=$1 args=()
    shift
    for a in "$@"; do args+=(-c "$a"); done
    timeout 20 qemu-io -f raw "${args[@]}" "iscsi://127.0.0.1:$portal/$iqn/1" >"$dir/io" 2>&1 &&
        ! grep -q 'Pattern verification failed' "$dir/io"
}
targets() { tgtadm -C "$control" --lld iscsi --op show --mode target; }
set_group() { # VOLUME-ID GROUP-ID
    call listVolumeiSCSIService storageid="$1"
    call updateVolumeiSCSIService id="$(get '.[].iSCSIService[0].id')" igid="$2"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -keyout "$dir/key.pem" -out "$dir/cert.pem" -subj /CN=elastistor-sim \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
cat >"$dir/sim.conf" <<CONF
[sim]
port = 0
port-file = $dir/port
cert = $dir/cert.pem
key = $dir/key.pem
api-key = $key
state-dir = $dir/state
log-file = $dir/log
iscsi = tgt
tgt-control-port = $control
portal-port = $portal
qos-interval-ms = 200
[pools]
pool1 = 20G
[latency]
createVolume.job = 0
deleteFileSystem.job = 0
cloneDatasetSnapshot = 5
CONF
! start_sim && grep -q "start 'tgtd -C $control' first" "$dir/stderr"
ok $? "without tgtd it does not start, and says what to do"
start_tgtd
ok $? "tgtd runs"
start_sim
ok $? "the stand-in runs"

call listTsm
tsm=$(get '.[].listTsm[0].id') dataset=$(get '.[].listTsm[0].datasetid')
call listAccount
account=$(get '.[].account[0].id')
call addQosGroup name=QoS_vol tsmid="$tsm" iops=10
group=$(get '.[].qosgroup.id')
call createVolume name=vol tsmid="$tsm" datasetid="$dataset" qosgroupid="$group" quotasize=1G \
    protocoltype=ISCSI
job
ok $? "a volume is created"
request /sim/volume name=vol
volume=$(get .id) iqn=$(get .iqn) serial=$(get .serial) file=$(get .path)
targets | grep -q "SCSI SN: $serial" && targets | grep -qF "Backing store path: $file"
ok $? "its LUN has the volume's id as serial and its file behind it"
! io "$iqn" 'read 0 512'
ok $? "initiator group None: nobody may log in"
call listiSCSIInitiator accountid="$account"
all=$(get '.[].initiator[]|select(.name=="ALL").id') none=$(get '.[].initiator[]|select(.name=="None").id')
set_group "$volume" "$all"
io "$iqn" 'write -P 11 0 4M' 'flush'
ok $? "initiator group ALL: writing works"

call createStorageSnapshot id="$volume" name=s1
path=pool1/acmevsm1/vol@s1
io "$iqn" 'write -P 22 0 2M' 'flush'
call cloneDatasetSnapshot id="$volume" path="$path" clonename=copy
copy=$(get '.[].filesystem.id') copy_iqn=$(get '.[].filesystem.iqnname')
! io "$copy_iqn" 'read 0 512'
ok $? "a fresh clone lets nobody in"
set_group "$copy" "$all"
io "$copy_iqn" 'read -P 11 0 4M' && io "$iqn" 'read -P 22 0 2M' 'read -P 11 2M 2M'
ok $? "the clone has the snapshot's data, the volume its own"
io "$copy_iqn" 'write -P 33 0 4M' 'flush' && io "$iqn" 'read -P 22 0 2M'
ok $? "the clone can be written without touching the volume"
call rollbackToSnapshot id="$volume" path="$path"
io "$iqn" 'read -P 11 0 4M'
ok $? "rollback: the next session reads the snapshot's data"

# a session that stays until it was measured
timeout 20 qemu-io -f raw -c 'read 0 8M' -c 'write -P 44 8M 8M' -c 'sleep 60000' \
    "iscsi://127.0.0.1:$portal/$iqn/1" >"$dir/io" 2>&1 &
session=$!
measured() {
    call monitorFileSystemQoS id="$volume"
    [ "$(get '[.[].monitorFilesystemQoS[].iops|tonumber]|max')" -gt 0 ] &&
        [ "$(get '[.[].monitorFilesystemQoS[].throughput|tonumber]|max')" -gt 1000 ]
} 2>/dev/null
for _ in $(seq 100); do
    measured && break
    sleep 0.1
done
measured
ok $? "monitorFileSystemQoS shows the session's commands and bytes"
kill "$session"
wait "$session" 2>/dev/null

call addiSCSIInitiator accountid="$account" name=hosts netmask=192.0.2.0/24 \
    initiatorgroup=iqn.1994-05.com.example:a,iqn.1994-05.com.example:b
hosts=$(get '.[].initiator.id')
set_group "$volume" "$hosts"
is=$(targets | sed -n "/: ${iqn//./\\.}\$/,/^Target/p" | sed -n '/ACL/,/^Target/p' | grep -c example)
[ "$is" = 2 ] && ! io "$iqn" 'read 0 512'
ok $? "a group of names lets those in and no others"
set_group "$volume" "$none"
! io "$iqn" 'read 0 512'
ok $? "back to None: nobody may log in"
set_group "$volume" "$all"

kill "$pid"
wait "$pid"
io "$iqn" 'read -P 11 0 4M'
ok $? "the stand-in is gone, its volumes are served on"
start_sim && io "$iqn" 'read -P 11 0 4M'
ok $? "it finds its targets again"
stop_tgtd
start_tgtd
request /sim/export
[ "$(get .volumes)" = 2 ] && io "$iqn" 'read -P 11 0 4M' && io "$copy_iqn" 'read -P 33 0 4M'
ok $? "after a restart of tgtd it exports them anew when asked"

call updateFileSystem id="$volume" quotasize=2G
io "$iqn" 'write -P 55 1500M 1M'
ok $? "an extended volume can be written beyond its old end"
set_group "$copy" "$none"
call deleteFileSystem id="$copy"
job
! targets | grep -qF "$copy_iqn"
ok $? "a deleted clone is no longer exported"
call deleteFileSystem id="$volume" forcedelete=true
job
[ "$(targets | grep -c '^Target')" = 0 ] && [ ! -e "$file" ]
ok $? "nor is a deleted volume"

echo "1..$n"
[ "$failed" -eq 0 ]
