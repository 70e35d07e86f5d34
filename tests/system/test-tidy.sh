#!/bin/bash
# Removing sets, what is left on one side only, and records rebuilt from a root volume's clone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-back.sh"

on_appliance() { # SET: how many volumes have its snapshot
    appliance_snapshots | grep -c "^$1\$"
}

a=$(take_set) && b=$(take_set) && c=$(take_set) || exit 1

# ---- delete
coord delete "$a" 2>"$work/err"
is "$?" 0 "delete" "$(cat "$work/err")"
is "$(on_appliance "$a")" 0 "its snapshots are gone"
[ ! -e "$(record_of "$a")" ]
ok $? "and its record"
coord delete "$a" 2>"$work/err"
is "$?" 2 "again: $(cat "$work/err")"

# ---- prune
coord prune "$LAB_DOMAIN" 2>"$work/err"
is "$?" 2 "prune without a rule: $(cat "$work/err")"
coord prune "$LAB_DOMAIN" --keep-last 1 --dry-run >"$work/out"
is "$?" 0 "a dry run"
sed 's/^/# /' "$work/out"
is "$(on_appliance "$b")" 3 "which removes nothing"
coord --json prune "$LAB_DOMAIN" --keep-last 1 >"$work/json"
is "$?" 0 "prune"
is "$(jq -r '.sets[] | select(.keep).set' "$work/json")" "$(awk '$1 == "keep" {print $2}' "$work/out")" \
    "keeps what the dry run had said"
is "$(on_appliance "$b") $(on_appliance "$c")" '0 3' "the older one is gone, the newer is there"
coord delete "$c" 2>"$work/err"
is "$?" 3 "the last good set: $(cat "$work/err")"

# ---- orphans
for id in $LAB_VOLUME_IDS; do
    "$LAB" api createStorageSnapshot "id=$id" name=20200101T000000Z-0000 >/dev/null
done
"$LAB" api createStorageSnapshot "id=$LAB_VOLUME_ROOT_ID" name=nightly >/dev/null
d=$(take_set) || exit 1
path=$(jq -r '.volumes[] | select(.target == "vdb").snapshot.path' "$(record_of "$d")")
"$LAB" api deleteSnapshot "id=$LAB_VOLUME_LOG_ID" "path=$path" >/dev/null
coord prune "$LAB_DOMAIN" --orphans >"$work/out"
is "$?" 0 "orphans are listed"
sed 's/^/# /' "$work/out"
is "$(grep -c '20200101T000000Z-0000' "$work/out")" 3 "snapshots called like a set without a record"
is "$(grep -c "record $d" "$work/out")" 1 "a record whose snapshot is gone"
is "$(grep -c nightly "$work/out")" 0 "what others made is not ours"
is "$(on_appliance 20200101T000000Z-0000)" 3 "listing changes nothing"
coord prune "$LAB_DOMAIN" --orphans --repair >/dev/null
is "$?" 0 "and repaired"
is "$(on_appliance 20200101T000000Z-0000)" 0 "the snapshots are removed"
is "$(jq -r .verdict "$(record_of "$d")")" void "the record says that its set is gone"
is "$(appliance_snapshots | grep -c '^nightly$')" 1 "what others made is there"

# ---- the host is lost: a clone of the root volume is all there is
"$LAB" load start
sleep 1
e=$(take_set) || exit 1
# with that the next manifest is nearly as long as one may be
jq '.reasons += ["long" * 100000]' "$(record_of "$e")" >"$work/long" && cp "$work/long" "$(record_of "$e")"
f=$(take_set) || exit 1
is "$(jq -r '.instance.manifest.problem // "none"' "$(record_of "$f")")" none "a manifest of 400 KB goes into the guest"
"$LAB" load stop >/dev/null 2>&1
mv "$LAB_STATE_DIR/records" "$work/lost"
mkdir "$work/mnt"
cp --reflink=always "$(snapshot_file root "$f")" "$LAB_POOL/import.img"
mount -o loop "$LAB_POOL/import.img" "$work/mnt"
coord import "$work/mnt" >"$work/out" 2>"$work/err"
is "$?" 0 "import" "$(cat "$work/err")"
sed 's/^/# /' "$work/out"
umount "$work/mnt"
rm "$LAB_POOL/import.img"
is "$(jq -r .verdict "$(record_of "$e")")" application "an earlier set is what it was"
is "$(jq -c .position "$(record_of "$e")")" "$(jq -c .position "$work/lost/$LAB_DOMAIN/$e.json")" "with its position"
is "$(jq -c '[.volumes[] | [.id, .snapshot.path]]' "$(record_of "$e")")" \
    "$(jq -c '[.volumes[] | [.id, .snapshot.path]]' "$work/lost/$LAB_DOMAIN/$e.json")" "and its snapshots"
is "$(jq -r .verdict "$(record_of "$f")")" crash "the newest, whose verdict came after the manifest, is no more than what was seen"
is "$(jq -r .instance.definition "$(record_of "$f")" | grep -c '<domain')" 1 "its record has the VM's definition"
coord verify "$f" --certificate-only >"$work/out" 2>"$work/err"
is "$?" 3 "which is a guest's word, to be agreed to: $(cat "$work/err")"
verify "$f" --certificate-only --force
is "$?" 0 "and it can be proven to start and be sound" "$(cat "$work/err" "$work/out")"
sed 's/^/# /' "$work/out"
is "$(jq -r .verify.result "$(record_of "$f")")" sound "which is told as what it is"
