# What an outside observer sees after a fault: the questions, each answered yes or no. Sourced by
# tests/system/test-faults.sh, after tests/system/lib.sh. None of them asks the coordinator.
# shellcheck shell=bash disable=SC2154,SC2317

# the agent's default, which counts from the renewal as the snapshots begin; the time until then, and a write's
# own in an emulated VM
LEASE_MS=10000 MARGIN_MS=5000

# The longest time in which the writing client got nothing done, until now.
longest_gap_ms() {
    "$LAB" meter report | awk -F, -v now="$(date +%s%6N)" '
        {end = $1 + $2; if (NR > 1 && end - last > gap) gap = end - last; last = end}
        END {if (now - last > gap) gap = now - last; printf "%d", gap / 1000}'
}

# Do writes go on, and did they at any time since the beginning go on within the lease?
ask_writes() { # FAULT
    local gap ms i
    for i in $(seq 6); do # a server that was killed takes its time to recover
        ms=$(write_ms 10 2>/dev/null)
        [ "$ms" = timeout ] && [ "$i" -lt 6 ] && blocks_by_nature "$1" || break
    done
    if blocks_by_nature "$1"; then
        why="a write took: $ms"
        [ "$ms" != timeout ]
        return
    fi
    gap=$(longest_gap_ms)
    why="no write for $gap ms; the last took: $ms"
    [ "$ms" != timeout ] && [ "$gap" -le $((LEASE_MS + MARGIN_MS)) ]
}

# is nothing locked or frozen?
ask_released() {
    for _ in $(seq 12); do
        why=$(LAB_SH_TIMEOUT=10 "$LAB" sh 'for m in / /mnt/mysql /mnt/mysqldata; do
                touch $m/.probe && rm $m/.probe || echo "$m: no write"; done
            mysql -NBe "SELECT CONCAT(\"the global lock is held by connection \", processlist_id)
                FROM performance_schema.metadata_locks JOIN performance_schema.threads ON thread_id = owner_thread_id
                WHERE object_type = \"GLOBAL\" AND lock_type = \"SHARED\""' 2>&1) && [ -z "$why" ] && return
        why=${why:-a filesystem takes no write}
        sleep 1
    done
    return 1
}

# Is what is on the clones of the set what its record says? (As in test-sets.sh.)
proven() { # RECORD
    "$LAB" proof "$(jq -r .set "$1")" >"$work/proof.json" 2>"$work/proof.err" &&
        jq -e -s '.[0] as $r | .[1] as $p | ($p.gtid_executed == $r.position.gtid_set)
            and ($p.server_uuid == $r.position.server_uuid)
            and ([$p.binlogs[] | select(.file == $r.position.binlog_file) | .size] == [$r.position.binlog_offset])' \
            "$1" "$work/proof.json" >/dev/null
}

# Does the record tell the truth? Asked of the run, and once more after recover.
ask_truth() { # STATUS
    local record verdict
    record=$(last_record 2>/dev/null)
    verdict=$(jq -r .verdict "$record" 2>/dev/null)
    why="exit status $1, verdict '${verdict:-no record}'"
    case $1:$verdict in
    0:application | 137:application)
        proven "$record" || { why="$why, not proven: $(tail -1 "$work/proof.err")"; return 1; }
        ;;
    0:*) return 1 ;;
    # refused before anything was touched
    2:* | 3:*) [ "$(appliance_snapshots | wc -l)" = 0 ] ;;
    4:void | 5:void) jq -e '.reasons | length > 0' "$record" >/dev/null ;;
    4:) return 1 ;;
    5:) return 1 ;;
    137:void | 137:) ;;
    *) return 1 ;;
    esac
}

# is nothing left on the appliance that no record names? After recover, if the run left a journal.
ask_named() {
    local set state left='' id
    if ls "$LAB_STATE_DIR"/journal/*.jsonl >/dev/null 2>&1; then
        coord recover >"$work/recover" 2>&1 || { why="recover: $(tail -1 "$work/recover")"; return 1; }
    fi
    for id in $LAB_VOLUME_IDS; do
        for set in $("$LAB" api listStorageSnapshots "id=$id" | jq -r '.listDatasetSnapshotsResponse.snapshot[]?.name'); do
            state=$(jq -r --arg id "$id" '.volumes[] | select(.id == $id).snapshot.state' \
                "$LAB_STATE_DIR/records/$LAB_DOMAIN/$set.json" 2>/dev/null)
            [ "$state" = kept ] || [ "$state" = unknown ] || left="$left $set of $id (${state:-no record})"
        done
    done
    why="left over:${left:- nothing}"
    [ -z "$left" ]
}

# does the next set succeed?
ask_next() {
    local status try
    for try in 1 2 3; do # a busy machine may refuse one
        coord snapshot "$LAB_DOMAIN" >"$work/next" 2>&1
        status=$?
        [ $status -eq 3 ] || [ $status -eq 4 ] || break
        sleep 2
    done
    why="exit status $status: $(tail -1 "$work/next")"
    [ "$status" -eq 0 ]
}
