#!/bin/sh
# Going back on an ElastiStor, against the stand-in: rollback, clones, removing volumes and access, and
# every way in which an appliance lets them down half-way. No root; loopback only. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
# whichever group a clone gets, the driver has to close it
# shellcheck disable=SC2034 # read by storage-sim.sh
sim_options='clone-initiators = ALL'
. tests/integration/storage-sim.sh

everybody=$(group_id ALL) nobody=$(group_id None)

write() { # VOLUME LETTER
    printf %s "$2" | dd of="$(file_of "$1")" bs=1 count=1 conv=notrunc status=none
}

holds() { # VOLUME LETTER
    [ "$(head -c 1 "$(file_of "$1")")" = "$2" ]
}

listed() { # VOLUME
    sim clear
    drive list && grep -q "^$1 " "$dir/out"
}

id_of() { # VOLUME
    drive list && sed -n "s/^$1 \([^ ]*\) .*/\1/p" "$dir/out"
}

may_use() { # VOLUME WORD
    drive access "$1" && grep -qx -e "$2" "$dir/out"
}

asked() { # COMMAND TIMES, since $before
    [ $(($(sim_count "$1") - before)) -eq "$2" ]
}

until_asked() { # COMMAND TIMES: and answered, where nobody may have waited for it
    for _ in $(seq $((200 * slow))); do
        asked "$@" && return 0
        sleep 0.1
    done
    return 1
}

# ---- lists and rollback ---------------------------------------------------------------------

drive list && grep -Eq '^data .* 1073741824 [0-9]+$' "$dir/out"
result $? 'size and free space of a volume are told'
works 'a volume without snapshots has an empty list' snapshots data
[ ! -s "$dir/out" ]
result $? 'of no lines'
write data a
drive snapshot s1 data && write data b
works 'its snapshots are listed' snapshots data
grep -Eqx 's1 [^ ]+/data@s1 0 [A-Z].*' "$dir/out"
result $? 'with name, path, clones and time'

works 'a volume is rolled back' rollback s1 data
holds data a
result $? 'to the data of the snapshot'
fails not_found "appliance 'east': listStorageSnapshots of volume 'data': there is no snapshot 's9'" \
    'what is not there is not rolled back to' rollback s9 data
sure
write data c
drive snapshot s2 data && write data d
before=$(sim_count rollbackToSnapshot)
fails storage "rollbackToSnapshot of volume 'data': failed with code 530: .*more recent" \
    'a rollback past a newer snapshot is refused' rollback s1 data
sure
holds data d && asked rollbackToSnapshot 1
result $? 'and nothing is rolled back, and it was asked for once'
drive remove s2 data

before=$(sim_count rollbackToSnapshot)
sim 'fault?command=rollbackToSnapshot&kind=reset&value=1&count=1'
works 'a rollback whose answer was lost is asked for again, and succeeds' rollback s1 data
holds data a && asked rollbackToSnapshot 2
result $? 'with the data of the snapshot'
write data e
sim 'fault?command=rollbackToSnapshot&kind=reset&count=2'
fails storage 'whether it was done is unknown' 'but only once' rollback s1 data
unsure
sim clear
sim "fault?command=rollbackToSnapshot&kind=slow&value=$((5000 * slow))&count=1"
works 'a rollback may take longer than other requests' --timeout $((2000 * slow)) rollback s1 data
holds data a
result $? 'and is waited for'
before=$(sim_count rollbackToSnapshot)
sim "fault?command=rollbackToSnapshot&kind=slow&value=$((6000 * slow))&count=1"
fails timeout 'no answer in [0-9]+ ms; whether it was done is unknown' \
    'but not longer than its caller lets it' --deadline $((2000 * slow)) rollback s1 data
unsure
until_asked rollbackToSnapshot 1
result $? 'and is done all the same'
sim clear
sim "fault?command=listStorageSnapshots&kind=slow&value=$((15000 * slow))&count=1"
began=$(date +%s%N)
fails timeout "listStorageSnapshots of volume 'data': no answer" \
    'a list on the way gets no longer than other lists' --timeout $((2000 * slow)) rollback s1 data
sure
[ $((($(date +%s%N) - began) / 1000000)) -lt $((8000 * slow)) ]
result $? 'in time'
for kind in garbage truncated status; do
    sim "fault?command=rollbackToSnapshot&kind=$kind&value=530&count=2"
    fails storage "rollbackToSnapshot of volume 'data': " "$kind is no rollback" rollback s1 data
    if [ $kind = status ]; then sure; else unsure; fi
    sim clear
done

# ---- clones ---------------------------------------------------------------------------------

write data f
works 'a clone is made' clone s1 data c1
grep -Eq '^c1 [-0-9a-f]+ iqn\..*:.*c1 [0-9a-f]{32} ' "$dir/out"
result $? 'and told with id, IQN and serial'
holds c1 a && holds data f
result $? 'it has the data of the snapshot, the volume its own'
may_use c1 -
result $? 'nobody may use it, though the appliance had let everybody in'
drive snapshots data && grep -q '^s1 [^ ]* 1 ' "$dir/out"
result $? 'the snapshot counts it'
fails storage 'has dependent clones' 'and is not removed' remove s1 data
sure
fails storage "cloneDatasetSnapshot of volume 'data': .*c1 exists" 'a name that is taken is refused' \
    clone s1 data c1
sure
fails not_found "there is no snapshot 's9'" 'what is not there is not cloned' clone s9 data c2
sure

sim "fault?command=cloneDatasetSnapshot&kind=slow&value=$((5000 * slow))&count=1"
works 'a clone may take longer than other requests' --timeout $((2000 * slow)) clone s1 data c2
sim "fault?command=cloneDatasetSnapshot&kind=slow&value=$((6000 * slow))&count=1"
fails timeout 'no answer in [0-9]+ ms; whether it was done is unknown' \
    'but not longer than its caller lets it' --deadline $((2000 * slow)) clone s1 data c3
unsure
for _ in $(seq $((100 * slow))); do
    listed c3 && break
    sleep 0.1
done
listed c3
result $? 'and the list shows that it came to be'

for kind in 'reset&value=1' garbage truncated; do
    before=$(sim_count cloneDatasetSnapshot)
    sim "fault?command=cloneDatasetSnapshot&kind=$kind&count=1"
    fails storage "cloneDatasetSnapshot of volume 'data': " "a clone without an answer ($kind) is told" \
        clone s1 data c4
    unsure
    asked cloneDatasetSnapshot 1
    result $? 'it was asked for once'
    listed c4
    result $? 'and is found by its name'
    works 'and removed' delete c4
done
sim 'fault?command=cloneDatasetSnapshot&kind=reset&count=1'
fails storage 'whether it was done is unknown' 'a clone that never was is as unsure' clone s1 data c4
unsure
! listed c4
result $? 'and is not in the list'
sim 'fault?command=cloneDatasetSnapshot&kind=status&value=530&count=1'
fails storage 'failed with code 530' 'a clone that is refused is told' clone s1 data c4
sure

# made, but not closed: the caller has to know that there is something
sim 'fault?command=updateVolumeiSCSIService&kind=status&value=530&count=1'
fails storage "updateVolumeiSCSIService of volume 'c4': failed with code 530" \
    'a clone that cannot be closed is told' clone s1 data c4
unsure
listed c4 && drive delete c4
result $? 'and is there, to be removed'

# ---- access ---------------------------------------------------------------------------------

may_use data -
result $? 'nobody may use a volume that nobody was let in to'
works 'a group is let in' set-access data "$everybody"
may_use data "$everybody"
result $? 'and told'
fails storage "listiSCSIInitiator of volume 'data': the account has no initiator group of id 'nobody'" \
    'an unknown group is refused' set-access data nobody
sure
sim 'fault?command=updateVolumeiSCSIService&kind=reset&value=1&count=1'
works 'a change whose answer was lost is asked for again' set-access data -
may_use data -
result $? 'and made'
sim 'fault?command=updateVolumeiSCSIService&kind=status&value=530&count=1'
fails storage "updateVolumeiSCSIService of volume 'data': failed with code 530" \
    'a change that is refused is told' set-access data "$everybody"
sure
may_use data -
result $? 'and nothing is changed'
sim 'fault?command=updateVolumeiSCSIService&kind=garbage&count=2'
fails storage 'not JSON' 'a change without an answer is told' set-access data "$everybody"
unsure
sim clear

# somebody else changes it between the change and the look
service=$(api "listVolumeiSCSIService&storageid=$(id_of data)" | member id)
sim "latency?command=listVolumeiSCSIService&ms=$((5000 * slow))"
before=$(sim_count updateVolumeiSCSIService)
"$DRIVE" --url "$url" --key-file "$dir/key" --ca "$dir/good.pem" --deadline $((30000 * slow)) set-access data "$everybody" \
    >"$dir/out" 2>"$dir/err" &
pid=$!
until_asked updateVolumeiSCSIService 1
api "updateVolumeiSCSIService&id=$service&igid=$nobody" >"$dir/answer"
wait "$pid"
[ $? -eq 1 ] && says "was changed to initiator group '$everybody', and still has '"
result $? 'what was not changed in the end is told'
unsure
sim clear

# ---- removing volumes -----------------------------------------------------------------------

before=$(sim_count deleteFileSystem)
fails storage "the volume has snapshots, 1 of them, the first 's1': remove them first" \
    'a volume with snapshots is not removed' delete data
sure
asked deleteFileSystem 0
result $? 'nor is the appliance asked to'
drive set-access c1 "$everybody"
works 'a clone is removed' delete c1
! listed c1
result $? 'and gone'

sim 'fault?command=deleteFileSystem&kind=job-fail&count=1'
drive set-access c2 "$everybody"
fails storage "queryAsyncJobResult of volume 'c2': the job failed with code 530: failure injected" \
    'a job that fails under HTTP 200 is told' delete c2
sure
listed c2 && may_use c2 -
result $? 'the volume is there, and nobody may use it'
sim 'fault?command=deleteFileSystem&kind=job-stuck&count=1'
# the deadline may also come while the job is being asked about
fails timeout "job [-0-9a-f]* has not ended; whether the volume will be deleted is unknown|no answer in" \
    'a job that never ends meets the deadline' --deadline $((4000 * slow)) delete c2
unsure
sim 'fault?command=deleteFileSystem&kind=job-stuck&count=1'
began=$(date +%s%N)
fails cancelled 'taken back' 'waiting for a job is taken back at once' --cancel $((900 * slow)) delete c2
[ $((($(date +%s%N) - began) / 1000000)) -lt $((7000 * slow)) ]
result $? 'in time'

sim clear
sim 'fault?command=queryAsyncJobResult&kind=reset&count=1'
works 'a job is asked about again after a reset' delete c2
! listed c2
result $? 'and the volume is gone'
c3=$(id_of c3)
sim "latency?command=deleteFileSystem.job&ms=$((1500 * slow))"
sim 'fault?command=queryAsyncJobResult&kind=status&value=431&count=1'
fails storage "queryAsyncJobResult of volume 'c3': failed with code 431" \
    'a job that the appliance does not know is told' delete c3
unsure
pause 1600
works 'and removing it again succeeds' delete c3 "$c3"
fails storage "the volume of this id is called 'data'" 'a name that is not the id'"'"'s is no name' \
    delete c3 "$(id_of data)"
sure
sim clear

drive clone s1 data c5
sim 'fault?command=deleteFileSystem&kind=status&value=530&count=1'
fails storage "deleteFileSystem of volume 'c5': failed with code 530" 'a removal that is refused is told' \
    delete c5
sure
# by a door that is shut nothing is to be looked for: two lists each, for the name and before it
looks=$(sim_count listFileSystem)
for turned in 'config 401' 'storage 404'; do
    sim "fault?command=deleteFileSystem&kind=status&value=${turned#* }&count=1"
    fails ${turned% *} "deleteFileSystem of volume 'c5': failed with code ${turned#* }" \
        "a removal that is turned away (${turned#* }) is told" delete c5
    sure
done
[ "$(sim_count listFileSystem)" -eq $((looks + 4)) ]
result $? 'and not looked after'
before=$(sim_count deleteFileSystem)
sim 'fault?command=deleteFileSystem&kind=reset&count=1'
fails storage 'whether it was done is unknown' 'a removal without an answer is told' delete c5
unsure
asked deleteFileSystem 1
result $? 'and asked for once'
sim 'fault?command=queryAsyncJobResult&kind=garbage&count=2'
fails storage "queryAsyncJobResult of volume 'c5': " 'a garbage job is no end' delete c5
unsure
sim clear

# two remove the same volume: the job of one of them finds nothing
drive clone s1 data c6
sim "latency?command=deleteFileSystem&ms=$((5000 * slow))"
before=$(sim_count deleteFileSystem)
for who in 1 2; do
    "$DRIVE" --url "$url" --key-file "$dir/key" --ca "$dir/good.pem" --deadline $((30000 * slow)) \
        delete c6 >"$dir/out.$who" 2>&1 &
    eval "pid_$who=\$!"
done
# shellcheck disable=SC2154 # set by eval
wait "$pid_1" && wait "$pid_2" && asked deleteFileSystem 2
result $? 'what somebody else removed meanwhile counts as removed'
cat "$dir/out.1" "$dir/out.2" >"$dir/out"
! listed c6
result $? 'and is gone'

key=$(cat "$dir/key")
grep -q "^error .*appliance 'east'" "$dir/everything" && ! grep -qF -e "$key" "$dir/everything"
result $? 'the key is in nothing that the driver ever printed here'

tap_end
