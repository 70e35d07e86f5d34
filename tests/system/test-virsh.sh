#!/bin/bash
# Plain virsh, no coordinator in sight: the hook alone makes a freeze consistent.
. "$(dirname "$0")/lib.sh"

blocked() { # is a write blocked right now? probes for one second
    [ "$(write_ms 1)" = timeout ]
}

writes_go_on "a write goes through before the freeze"
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1
ok $? "virsh domfsfreeze succeeds" "$(cat "$work/freeze")"
blocked
ok $? "a write from another session blocks"
"$LAB" sh 'cbsnap-agent status --json' >"$work/held"
held=$(jq -c .position "$work/held")
is "$(jq -r .lock_held "$work/held")" true "the agent holds the server's lock"
# a write that waits must be carried out as soon as the thaw lets it
(write_ms 30 >"$work/waited") &
writer=$!
sleep 1
virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/thaw" 2>&1
ok $? "virsh domfsthaw succeeds" "$(cat "$work/thaw")"
wait $writer
holds "the write that waited was carried out then ($(cat "$work/waited") ms)" "$(sed 's/timeout/-1/' "$work/waited") >= 900"
writes_go_on "a write goes through after the thaw"
is "$(agent_state)" idle "the agent is idle again"
is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .last_end.cause)" hook "and says that the hook ended it"
"$LAB" sh 'cbsnap-agent status --json' | jq '.freezes[0]' >"$work/note"
is "$(jq -c .position "$work/note")" "$held" "a note in the guest says at which position the server was held"
holds "and for how long ($(jq .held_us "$work/note") us)" "$(jq .held_us "$work/note") > 2000000"

# the hook must fail the freeze when there is no lock to be had: mysqld down
"$LAB" sh 'systemctl stop mysql'
! virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/down" 2>&1
ok $? "with mysqld down the freeze fails instead of lying" "$(cat "$work/down")"
is "$("$LAB" sh 'touch /mnt/mysqldata/x && rm /mnt/mysqldata/x && echo free')" free "and leaves nothing frozen"
"$LAB" sh 'systemctl start mysql'
virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >/dev/null 2>&1

# the hook's own, longer watchdog: nobody thaws
"$LAB" sh "printf '[lease]\nhook_ms = 8000\n' >>/etc/cbsnap/agent.conf && systemctl restart cbsnap-agent"
for _ in $(seq 50); do [ "$(write_ms 2)" != timeout ] && break; done
sleep 1
from=$(now_ms)
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1
ok $? "frozen again, with a lease of 8 s for the hook" "$(cat "$work/freeze")"
ms=$(write_ms 20)
[ "$ms" != timeout ]
ok $? "writes resume by themselves ($(($(now_ms) - from)) ms after the freeze was asked for)" "$ms"
is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .last_end.cause)" lease "the agent says that the lease ended it"
! virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/late" 2>&1
ok $? "a late virsh domfsthaw does not hide that the freeze was lost" "$(cat "$work/late")"
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/again" 2>&1 &&
    virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >>"$work/again" 2>&1
ok $? "and the next freeze and thaw work" "$(cat "$work/again")"

# with the lease of before: a slow machine needs more than three seconds for what follows
"$LAB" sh "sed -i '/^\[lease\]/,\$d' /etc/cbsnap/agent.conf && systemctl restart cbsnap-agent"
for _ in $(seq 50); do [ "$(agent_state)" = idle ] && break; sleep 0.2; done

# what is there to be frozen, and a part of it: the server is locked all the same
is "$(virsh -q -c "$LAB_URI" domfsinfo "$LAB_DOMAIN" | awk '{print $1}' | sort | tr '\n' ' ')" \
    '/ /mnt/mysql /mnt/mysqldata ' "virsh domfsinfo lists the filesystems"
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" --mountpoint /mnt/mysql --mountpoint /mnt/mysqldata >"$work/part" 2>&1
ok $? "virsh domfsfreeze of two of them succeeds" "$(cat "$work/part")"
blocked
ok $? "a write to the server blocks"
is "$("$LAB" sh 'touch /root/x && echo free')" free "the filesystem that was left out takes a write"
virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/part" 2>&1
ok $? "and the thaw lets all of it go" "$(cat "$work/part")"
writes_go_on "writes go on after it"

# A snapshot by libvirt alone: what was written before it is the volumes, what comes after goes to
# overlays. The volumes then stand at the position that the note in the guest has.
"$LAB" load start
sleep 2
disks=()
for disk in vda vdb vdc; do
    disks+=(--diskspec "$disk,file=$work/$disk.qcow2")
done
virsh -q -c "$LAB_URI" snapshot-create-as "$LAB_DOMAIN" quiesced --quiesce --disk-only --no-metadata --atomic \
    "${disks[@]}" >"$work/quiesce" 2>&1
ok $? "virsh snapshot-create-as --quiesce --disk-only succeeds under load" "$(cat "$work/quiesce")"
"$LAB" load stop
writes_go_on "writes go on after it"
"$LAB" sh 'cbsnap-agent status --json' | jq '.freezes[0]' >"$work/note"
is "$(jq -r .end "$work/note")" released "the note says that it was held until it was let go"
for id in $LAB_VOLUME_IDS; do
    "$LAB" api createStorageSnapshot "id=$id" name=quiesced >/dev/null
done
"$LAB" proof quiesced >"$work/proof.json" 2>"$work/proof.err"
ok $? "a server starts from what it left" "$(tail -3 "$work/proof.err")"
is "$(jq -r '.gtid_executed, (.binlogs[-2] | .file, .size)' "$work/proof.json" | tr '\n' ' ')" \
    "$(jq -r '.position | .gtid_set, .binlog_file, .binlog_offset' "$work/note" | tr '\n' ' ')" \
    "and stands exactly where the note says: GTID set, binary log and its size"
