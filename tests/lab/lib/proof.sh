# shellcheck shell=bash disable=SC2154,SC2034
# The proof of a set: the volumes are cloned from its snapshots through the appliance's API, the
# root clone's own server is started in a chroot with the other two clones mounted, recovers as
# after a crash, and says where it stands. Nothing of the VM or its volumes is touched.
#   $RUN/proof.XXXXXX/   owner (pid and its start), ROLE.clone (name), ROLE.path, root (mounts)

# lab_proof SNAPSHOT [--sql QUERY]...
lab_proof() {
    [ $# -ge 1 ] || fail "usage: lab proof SNAPSHOT [--sql QUERY]..."
    local set=$1 role pids=() pid
    shift
    proof_sweep
    proof_dir=$(mktemp -d "$RUN/proof.XXXXXX")
    echo "$$ $(start_time_of $$)" >"$proof_dir/owner"
    trap 'proof_end $?' EXIT
    trap 'exit 130' INT TERM HUP
    for role in $ROLES; do
        proof_clone "$role" "$set" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || exit 1
    done
    # Mounts and server live and die with the namespaces, and these with us, even by SIGKILL. In the
    # background, since a shell that waits for a foreground command hears no signal.
    setpriv --pdeathsig KILL unshare --mount --pid --mount-proc --fork --kill-child --propagation private \
        "$here/lab" in-namespace-proof "$proof_dir" "$@" &
    proof_pid=$!
    wait "$proof_pid"
}

proof_clone() { # ROLE SET
    local id path clone=proof-$1-${proof_dir##*.}
    trap - EXIT
    id=$(volume_fact "$1" id)
    path=$(lab_api listStorageSnapshots "id=$id" | jq -er --arg s "$2" \
        '.listDatasetSnapshotsResponse.snapshot[]? | select(.name == $s).path') ||
        fail "volume $(volume_name "$1") has no snapshot '$2'"
    # noted before it is asked for: it may come to be although we never hear of it
    echo "$clone" >"$proof_dir/$1.clone"
    lab_api cloneDatasetSnapshot "id=$id" "clonename=$clone" "path=$path" >/dev/null
    sim_control volume "name=$clone" | jq -er .path >"$proof_dir/$1.path"
}

proof_end() { # STATUS
    trap '' INT TERM HUP
    set +e
    # bash would tell that it was killed
    {
        [ -z "${proof_pid:-}" ] || kill -KILL "$proof_pid"
        wait
    } 2>/dev/null
    proof_remove "$proof_dir"
    exit "$1"
}

proof_remove() { # DIRECTORY
    local name id
    for name in $(cat "$1"/*.clone 2>/dev/null); do
        id=$(lab_api listFileSystem | jq -er --arg n "$name" \
            '.listFilesystemResponse.filesystem[]? | select(.name == $n).id') || continue
        volume_delete "$id" || say "the clone $name is left on the appliance"
    done
    rm -rf "$1"
}

# What a proof left that was killed outright.
proof_sweep() {
    local dir pid started
    for dir in "$RUN"/proof.*; do
        read -r pid started 2>/dev/null <"$dir/owner" || continue
        [ "$(start_time_of "$pid")" = "$started" ] || proof_remove "$dir"
    done
}

# ---- inside: mounts and processes that nobody else sees -------------------------------------

proof_in_namespace() { # DIRECTORY [--sql QUERY]...
    local dir=$1 root=$1/root t0 took pid
    shift
    mkdir "$root"
    mount -o loop "$(<"$dir/root.path")" "$root"
    # nouuid: a clone carries its parent's UUID, and XFS mounts each UUID once
    mount -o loop,nouuid "$(<"$dir/log.path")" "$root/mnt/mysql"
    mount -o loop,nouuid "$(<"$dir/data.path")" "$root/mnt/mysqldata"
    chroot_mounts "$root"
    t0=$(now_ms)
    # no network, no writers, no events, no replica: nothing may move what is to be compared
    # shellcheck disable=SC2086
    chroot "$root" mysqld --user=mysql --skip-networking --event-scheduler=OFF $PROOF_OPTIONS \
        --log-error=/run/mysqld/error.log &
    pid=$!
    until proof_ask 'SELECT 1' >/dev/null 2>&1; do
        [ -d "/proc/$pid" ] && kill -0 "$pid" && [ $(($(now_ms) - t0)) -lt 120000 ] || {
            tail -n 20 "$root/run/mysqld/error.log" >&2
            fail "the server does not start on the clones"
        }
        sleep 0.05
    done
    took=$(($(now_ms) - t0))
    proof_report "$took" "$@"
    kill "$pid"
    wait "$pid" || true
}

proof_ask() {
    chroot "$root" mysql -NB --raw -e "$1"
}

# How far recovery found a redo log; null where it had nothing to do.
proof_scanned_lsn() {
    sed -n "$PROOF_SCANNED" "$root/run/mysqld/error.log" | tail -n 1 | grep . || echo null
}

# "binlogs" holds one more than the record knows: each start of a server opens a new file.
proof_report() { # RECOVERY-MS [--sql QUERY]...
    local took=$1 results='[]' binlogs
    shift
    while [ $# -ge 2 ] && [ "$1" = --sql ]; do
        results=$(jq -n --argjson r "$results" --arg q "$2" --arg a "$(proof_ask "$2")" \
            '$r + [{query: $q, result: $a}]')
        shift 2
    done
    binlogs=$(proof_ask 'SHOW BINARY LOGS' | awk '{print $1, $2}' |
        jq -Rn '[inputs | split(" ") | {file: .[0], size: (.[1] | tonumber)}]')
    jq -n --arg gtid "$(proof_ask "$PROOF_GTID" | tr -d '\n ')" \
        --arg uuid "$(proof_ask "$PROOF_UUID")" \
        --arg version "$(proof_ask 'SELECT @@version')" \
        --arg lsn "$(proof_ask "$PROOF_LSN")" \
        --arg counter "$(proof_ask 'SELECT n FROM cbsnap_lab.counter WHERE id = 1')" \
        --argjson scanned "$(proof_scanned_lsn)" --argjson took "$took" \
        --argjson binlogs "$binlogs" --argjson sql "$results" \
        '{gtid_executed: $gtid, server_uuid: $uuid, version: $version, binlogs: $binlogs,
          lsn_scanned_to: $scanned, lsn_after_recovery: ($lsn | tonumber),
          counter: ($counter | tonumber),
          recovery_ms: $took, sql: $sql}'
}
