#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The stand-in appliance as a client sees it: the calls of OpenStack Cinder's driver in their order,
# byte-exact bodies, errors, restart, data of snapshots and clones, latencies and faults.
# Unprivileged: no iSCSI, own directory, a port that the system picks.
set -u
. "$(dirname "$0")/slow.sh"
sim=${ELASTISTOR_SIM:-${BUILD:-build}/elastistor-sim}
dir=$(mktemp -d) || exit 1
key='key+/with=odd&characters'
n=0 failed=0 pid=

cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

# ok CONDITION-STATUS TEXT
ok() {
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        [ ! -e "$dir/body" ] || head -c 600 "$dir/body" | sed 's/^/# /'
        echo
        failed=$((failed + 1))
    fi
}
# is GOT WANTED TEXT
is() {
    [ "$1" = "$2" ]
    ok $? "$3"
    [ "$1" = "$2" ] || echo "# got '$1', wanted '$2'"
}

start() {
    "$sim" --config "$dir/sim.conf" --foreground 2>>"$dir/stderr" &
    pid=$!
    for _ in $(seq $((600 * slow))); do
        [ -e "$dir/port" ] && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    port=$(cat "$dir/port" 2>/dev/null)
}
stop() {
    kill "$pid"
    wait "$pid"
    stopped=$?
    pid=
    rm -f "$dir/port"
}

# call COMMAND [NAME=VALUE...]: body in $dir/body, headers in $dir/head, status in $status
call() {
    local command=$1 args=()
    shift
    for a in "$@"; do args+=(--data-urlencode "$a"); done
    status=$(curl -sS --max-time 20 --cacert "$dir/cert.pem" -G \
        "https://127.0.0.1:$port/client/api" "${args[@]}" ${extra[@]+"${extra[@]}"} \
        --data-urlencode "command=$command" -d response=json \
        --data-urlencode "apiKey=$key" -D "$dir/head" -o "$dir/body" -w '%{http_code}' \
        2>"$dir/curl")
    curl_status=$?
}
extra=()
# sim WHAT [NAME=VALUE...]: the control interface
sim() {
    local what=$1 args=()
    shift
    for a in "$@"; do args+=(--data-urlencode "$a"); done
    curl -sS --max-time 20 --cacert "$dir/cert.pem" -G "https://127.0.0.1:$port/sim/$what" \
        "${args[@]}" --data-urlencode "apiKey=$key" -o "$dir/control" -w '%{http_code}'
}
get() { jq -r "$1" "$dir/body"; }
size() { stat -c %s "$dir/body"; }
now() { date +%s%3N; }

# job ID: polls until it is over, result in $dir/body
job() {
    for _ in $(seq $((100 * slow))); do
        call queryAsyncJobResult jobId="$1"
        [ "$(get '.[].jobstatus')" = 0 ] || return 0
        sleep 0.05
    done
    return 1
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
account = OPENSTACK_ACC
tsm = vsm1
tsm-iops = 1000
iscsi = none
qos-interval-ms = 300
[pools]
pool1 = 100G
[latency]
createVolume = 5
createVolume.job = 300
deleteFileSystem.job = 100
listTsm = 5
addQosGroup = 5
updateVolumeiSCSIService = 5
updateFileSystem = 5
createStorageSnapshot = 5
listStorageSnapshots = 5
deleteSnapshot = 5
rollbackToSnapshot = 5
cloneDatasetSnapshot = 5
CONF
start
[ -n "$port" ]
ok $? "starts and says its port"

# ---- create_volume, in the driver's order -----------------------------------------------------
call listFileSystem
is "$(cat "$dir/body")" '{ "listFilesystemResponse" : {} }' "an empty list has neither count nor array"
is "$(size)" 33 "an empty list has the captured 33 bytes"
call listTsm
is "$(get '.listTsmResponse.listTsm[0]|[.name,.iops,.numericquota,.graceallowed,.simpleid]|tojson')" \
    '["vsm1","1000",102400,true,2]' "listTsm: text, numbers and boolean as captured"
grep -q '^  "numericquota": 102400\.0,$' "$dir/body"
ok $? "floats are written with .0"
head -1 "$dir/body" | grep -qx '{ "listTsmResponse" : { "count":1 ,"listTsm" : \[  {'
ok $? "the first line of a list is laid out as captured"
tail -1 "$dir/body" | grep -qx '} \] } }'
ok $? "the last line of a list is laid out as captured"
call listAccount
account=$(get '.listAccountResponse.account[]|select(.name=="OPENSTACK_ACC").id')
call listTsm accountid="$account"
tsm=$(get '.listTsmResponse.listTsm[0].id')
dataset=$(get '.listTsmResponse.listTsm[0].datasetid')
[[ $account =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4 && $tsm =~ ^[0-9a-f]{8}-[0-9a-f]{4}-3 ]]
ok $? "the account's id is a version 4 UUID, the TSM's version 3"

# add_volume NAME: id in $volume; stops at the job when $2 is given
add_volume() {
    call addQosGroup name="QoS_$1" tsmid="$tsm" iops=10 latency=15 graceallowed=false \
        networkspeed=0 memlimit=0 tpcontrol=false throughput=0 iopscontrol=true
    group=$(get '.addqosgroupresponse.qosgroup.id')
    call createVolume datasetid="$dataset" name="$1" qosgroupid="$group" tsmid="$tsm" \
        quotasize=1G blocklength=512B compression=off deduplication=off sync=always \
        recordsize=16k protocoltype=ISCSI
    jobid=$(get '.createvolumeresponse.jobid')
    [ $# -eq 1 ] || return 0
    job "$jobid"
    volume=$(get '.queryasyncjobresultresponse.jobresult.storage.id')
}
vol=0a1b2c3d4e5f60718293a4b5c6d7e8f9
sim latency command=createVolume.job ms=$((4000 * slow)) >/dev/null
add_volume $vol stop
is "$(size)" 82 "createVolume's answer has the captured 82 bytes"
is "$(cat "$dir/body")" "{ \"createvolumeresponse\" : {
  \"jobid\": \"$jobid\"
} }" "createVolume's answer is laid out as captured"
call queryAsyncJobResult jobId="$jobid"
# 346 and 360 bytes are captured for a command class three letters shorter than CreateVolumeCmd
is "$(size)" 349 "a job that just began: no msg, captured length"
pause 2200
call queryAsyncJobResult jobId="$jobid"
is "$(size)" 363 "a job halfway: one digit of msg, captured length"
job "$jobid"
sim latency command=createVolume.job ms=100 >/dev/null
is "$(get '.queryasyncjobresultresponse|[.jobstatus,.jobresultcode,.jobresulttype,.cmd]|tojson')" \
    '[1,0,"object","com.cloudbyte.api.commands.CreateVolumeCmd"]' "the job ends"
is "$(get '.queryasyncjobresultresponse.jobresult.storage.path')" "pool1/OPENSTACK_ACCvsm1/$vol" \
    "the job's result has the ZFS path"
call listFileSystem
volume=$(get ".listFilesystemResponse.filesystem[]|select(.name==\"$vol\").id")
is "$(get '.[].filesystem[0]|[.iops,.throughput,.noofcopies,.readonly,.iopscontrol,.numericquota]|tojson')" \
    '["10","0",1,false,"true",1024]' "listFileSystem: kinds of value as captured"
is "$(get '.[].filesystem[0].groupname')" "QoS_${vol}OPENSTACK_ACCvsm1" \
    "a QoS group's name ends in account and TSM"
is "$(get '.[].filesystem[0].iqnname' | sed 's/20[0-9][0-9]-[01][0-9]/DATE/')" \
    "iqn.DATE.OPENSTACKACC.vsm1:OPENSTACK_ACC$vol" "the IQN drops the account's underscore"
call listVolumeiSCSIService storageid="$volume"
service=$(get ".[].iSCSIService[]|select(.volume_id==\"$volume\").id")
is "$(get '.[].iSCSIService[0].usn')" "${volume//-/}" "the serial is the id without hyphens"
none=$(get '.[].iSCSIService[0].ig_id')
call listiSCSIInitiator accountid="$account"
all=$(get '.[].initiator[]|select(.initiatorgroup=="ALL").id')
is "$(get '.[].initiator[]|select(.initiatorgroup=="None").id')" "$none" \
    "nobody may log in to a new volume"
call listiSCSIAuthGroup accountid="$account"
is "$(get '.[].authgroup[0].name')" None "the built-in CHAP group"
call updateVolumeiSCSIService id="$service" igid="$all"
is "$(get '.updatingvolumeiscsidetails.viscsioptions.ig_id')" "$all" "the initiator group is changed"
sim volume name=$vol >/dev/null
is "$(jq -r .initiators "$dir/control")" ALL "the export lets everybody in"
file=$(jq -r .path "$dir/control")
is "$(stat -c %s "$file")" $((1 << 30)) "the volume's file has the size asked for"
call listTsm
is "$(get '.[].listTsm[0]|[.availIOPS,.usedIOPS]|tojson')" '["990","10"]' "IOPS are charged to the TSM"

# ---- create_snapshot, rollback, clone: data -----------------------------------------------------
put() { yes "$1" 2>/dev/null | dd of="$2" bs=4096 count=16 iflag=fullblock conv=notrunc status=none; }
has() { [ "$(head -c 60000 "$1" | sed '$d' | sort -u)" = "$2" ]; }
inode=$(stat -c %i "$file")
put before "$file"
call createStorageSnapshot name=snap_1 id="$volume"
is "$(get '.createStorageSnapshotResponse.StorageSnapshot|[.name,.lunid,.scsiEnabled]|tojson')" \
    "[\"snap_1\",\"$volume\",false]" "createStorageSnapshot answers with the volume's id as lunid"
head -1 "$dir/body" | grep -qx '{ "createStorageSnapshotResponse" :  { "StorageSnapshot" : {' &&
    tail -1 "$dir/body" | grep -qx '} }  }'
ok $? "a wrapped object is laid out as captured"
put after "$file"
call listStorageSnapshots id="$volume"
path=$(get '.listDatasetSnapshotsResponse.snapshot[]|select(.name=="snap_1").path')
is "$path" "pool1/OPENSTACK_ACCvsm1/$vol@snap_1" "the snapshot's path is its ZFS name"
is "$(get '.[].snapshot[0]|[.refer,.clones,.availMem,.type,.poolTakeOver]|tojson')" \
    '["64K",0,"-","instant","noTakeOver"]' "listStorageSnapshots: kinds of value as captured"
get '.[].snapshot[0].timestamp' | grep -qxE '[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} 20[0-9]{2} [0-9]{2}:[0-9]{2}'
ok $? "the snapshot's time has minutes and no zone"
clone=feedface00000000000000000000beef
call cloneDatasetSnapshot id="$volume" clonename=$clone path="$path"
is "$(get '.cloneDatasetSnapshot.filesystem|[.name,.iops,.groupid]|tojson')" \
    "[\"$clone\",\"10\",\"$group\"]" "a clone is in its parent's QoS group"
clone_id=$(get '.cloneDatasetSnapshot.filesystem.id')
sim volume name=$clone >/dev/null
clone_file=$(jq -r .path "$dir/control")
has "$clone_file" before && has "$file" after
ok $? "the clone has the data of the snapshot, the volume has its own"
call listStorageSnapshots id="$volume" name=
is "$(get '.[].snapshot[0].clones')" 1 "the snapshot counts its clone; an empty name filters nothing"
call deleteSnapshot id="$volume" path="$path"
is "$status" 530 "a snapshot with a clone is not deleted"
call rollbackToSnapshot id="$volume" path="$path"
is "$(cat "$dir/body")" '{ "rollbacktoshotresponse" :  { "Rollback" : {} }  }' "rollback answers as captured"
has "$file" before && [ "$(stat -c %i "$file")" = "$inode" ]
ok $? "rollback puts the data back into the same inode"
put clonedata "$clone_file"
has "$file" before && has "$clone_file" clonedata
ok $? "writing to the clone leaves the volume alone"

# ---- whole TSM ------------------------------------------------------------------------------------
first=$volume first_file=$file
add_volume second
second=$volume
sim volume name=second >/dev/null
second_file=$(jq -r .path "$dir/control")
put one "$first_file"
put two "$second_file"
call createStorageSnapshot id="$dataset" name=both
is "$(get '.[].StorageSnapshot.lunid')" "$dataset" "a snapshot of the whole TSM"
put lost "$first_file"
put lost "$second_file"
for v in "$first" "$second"; do
    call listStorageSnapshots id="$v"
    call rollbackToSnapshot id="$v" path="$(get '.[].snapshot[]|select(.name=="both").path')"
done
has "$first_file" one && has "$second_file" two
ok $? "it has the data of every volume"
call createStorageSnapshot id="$dataset" name=both
is "$status" 530 "a snapshot's name is taken once"
call createStorageSnapshot id="$second" name=newer
call rollbackToSnapshot id="$second" path=pool1/OPENSTACK_ACCvsm1/second@both
is "$status" 530 "no rollback past a newer snapshot"
call deleteSnapshot id="$dataset" name=both
is "$(get '.[].DeleteSnapshot.status')" success "a recursive delete by name"
call listStorageSnapshots id="$second"
is "$(get '[.[].snapshot[].name]|tojson')" '["newer"]' "it took the snapshots of that name only"

# ---- errors -----------------------------------------------------------------------------------------
expect() { # STATUS KEY TEXT-PATTERN DESCRIPTION
    [ "$status" = "$1" ] && [ "$(get ".$2.errorcode")" = "$1" ] && get ".$2.errortext" | grep -q "$3" &&
        get ".$2.uuidList|tojson" | grep -qx '\[\]'
    ok $? "$4"
}
call noSuchCommand
expect 432 errorresponse 'The given command does not exist' "an unknown command is 432 under errorresponse"
right=$key
key=wrong
call listAccount
expect 401 listAccountResponse 'unable to verify user credentials' "a wrong key is 401"
is "$(sim clear)" 401 "the control interface wants the key too"
key=$right
call addQosGroup name=x
expect 431 addqosgroupresponse 'addqosgroup due to missing parameter tsmid' "a missing parameter is 431"
grep -qi '^X-Description: Unable to execute API command addqosgroup' "$dir/head"
ok $? "errors carry X-Description"
call addQosGroup name=big tsmid="$tsm" iops=5000
expect 530 addqosgroupresponse '\[IOPS\] : .* available IOPS: 980$' "more IOPS than the TSM has is 530"
call addQosGroup name="QoS_$vol" tsmid="$tsm" iops=10
expect 530 addqosgroupresponse exists "a taken volume name is found by addQosGroup"
call deleteSnapshot id="$second" path=pool1/OPENSTACK_ACCvsm1/second@gone
expect 431 deleteSnapshotResponse 'could not find any snapshots to destroy' "a snapshot that is gone is 431"
call cloneDatasetSnapshot id="$second" path=pool1/OPENSTACK_ACCvsm1/second@gone clonename=x
expect 530 cloneDatasetSnapshot 'Failed to create clone due to timeout' "cloning what is gone is 530"
call createStorageSnapshot id="$second" name=../../escape
expect 431 createStorageSnapshotResponse Invalid "a name with a slash is refused"
call createStorageSnapshot id=00000000-0000-3000-8000-000000000000 name=x
expect 431 createStorageSnapshotResponse 'Unable to find' "a volume that does not exist is 431"
is "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$dir/cert.pem" -d command=x "https://127.0.0.1:$port/client/api")" \
    405 "only GET is answered"
curl -s --cacert "$dir/cert.pem" -G "https://127.0.0.1:$port/client/api" -d command=listTsm \
    --data-urlencode "apikey=$key" | grep -q '^<?xml .*<listTsmResponse cloud-stack-version'
ok $? "without response=json the answer is XML, and apikey is as good as apiKey"

# ---- transport ----------------------------------------------------------------------------------------
extra=(--compressed)
call listFileSystem
grep -qi '^Content-Encoding: gzip' "$dir/head" && grep -qi '^Transfer-Encoding: chunked' "$dir/head" &&
    ! grep -qi '^Content-Length' "$dir/head" && [ "$(get '.[].count')" = 3 ]
ok $? "a long body is gzip and chunked when the client offers gzip"
call listiSCSIAuthGroup accountid="$account"
grep -qi '^Content-Length' "$dir/head" && ! grep -qi '^Content-Encoding' "$dir/head"
ok $? "a short one is not"
extra=()
call listFileSystem
grep -qi "^Content-Length: $(size)" "$dir/head"
ok $? "nor a long one without the offer"

# ---- QoS history ----------------------------------------------------------------------------------------
dd if=/dev/urandom of="$first_file" bs=1M count=8 seek=100 conv=notrunc status=none
sync "$first_file"
wrote() {
    call monitorFileSystemQoS id="$first"
    [ "$(get '[.monitorFileSystemResponse.monitorFilesystemQoS[].throughput|tonumber]|max')" -gt 1000 ]
} 2>/dev/null
for _ in $(seq $((100 * slow))); do
    wrote && break
    sleep 0.1
done
wrote &&
    get '.[].monitorFilesystemQoS[-1].timestamp' | grep -q '^20..-..-.. ..:..:..$'
ok $? "monitorFileSystemQoS shows what was written"
call updateQosGroup id="$group" iops=50
is "$(get '.updateqosresponse|[.count,.qosgroup[0].iops]|tojson')" '[1,"50"]' "updateQosGroup changes the limit"
call updateFileSystem id="$second" quotasize=2G
is "$(get '.updatefilesystemresponse.filesystem[0].quota') $(stat -c %s "$second_file")" "2G $((2 << 30))" \
    "updateFileSystem extends the volume"

# ---- faults ------------------------------------------------------------------------------------------------
fault() { [ "$(sim fault "$@")" = 200 ] || echo "# fault refused: $(cat "$dir/control")"; }
fault command=listAccount kind=status value=530 count=1
call listAccount
expect 530 listAccountResponse injected "fault status"
call listAccount
is "$status" 200 "count=1 is over after one request"
fault command=listStorageSnapshots kind=status value=431 count=1 "match=id:$first"
call listStorageSnapshots id="$second"
is "$status" 200 "match leaves other objects alone"
call listStorageSnapshots id="$first"
is "$status" 431 "and hits the one it names"
fault command=listAccount kind=slow value=700 count=1
t=$(now)
call listAccount
[ $(($(now) - t)) -ge 700 ]
ok $? "fault slow"
fault command=createStorageSnapshot kind=reset count=1
call createStorageSnapshot id="$first" name=never
[ "$curl_status" -eq 56 ] && grep -qi 'reset' "$dir/curl"
ok $? "fault reset: the connection is reset"
call listStorageSnapshots id="$first" name=never
is "$(get '.[]|tojson')" '{}' "reset with value 0: nothing was done"
fault command=createStorageSnapshot kind=reset value=1 count=1
call createStorageSnapshot id="$first" name=unknown
is "$curl_status" 56 "reset with value 1: no answer either"
call listStorageSnapshots id="$first" name=unknown
is "$(get '.[].count')" 1 "but the snapshot was taken"
call deleteSnapshot id="$first" name=unknown
fault command=listAccount kind=garbage count=1
call listAccount
[ "$status" = 200 ] && ! jq -e . "$dir/body" >/dev/null 2>&1
ok $? "fault garbage: 200 and no JSON"
fault command=listAccount kind=truncated count=1
call listAccount
is "$curl_status" 18 "fault truncated: the body ends too early"
fault command=listAccount kind=endless value=4 count=1
call listAccount
[ "$(size)" -gt $((4 << 20)) ]
ok $? "fault endless with a bound: 4 MiB more than there should be"
fault command=listAccount kind=endless count=1
extra=(--max-time 1)
call listAccount
is "$curl_status" 28 "fault endless: the client gives up first"
extra=()
fault command=createVolume kind=job-fail count=1
add_volume third
is "$(get '.[]|[.jobstatus,.jobresultcode,.jobresult.success,.jobresult.errorcode]|tojson')" \
    '[2,530,false,530]' "fault job-fail: the job fails"
is "$status" 200 "and is told with status 200"
fault command=createVolume kind=job-stuck count=1
add_volume fourth stop
sleep 0.5
call queryAsyncJobResult jobId="$jobid"
is "$(get '.[]|[.jobstatus,.msg]|tojson')" '[0,null]' "fault job-stuck: the job stays at 0"
is "$(sim fault command=x kind=nonsense) $(jq -r .error "$dir/control" | grep -c "kind must be")" "400 1" \
    "a fault that does not exist is refused"
fault 'command=*' kind=status value=401
call listTsm
is "$status" 401 "command=* hits every command"
sim clear >/dev/null
call listTsm
is "$status" 200 "clear ends all faults"

# ---- latency and overlap ---------------------------------------------------------------------------------------
# long beside what starting three clients takes
sim latency command=createStorageSnapshot ms=$((2000 * slow)) >/dev/null
add_volume fifth
third=$volume
t=$(now)
call createStorageSnapshot id="$first" name=lat0
one=$(($(now) - t))
[ "$one" -ge $((2000 * slow)) ]
ok $? "a latency set at run time holds ($one ms)"
since=$(now)
shots=()
for v in "$first" "$second" "$third"; do
    curl -sS --max-time 20 --cacert "$dir/cert.pem" -G "https://127.0.0.1:$port/client/api" \
        -d command=createStorageSnapshot -d name=lat1 -d id="$v" -d response=json \
        --data-urlencode "apiKey=$key" -o "$dir/shot-$v" &
    shots+=($!)
done
wait "${shots[@]}"
sim log since="$since" >/dev/null
is "$(jq '[.requests[]|select(.command=="createStorageSnapshot" and .status==200)]|length' "$dir/control")" 3 \
    "three snapshots at once"
# all under way at the same time, and none until the other two are done, which takes three times as long
jq -c '[.requests[]|select(.command=="createStorageSnapshot")]|
    {longest: map(.out_ms-.in_ms)|max, together: ((map(.out_ms)|min)-(map(.in_ms)|max))}' \
    "$dir/control" >"$dir/overlap"
longest=$(jq .longest "$dir/overlap") together=$(jq .together "$dir/overlap")
[ "$longest" -lt $((5000 * slow)) ] && [ "$together" -gt 0 ]
ok $? "they overlap: longest of three $longest ms, one alone $one ms, $together ms together"
jq -e '.requests|length > 0 and all(.[]; (.params|keys|map(ascii_downcase)|index("apikey")) == null)' \
    "$dir/control" >/dev/null
ok $? "the request log is without the key"

# ---- restart ------------------------------------------------------------------------------------------------------
call listFileSystem
jq -S '[.[].filesystem[]|{id,name,groupid,iqnname,quota,initiatorgroup,iops}]' "$dir/body" >"$dir/volumes"
call listStorageSnapshots id="$first"
jq -S . "$dir/body" >"$dir/snapshots"
add_volume sixth stop
stop
is "$stopped" 0 "SIGTERM ends it cleanly"
start
call listFileSystem
jq -S '[.[].filesystem[]|select(.name!="sixth")|{id,name,groupid,iqnname,quota,initiatorgroup,iops}]' \
    "$dir/body" | cmp -s - "$dir/volumes"
ok $? "a restart keeps the volumes"
call listStorageSnapshots id="$first"
jq -S . "$dir/body" | cmp -s - "$dir/snapshots"
ok $? "and the snapshots"
job "$jobid"
is "$(get '.[].jobresult.storage.name')" sixth "a job that was running goes on"
disown "$pid"
kill -9 "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
rm -f "$dir/port"
start
call listFileSystem
is "$(get '[.[].filesystem[].name]|contains(["sixth"])')" true "so does what was there before kill -9"

# ---- delete_volume, in the driver's order ----------------------------------------------------------------------------
drop() { # VOLUME-ID [forcedelete=true]
    call listVolumeiSCSIService storageid="$1"
    call updateVolumeiSCSIService id="$(get '.[].iSCSIService[0].id')" igid="$none"
    call deleteFileSystem id="$@"
    job "$(get '.deleteFileSystemResponse.jobid')"
}
drop "$first"
is "$(get '.[].jobstatus')" 2 "a volume with snapshots is not deleted"
drop "$first" forcedelete=true
is "$(get '.[].jobresult.errortext' | grep -c clones)" 1 "nor, by force, one with a clone"
drop "$clone_id"
is "$(get '.[]|[.jobstatus,.msg,.jobresult.success]|tojson')" '[1,"Deleted Successfully",true]' \
    "a clone is deleted like a volume"
drop "$first" forcedelete=true
is "$(get '.[].jobstatus')" 1 "then the volume"
[ ! -e "$clone_file" ] && [ ! -e "$first_file" ] && [ -z "$(find "$dir/state" -name "$vol*")" ]
ok $? "their files and snapshots are gone"
call listTsm
is "$(get '.[].listTsm[0].usedIOPS')" 90 "the TSM has the group's IOPS back"
! grep -rqF "$key" "$dir/log" "$dir/stderr" "$dir/state"
ok $? "the key is in no log and not in the state"

# ---- configuration errors ------------------------------------------------------------------------------------------------
stop
bad() { # SED-EXPRESSION PATTERN TEXT
    sed "$1" "$dir/sim.conf" >"$dir/bad.conf"
    "$sim" --config "$dir/bad.conf" --foreground 2>"$dir/bad"
    rc=$?
    [ "$rc" -eq 2 ] && [ "$(wc -l <"$dir/bad")" -eq 1 ] && grep -q -- "$2" "$dir/bad"
    ok $? "$3"
    [ "$rc" -eq 2 ] || sed 's/^/# /' "$dir/bad"
}
bad 's/^port = .*/port = many/' "line 2: 'port' must be a number" "a bad number: exit 2, one sentence"
bad 's/^tsm = .*/tms = vsm1/' "unknown key 'tms'" "an unknown key"
bad "s|^cert = .*|cert = $dir/none.pem|" "cannot read '$dir/none.pem'" "a certificate that is not there"
bad "s|^cert = .*|cert = $dir/key.pem|" "check certificate" "a certificate that is none"
bad 's/^api-key = .*//' "lacks 'api-key'" "no key"
bad 's/^createVolume = .*/createVolume = soon/' "createVolume" "a bad latency"
bad 's/^tsm = .*/tsm = other/' "holds account 'OPENSTACK_ACC' with TSM 'vsm1'" "another account's state"
"$sim" --config "$dir/absent.conf" 2>"$dir/bad"
is "$? $(grep -c "absent.conf" "$dir/bad")" "2 1" "no configuration file"

echo "1..$n"
[ "$failed" -eq 0 ]
