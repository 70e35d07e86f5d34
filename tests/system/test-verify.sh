#!/bin/bash
# Proof on clones: sets taken under load verify, each in a VM that boots from clones of all volumes;
# whatever is tampered with is found and named; a set that an agent lied about is told apart. The
# running VM is not touched, and nothing is left. The long form (make prove) takes and proves COUNT=10
# sets, and puts an older snapshot in the place of each volume's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-back.sh"
COUNT=${COUNT:-1} PROVE=${PROVE:-1} ROLES=${ROLES:-}

verified() { # SET MEMBER
    jq -r ".verify.$2" "$(record_of "$1")"
}

# differs SET PATTERN TEXT [OPTION...]: verify finds what PATTERN tells, and exits with 6
differs() {
    local set=$1 pattern=$2 text=$3
    shift 3
    verify "$set" "$@"
    is "$?" 6 "$text: exit status 6" "$(cat "$work/err" "$work/out")"
    grep -q "differs .*$pattern" "$work/out"
    ok $? "$text: the difference is named: $(grep -m1 "differs .*$pattern" "$work/out")" "$(cat "$work/out")"
    is "$(verified "$set" result)" different "$text: the record says so"
}

nothing_left() { # TEXT
    is "$(appliance_volumes | grep -c '^cbsnap-verify-')" 0 "$1: no clone is left"
    is "$(virsh -q -c qemu:///system list --all --name | grep -c '^cbsnap-verify-')" 0 "$1: no VM is left"
    is "$(ls "$LAB_STATE_DIR/journal/" | grep -c jsonl)" 0 "$1: no journal is left"
}

"$LAB" load start
sleep 2
sets=
for _ in $(seq "$COUNT"); do
    set=$(take_set) || exit 1
    sets="$sets $set"
done
"$LAB" load stop >/dev/null 2>&1 # the clones' VMs need the processors
disks=$(vm_disks "$LAB_DOMAIN") boot=$("$LAB" sh 'cat /proc/sys/kernel/random/boot_id')

# ---- sound sets
good=0 times=
for set in $(echo $sets | tr ' ' '\n' | tail -n "$PROVE"); do
    verify "$set" && good=$((good + 1)) || note "$set: $(tail -3 "$work/err" "$work/out")"
    times="$times $(verified "$set" duration_ms | cut -d. -f1)"
done
is "$good" "$PROVE" "$PROVE of $PROVE sets verify" "$(cat "$work/err" "$work/out")"
sed 's/^/# /' "$work/out"
note "each in ms:$times"
last=${sets##* }
is "$(verified "$last" result)" same "the record says so"
for what in "$([ "$LAB_GUEST" = mariadb ] || echo 'server UUID')" 'binary log' 'GTID set' 'InnoDB log sequence number' 'mark row' 'manifest on the root volume'; do
    [ -n "$what" ] || continue # MariaDB has none
    jq -e --arg w "$what" '.verify.compared | index($w)' "$(record_of "$last")" >/dev/null
    ok $? "compared: $what"
done
jq -e '.verify.compared | map(test("tables read whole|checksums of")) | any' "$(record_of "$last")" >/dev/null
ok $? "and all data was read: $(jq -r '.verify.compared[-2:] | join(", ")' "$(record_of "$last")")"
holds "recovery was measured: $(verified "$last" recovery_ms) ms" "$(verified "$last" recovery_ms) > 0"
nothing_left verified
is "$(vm_disks "$LAB_DOMAIN")" "$disks" "the running VM's disks are the same"
is "$("$LAB" sh 'cat /proc/sys/kernel/random/boot_id')" "$boot" "and it runs on"
is "$(coord --json list "$LAB_DOMAIN" | jq -r --arg s "$last" '.sets[] | select(.set == $s).verified')" same "list knows"
coord best "$LAB_DOMAIN" --explain | grep -q 'what came back is what was taken'
ok $? "best knows"

# ---- an edited record, and a page of a table
cp "$(record_of "$last")" "$work/kept"
jq '.position.binlog_offset -= 1' "$work/kept" >"$(record_of "$last")"
mkdir "$work/mnt"
file=$(snapshot_file data "$last")
cp --reflink=always "$file" "$LAB_POOL/kept.img"
mount -o loop,ro,norecovery,nouuid "$file" "$work/mnt"
# where the table's ninth page lies on the volume, in blocks of 4 KiB
at=$(filefrag -b4096 -v "$(find "$work/mnt" -name 'sbtest3.ibd')" |
    awk -F'[ .:]+' '$2 ~ /^[0-9]+$/ && $3 <= 36 && $4 >= 36 {print $5 + 36 - $3}')
umount "$work/mnt"
dd if=/dev/urandom of="$file" bs=4096 seek="$at" count=4 conv=notrunc status=none
differs "$last" sbtest3 "one page of one .ibd overwritten"
grep -q 'differs .*binary log' "$work/out"
ok $? "and the record's edited position: $(grep -m1 'differs .*binary log' "$work/out")" "$(cat "$work/out")"
cp --reflink=always "$LAB_POOL/kept.img" "$file"
cp "$work/kept" "$(record_of "$last")"
nothing_left tampered

# ---- a volume of an older set
first=$(echo $sets | cut -d' ' -f1)
for role in $ROLES; do
    case $role in
    data) pattern='mark row' ;;
    log) pattern='binary log' ;;
    root) pattern='manifest' ;;
    esac
    file=$(snapshot_file $role "$last")
    cp --reflink=always "$file" "$LAB_POOL/kept.img"
    cp --reflink=always "$(snapshot_file $role "$first")" "$file"
    differs "$last" "$pattern" "the $role volume's snapshot is an older one" --certificate-only
    cp --reflink=always "$LAB_POOL/kept.img" "$file"
done
rm "$LAB_POOL/kept.img"

# ---- an agent that lies: it is told that it has the lock, and never asked for it
fresh
cc -shared -fPIC -O2 -o "$work/lie.so" tests/lab/lie.c -ldl
"$LAB" sh "base64 -d >/usr/local/lib/lie.so <<'END'
$(base64 "$work/lie.so")
END
mkdir -p /run/systemd/system/cbsnap-agent.service.d
printf '[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/lie.so\n' >/run/systemd/system/cbsnap-agent.service.d/lie.conf
systemctl daemon-reload; systemctl restart cbsnap-agent
# so that somebody does write between the position and the freeze, on a busy machine too
printf '#!/bin/sh\n[ \$1 != freeze ] || sleep 1\n' >$LAB_HOOK_DIR/zz-slow; chmod +x $LAB_HOOK_DIR/zz-slow"
"$LAB" load start
sleep 2
set=$(take_set) || exit 1
"$LAB" load stop >/dev/null 2>&1
note "the set that the agent lied about is called '$(jq -r .verdict "$(record_of "$set")")'"
differs "$set" 'binary log' "a set without the lock" --certificate-only
nothing_left lied
