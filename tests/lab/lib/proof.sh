# shellcheck shell=bash
# The proof of a set: its snapshots are cloned on the appliance, the server of the root's clone is
# started on the clones of data and log, recovers, and says where it stands. Only clones are touched.

lab_proof() { # SNAPSHOT [--sql SQL]
    local role
    [ $# -ge 1 ] || fail "usage: lab proof SNAPSHOT [--sql SQL]"
    proof_set=$1
    shift
    proof_dir=$(mktemp -d "$LAB/proof.XXXXXX")
    trap proof_end EXIT
    for role in $ROLES; do
        proof_clone "$role"
    done
    # in a mount namespace of its own: whatever happens, the mounts end with it
    unshare -m "$here/lib/prove-inside" "$proof_dir" "$@"
}

proof_clone() { # ROLE
    local id path name
    id=$(volume_fact "$1" id)
    path=$(lab_api listStorageSnapshots "id=$id" | jq -er --arg s "$proof_set" \
        '.listDatasetSnapshotsResponse.snapshot[]? | select(.name == $s).path') ||
        fail "volume $(volume_name "$1") has no snapshot '$proof_set'"
    name=proof-$1-$$
    lab_api cloneDatasetSnapshot "id=$id" "path=$path" "clonename=$name" |
        jq -er .cloneDatasetSnapshot.filesystem.id >"$proof_dir/$1.id"
    sim_control volume "name=$name" | jq -er .path >"$proof_dir/$1.path"
}

# shellcheck disable=SC2317
proof_end() {
    local file
    trap - EXIT
    for file in "$proof_dir"/*.id; do
        [ ! -s "$file" ] || volume_delete "$(<"$file")" || say "clone $(<"$file") is left on the appliance"
    done
    rm -rf "$proof_dir"
}
