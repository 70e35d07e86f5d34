# shellcheck shell=bash disable=SC2154,SC2034
# The VM's three volumes on the appliance, made with the calls that Cinder's driver makes, in its
# order. What is known of each is kept in $CONF/volume-ROLE.json: id, iqn, path of the backing file.

volume_name() {
    echo "lab-$1"
}

volume_fact() { # ROLE NAME
    jq -er --arg n "$2" '.[$n]' "$CONF/volume-$1.json"
}

volumes_up() {
    local role
    for role in $ROLES; do
        [ -e "$CONF/volume-$role.json" ] || volume_make "$role"
    done
}

# The images go to the pool once, then each volume's content is a clone of one there. Onto the
# same inode: tgtd keeps it open.
volumes_fill() {
    local role image
    mkdir -p "$POOL/images"
    for role in $ROLES; do
        image=$POOL/images/$(image_key)-$role.img
        [ -e "$image" ] || {
            cp --sparse=always "$(image_dir)/$role.img" "$image.new"
            mv "$image.new" "$image"
        }
        cp --reflink=always "$image" "$(volume_fact "$role" path)"
    done
}

volume_make() { # ROLE
    local account tsm dataset qos job name size service group volume
    size=SIZE_$1
    name=$(volume_name "$1")
    account=$(lab_api listAccount | jq -er '.listAccountResponse.account[0].id')
    read -r tsm dataset < <(lab_api listTsm "accountid=$account" |
        jq -er '.listTsmResponse.listTsm[0] | "\(.id) \(.datasetid)"')
    qos=$(lab_api addQosGroup "name=QoS_$name" "tsmid=$tsm" iops=100 latency=15 graceallowed=true \
        networkspeed=0 memlimit=0 tpcontrol=false throughput=0 iopscontrol=true |
        jq -er .addqosgroupresponse.qosgroup.id)
    job=$(lab_api createVolume "datasetid=$dataset" "name=$name" "qosgroupid=$qos" "tsmid=$tsm" \
        "quotasize=${!size}" blocklength=512B compression=off deduplication=off sync=always \
        recordsize=16k protocoltype=ISCSI | jq -er .createvolumeresponse.jobid)
    until_ok 60 "the appliance's job that creates volume $name" job_done "$job"
    volume=$(lab_api listFileSystem | jq -er --arg n "$name" \
        '.listFilesystemResponse.filesystem[] | select(.name == $n).id')
    service=$(lab_api listVolumeiSCSIService "storageid=$volume" |
        jq -er '.listVolumeiSCSIServiceResponse.iSCSIService[0].id')
    group=$(lab_api listiSCSIInitiator "accountid=$account" |
        jq -er '.listInitiatorsResponse.initiator[] | select(.initiatorgroup == "ALL").id')
    lab_api updateVolumeiSCSIService "id=$service" "igid=$group" >/dev/null
    sim_control volume "name=$name" >"$CONF/volume-$1.json.new"
    mv "$CONF/volume-$1.json.new" "$CONF/volume-$1.json"
    volume_fact "$1" path >/dev/null || fail "the stand-in does not tell the backing file of $name"
}

job_done() {
    [ "$(lab_api queryAsyncJobResult "jobId=$1" |
        jq -r .queryasyncjobresultresponse.jobstatus)" = 1 ]
}

volume_delete() { # ID
    local job
    job=$(lab_api deleteFileSystem "id=$1" | jq -er .deleteFileSystemResponse.jobid)
    until_ok 60 "the appliance's job that deletes volume $1" job_done "$job"
}
