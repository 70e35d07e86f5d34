#!/bin/sh
# The ElastiStor driver against the stand-in: every operation, and every way in which an appliance,
# a network or a certificate lets it down. No root; loopback only. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/storage-sim.sh

pin_of() { # PEM
    printf 'sha256//%s' "$(openssl x509 -in "$1" -pubkey -noout |
        openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)"
}

make_cert other IP:192.0.2.1

# ---- operations -----------------------------------------------------------------------------

works 'volumes are listed' list
[ "$(wc -l <"$dir/out")" -eq 3 ] && grep -q '^data [-0-9a-f]* iqn\..*:.*data [0-9a-f]\{32\} ' "$dir/out"
result $? 'with name, id, IQN and serial'
works 'three volumes are snapshotted at once' snapshot s1 root log data
works 'a snapshot is found' find s1 data
grep -Eqx 'found .+/data@s1' "$dir/out"
result $? 'with its path'
fails storage "appliance 'east': createStorageSnapshot of volume 'data': " \
    'a name that is taken is refused' snapshot s1 data
sure
works 'a snapshot is removed' remove s1 data
works 'removing it again succeeds' remove s1 data
absent s1 data 'and it is gone'
works 'another volume keeps its own' find s1 log
drive remove s1 log && drive remove s1 root
result $? 'the others are removed'

# ---- at once, and warm ----------------------------------------------------------------------

# long beside what the requests themselves take
sim "latency?command=createStorageSnapshot&ms=$((3000 * slow))"
since=$(date +%s%3N)
drive --warm snapshot three root log data
sim "log?since=$since"
# the last has come to the appliance before the first was answered
jq -e '[.requests[] | select(.command == "createStorageSnapshot")] |
    length == 3 and (map(.in_ms) | max) < (map(.out_ms) | min)' "$dir/sim-answer" >/dev/null
result $? 'three snapshots are under way at once'
for v in root log data; do drive remove three $v; done
sim 'latency?command=createStorageSnapshot&ms=0'
# how long the last of three requests waited for its connection
lateness() { # NAME OPTIONS...
    name=$1
    shift
    drive "$@" snapshot "$name" root log data || return 1
    awk '$2 > m && NF == 3 { m = $2 } END { print m }' "$dir/out"
    for v in root log data; do drive remove "$name" $v; done
}
half() { # A B: A is less than half of B
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && a < b / 2) }'
}
# a handshake takes its time in each run; without one, a busy machine may be late in some
cold=$(for _ in 1 2 3; do lateness cold || break; done | sort -n | head -n 1)
for _ in $(seq 10); do
    warm=$(lateness warm --warm)
    half "$warm" "$cold" && break
done
half "$warm" "$cold"
result $? "prepared connections wait for no handshake ($warm ms, unprepared $cold ms)"
sim clear

# ---- trust ----------------------------------------------------------------------------------

pin=$(pin_of "$dir/good.pem")
trust=--fingerprint trust_value=$pin
works 'the pinned key is enough' list
trust_value=$(pin_of "$dir/other.pem")
fails config "another public key than the 'fingerprint' of \[appliance east\]" \
    'another key than the pinned one is refused' list
trust_value=sha256//nonsense
fails config "'fingerprint' of \[appliance east\] is malformed" 'a malformed pin is refused' list
trust=--ca trust_value=
fails config "certificate of '127.0.0.1:$port' is not trusted: .*set 'ca' or 'fingerprint'" \
    'a self-signed certificate is refused' list
trust_value=$dir/other.pem
fails config "is not trusted" 'a certificate of another CA is refused' list
trust_value=$dir/key
fails config "'ca' file of \[appliance east\] holds no usable" 'a CA file without one is told' list
trust_value=$dir/missing.pem
fails config "cannot read 'ca' file" 'a missing CA file is told' list
trust_value=$dir/good.pem
fails config 'begin with https://' 'plain http is refused' --url "http://127.0.0.1:$port/client/api" list
fails config 'is not trusted' 'a certificate for another host is refused' \
    --url "https://localhost:$port/client/api" list
fails storage "host 'nosuch.invalid' is not known" 'an unknown host is told' \
    --url https://nosuch.invalid/client/api list
fails storage "cannot connect to '127.0.0.1:1'" 'a closed port is told' \
    --url https://127.0.0.1:1/client/api list
sure
fails storage 'no such API at this address' 'a wrong path is told' \
    --url "https://127.0.0.1:$port/wrong" list

# a proxy would see the key: the environment must not matter
(
    export https_proxy=http://127.0.0.1:1 HTTPS_PROXY=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1
    drive list
)
result $? 'a proxy in the environment is not used'

# ---- an appliance that fails ----------------------------------------------------------------

sed 's/^..../XXXX/' "$dir/key" >"$dir/wrong-key"
fails config "correct the api_key of \[appliance east\] in the credentials file" \
    'a wrong key is told' --key-file "$dir/wrong-key" list
for status in 401 431 530; do
    code=storage
    [ $status -eq 401 ] && code=config
    sim "fault?command=createStorageSnapshot&kind=status&value=$status&count=1"
    fails $code "createStorageSnapshot of volume 'root': failed with code $status" \
        "HTTP $status is told" snapshot x root
    sure
done
absent x root 'and nothing was made'

sim 'fault?command=createStorageSnapshot&kind=status&value=530&count=1&match=name:x'
drive snapshot x root log data
[ $? -eq 1 ] && [ "$(grep -c '^error storage' "$dir/err")" -eq 1 ] &&
    [ "$(grep -Ec '^(root|log|data) ' "$dir/out")" -eq 2 ]
result $? 'one of three failing leaves the others their answers'
sim clear
for v in root log data; do drive remove x $v; done

for kind in reset truncated garbage endless; do
    before=$(sim_count createStorageSnapshot)
    sim "fault?command=createStorageSnapshot&kind=$kind&count=1"
    fails storage "createStorageSnapshot of volume 'root': " "$kind is told" snapshot x root
    unsure
    [ $(($(sim_count createStorageSnapshot) - before)) -eq 1 ]
    result $? "and the snapshot was asked for once"
    sim clear
    drive remove x root
done
# over a connection that is kept libcurl repeats by itself, unless it is stopped
before=$(sim_count createStorageSnapshot)
sim 'fault?command=createStorageSnapshot&kind=reset&count=1'
fails storage 'whether it was done is unknown' 'reset on a prepared connection is told' \
    --warm snapshot x root
[ $(($(sim_count createStorageSnapshot) - before)) -eq 1 ]
result $? 'and the snapshot was asked for once'
sim clear
drive remove x root

# the worst kind: done, and then no word of it
sim 'fault?command=createStorageSnapshot&kind=reset&value=1&count=1'
fails storage 'whether it was done is unknown' 'a snapshot without an answer is not called taken' \
    snapshot x root
unsure
sim clear
works 'and is found by looking' find x root
grep -q '/root@x$' "$dir/out"
result $? 'with its path'
sim 'fault?command=deleteSnapshot&kind=reset&value=1&count=1'
works 'a removal whose answer was lost is asked for again, and succeeds' remove x root
absent x root 'and it is gone'

# two remove the same snapshot: one of them is told that it is gone, after it saw it in the list
drive snapshot x root
sim "latency?command=deleteSnapshot&ms=$((5000 * slow))"
before=$(sim_count deleteSnapshot)
for who in 1 2; do
    "$DRIVE" --url "$url" --key-file "$dir/key" --ca "$dir/good.pem" --deadline $((30000 * slow)) \
        remove x root >"$dir/out.$who" 2>&1 &
    eval "pid_$who=\$!"
done
# shellcheck disable=SC2154 # set by eval
wait "$pid_1" && wait "$pid_2" && [ $(($(sim_count deleteSnapshot) - before)) -eq 2 ]
result $? 'what somebody else removed meanwhile counts as removed'
sim clear

sim 'fault?command=listFileSystem&kind=reset&count=1'
works 'a list is asked for again after a reset' list
sim clear
sim 'fault?command=listFileSystem&kind=reset&count=2'
fails storage 'connection broke' 'but only once' list
sim clear

sim "fault?command=createStorageSnapshot&kind=slow&value=$((5000 * slow))&count=1"
began=$(date +%s%N)
fails timeout 'no answer in [0-9]+ ms; whether it was done is unknown' \
    'a slow appliance meets the deadline' --deadline $((1000 * slow)) snapshot x root
unsure
took=$((($(date +%s%N) - began) / 1000000))
[ $took -ge $((1000 * slow)) ] && [ $took -lt $((4000 * slow)) ]
result $? "in time ($took ms for a deadline of $((1000 * slow)))"
sim clear

# ---- readings -------------------------------------------------------------------------------

sim 'qos?name=data&iops=209&throughput=750&latency=2328708&throttle=22'
works 'the readings of a volume are told' stats data
grep -q '^iops 209 throughput 750 latency 2328708 throttle 22 used [0-9]* $' "$dir/out"
result $? 'as the appliance measured them'
drive stats log && grep -q '^iops 0 throughput [0-9]* latency 0 ' "$dir/out"
result $? 'each volume has its own'
file=$(file_of log)
drive stats log && used=$(sed 's/.* used //' "$dir/out")
dd if=/dev/urandom of="$file" bs=1M count=16 conv=notrunc,fsync status=none
drive stats log && [ "$(sed 's/.* used //' "$dir/out")" -ge $((used + 16 * 1048576)) ]
result $? 'and what is written to it is used, in bytes'
for _ in $(seq $((20 * slow))); do
    drive history data
    grep -q '^209 ' "$dir/out" && break
    sleep 0.2
done
grep -Eq '^209 20..-..-.. ..:..:..$' "$dir/out"
result $? 'what the appliance remembers is told with its times'
sim 'fault?command=monitorFileSystemQoS&kind=status&value=432&count=1'
fails storage "monitorFileSystemQoS of volume 'data': failed with code 432" \
    'an appliance that remembers nothing is told' history data
for kind in garbage truncated; do
    sim "fault?command=monitorFileSystemQoS&kind=$kind&count=2"
    fails storage "monitorFileSystemQoS of volume 'data': " "a $kind history is no history" history data
    sim clear
done
sim 'qos?name=data'

# ---- the key --------------------------------------------------------------------------------

"$DRIVE" --url "$url" --key-file "$dir/key" --ca "$dir/good.pem" idle $((60000 * slow)) >"$dir/out" 2>"$dir/err" &
idle=$!
for _ in $(seq $((100 * slow))); do
    grep -q ready "$dir/out" && break
    sleep 0.1
done
key=$(cat "$dir/key")
grep -q ready "$dir/out" && tr '\0' '\n' <"/proc/$idle/cmdline" >"$dir/seen" &&
    tr '\0' '\n' <"/proc/$idle/environ" >>"$dir/seen" && [ -s "$dir/seen" ] &&
    ! grep -qF -e "$key" "$dir/seen"
result $? 'the key is not in the process list'
kill "$idle"
wait "$idle" 2>/dev/null
part=$(printf %s "$key" | cut -c 20-40)
grep -q "^error .*appliance 'east'" "$dir/everything" && ! grep -qF -e "$key" -e "$part" "$dir/everything"
result $? 'the key is in nothing that the driver ever printed here'

# ---- the contract ---------------------------------------------------------------------------

sim clear
# it tells volumes that are asked for at once from one after another
sim "latency?command=createStorageSnapshot&ms=$((500 * slow))"
sim "latency?command=cloneDatasetSnapshot&ms=$((200 * slow))"
drive set-access root "$(group_id ALL)"
result $? 'somebody may use the first volume'
CMOCKA_MESSAGE_OUTPUT=TAP "$DRIVE" --url "$url" --key-file "$dir/key" --ca "$dir/good.pem" \
    --files "$(dirname "$(file_of root)")" contract >"$dir/out" 2>"$dir/err"
result $? "all of the drivers' contract holds ($(grep -c '^ok' "$dir/out") cases)"

tap_end
