#!/bin/bash
# Going back, under load: the server stands at exactly the set's position, what was written before
# is there and what was written after is not. Onto clones (the default), back again to the safety
# set, into another VM, and in place; and killed half-way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-back.sh"

vm() {
    virsh -q -c qemu:///system "$@"
}

# is_at SET WHAT: the server in the VM stands where the set's record says
is_at() {
    local record
    record=$(record_of "$1")
    is "$(gtid_now)" "$(jq -r .position.gtid_set "$record")" "$2: the GTID set is the record's"
    is "$("$LAB" mysql 'SHOW BINARY LOGS' | awk -v f="$(jq -r .position.binlog_file "$record")" '$1 == f {print $2}')" \
        "$(jq -r .position.binlog_offset "$record")" "$2: its binary log ends at the record's offset"
    is "$(sql "SELECT GROUP_CONCAT(word ORDER BY id) FROM told")" before \
        "$2: what was written before is there, what was written after is not"
}

told() { # the last restore in a set's record
    jq -c '.restores[-1]' "$(record_of "$1")"
}

sql 'CREATE TABLE told (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20))'
sql "INSERT INTO told (word) VALUES ('before')"
"$LAB" load start
sleep 2
set=$(take_set) || exit 1
sql "INSERT INTO told (word) VALUES ('after')"
sleep "${WRITES:-30}"
written=$("$LAB" load report 2>/dev/null | awk '/^transactions:/ {print $2}')
holds "the load went on for ${WRITES:-30} s after the set: $written transactions" "$written > 50"
later=$(gtid_now)
before_volumes=$(appliance_volumes)
old_disks=$(vm_disks "$LAB_DOMAIN")

# ---- onto clones
coord restore "$set" >"$work/out" 2>"$work/err"
is "$?" 0 "restore succeeds" "$(cat "$work/err" "$work/out")"
"$LAB" load stop >/dev/null 2>&1
sed 's/^/# /' "$work/out"
answers 60
ok $? "the server answers its clients"
is_at "$set" restored
is "$(told "$set" | jq -r .result)" same "the comparison says so too"
is "$(told "$set" | jq -r .method)" switch "the VM was moved onto clones"
note "out of service for $(told "$set" | jq -r '.out_of_service_ms / 1000 | floor') s, of it recovery $(told "$set" | jq -r .recovery_ms) ms"
[ "$(vm_disks "$LAB_DOMAIN")" != "$old_disks" ]
ok $? "its disks are other volumes"
is "$(comm -23 <(echo "$before_volumes") <(appliance_volumes) | wc -l)" 0 "no volume of before is gone"
writes_go_on "and it can be written to"
safety=$(told "$set" | jq -r .safety)
is "$(jq -r .verdict "$(record_of "$safety")")" filesystem "the present state of before is a set of its own"
is "$(jq -r .safety_of "$(record_of "$safety")")" "$set" "which says what it was taken for"
next=$(coord snapshot "$LAB_DOMAIN" 2>"$work/err")
is "$(jq -r .verdict "$(record_of "$next")")" application "a set of the restored VM can be taken" "$(cat "$work/err")"

# ---- and back again
coord restore --no-safety "$safety" >"$work/out" 2>"$work/err"
is "$?" 0 "restoring the safety set succeeds" "$(cat "$work/err" "$work/out")"
answers 60
is "$(sql "SELECT GROUP_CONCAT(word ORDER BY id) FROM told")" before,after "what was written after is back"
has_all_of "$later"
ok $? "with every transaction of before"

# ---- into another VM; this one is off, for both have the same forwarded ports
vm destroy "$LAB_DOMAIN"
disks=$(vm_disks "$LAB_DOMAIN")
coord restore "$set" --to "$LAB_DOMAIN-copy" >"$work/out" 2>"$work/err"
is "$?" 0 "restore --to succeeds" "$(cat "$work/err" "$work/out")"
answers 60
is_at "$set" "the copy"
is "$(vm_disks "$LAB_DOMAIN")" "$disks" "the first VM's disks are as they were"
is "$(vm domstate "$LAB_DOMAIN")" 'shut off' "and it was left off"
[ "$(vm domuuid "$LAB_DOMAIN")" != "$(vm domuuid "$LAB_DOMAIN-copy")" ]
ok $? "the copy has a UUID of its own"
is "$(vm dominfo "$LAB_DOMAIN-copy" | awk '/^Autostart/ {print $2}')" disable "and does not start by itself"
coord restore "$set" --to "$LAB_DOMAIN-copy" >/dev/null 2>"$work/err"
is "$?" 3 "a name that is taken is refused: $(tail -1 "$work/err")"
coord delete "$set" >/dev/null 2>"$work/err"
is "$?" 3 "a set with clones is not deleted: $(tail -1 "$work/err")"
no_vm "$LAB_DOMAIN-copy"

# ---- in place
fresh
sql 'CREATE TABLE told (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20))'
sql "INSERT INTO told (word) VALUES ('before')"
"$LAB" load start
set=$(take_set) || exit 1
sql "INSERT INTO told (word) VALUES ('after')"
newer=$(take_set) || exit 1
old_disks=$(vm_disks "$LAB_DOMAIN")
coord restore "$set" --in-place >/dev/null 2>"$work/err"
is "$?" 3 "in place without a word on safety is refused: $(tail -1 "$work/err")"
coord restore "$set" --in-place --no-safety >/dev/null 2>"$work/err"
is "$?" 3 "and with a newer set: $(tail -1 "$work/err")"
grep -q "$newer" "$work/err"
ok $? "which is named"
writes_go_on "nothing was touched"
coord restore "$set" --in-place --no-safety --force >"$work/out" 2>"$work/err"
is "$?" 0 "with --force it succeeds" "$(cat "$work/err" "$work/out")"
"$LAB" load stop >/dev/null 2>&1
answers 60
is_at "$set" "in place"
is "$(vm_disks "$LAB_DOMAIN")" "$old_disks" "its disks are the volumes of before"
is "$(jq -r .verdict "$(record_of "$newer")")" void "the newer set's record says that it is gone"
is "$(appliance_snapshots | sort -u)" "$set" "as the appliance does"
writes_go_on "and it can be written to"

# ---- killed while the appliance clones: recover puts things back
fresh
sql 'CREATE TABLE told (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20))'
set=$(take_set) || exit 1
sql "INSERT INTO told (word) VALUES ('after')"
before_volumes=$(appliance_volumes)
old_disks=$(vm_disks "$LAB_DOMAIN")
sim 'latency?command=cloneDatasetSnapshot&ms=6000' >/dev/null
coord_start restore "$set"
for _ in $(seq 600); do
    grep -qs '"clones"' "$LAB_STATE_DIR"/journal/*.jsonl && break
    sleep 0.2
done
sleep 1
kill -9 $pid
wait $pid 2>/dev/null
is "$(vm domstate "$LAB_DOMAIN")" 'shut off' "the coordinator is killed while the VM is off and clones are made"
coord recover >"$work/out" 2>"$work/err"
is "$?" 0 "recover: $(cat "$work/out")" "$(cat "$work/err")"
sim 'clear?x=1' >/dev/null
answers 180
ok $? "the server answers its clients"
is "$(sql "SELECT GROUP_CONCAT(word ORDER BY id) FROM told")" after "the VM is as before"
is "$(vm_disks "$LAB_DOMAIN")" "$old_disks" "on its own volumes"
is "$(appliance_volumes)" "$before_volumes" "no clone is left"
is "$(appliance_snapshots | sort -u)" "$set" "nor a safety set that nobody needs"
is "$(ls "$LAB_STATE_DIR/journal/" | grep -c jsonl)" 0 "nor a journal"
is "$(coord recover)" 'nothing to recover' "and nothing is left to recover"
