#!/bin/bash
# Sets in a row under write load: all `application`, each position proven on clones, no client
# error, no write while frozen. COUNT=20 for as many.
. "$(dirname "$0")/lib.sh"
COUNT=${COUNT:-6}

"$LAB" load start
sleep 3
good=0 proven=0 silent=0 stalls=
for n in $(seq "$COUNT"); do
    if ! coord --json snapshot "$LAB_DOMAIN" >"$work/record.json" 2>"$work/err"; then
        note "set $n: $(cat "$work/err")"
        continue
    fi
    set=$(jq -r .set "$work/record.json")
    mv "$work/record.json" "$work/$set.record"
    [ "$(jq -r .verdict "$work/$set.record")" = application ] && good=$((good + 1))
    jq -e '.witness.held and ([.witness.disks[] | .writes_before == .writes_after] | all)' \
        "$work/$set.record" >/dev/null && silent=$((silent + 1))
    stalls="$stalls $(jq -r .stall.write_ms "$work/$set.record")"
done
"$LAB" load stop
"$LAB" load report >"$work/load.txt"

# the clones' servers need the processors that the load had
for record in "$work"/*.record; do
    set=$(basename "$record" .record)
    "$LAB" proof "$set" >"$work/proof.json" 2>"$work/proof.err" || note "proof of $set: $(tail -3 "$work/proof.err")"
    if jq -e -s '.[0] as $r | .[1] as $p | ($p.gtid_executed == $r.position.gtid_set)
        and ($p.server_uuid == ($r.position.server_uuid // ""))
        and ([$p.binlogs[] | select(.file == $r.position.binlog_file) | .size] == [$r.position.binlog_offset])
        and (([$p.binlogs[].file] | index($r.position.binlog_file)) == (($p.binlogs | length) - 2))' \
        "$record" "$work/proof.json" >/dev/null; then
        proven=$((proven + 1))
    else
        note "set $set: record $(jq -c .position "$record")"
        note "set $set: clone  $(jq -c . "$work/proof.json" 2>&1 | head -c 2000)"
    fi
done
is "$good" "$COUNT" "all $COUNT sets are 'application'"
is "$silent" "$COUNT" "no disk was written to between freeze and thaw, in all of them"
is "$proven" "$COUNT" "GTID set, binlog file and offset, server UUID equal on the clones of all"
is "$(awk '/^errors:/ {print $2}' "$work/load.txt")" 0 "the writing clients saw no error"
holds "the load wrote meanwhile" "$(awk '/^transactions:/ {print $2}' "$work/load.txt") > 100"
is "$(appliance_snapshots | wc -l)" $((COUNT * 3)) "the appliance holds exactly these sets, three volumes each"
is "$(coord --json list "$LAB_DOMAIN" | jq '[.sets[] | select(.verdict == "application")] | length')" \
    "$(coord --json list "$LAB_DOMAIN" | jq '.sets | length')" "list shows them all"
note "write stall in ms:$stalls"
note "median: $(printf '%s\n' $stalls | sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}') ms"
