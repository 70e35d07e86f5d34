#!/bin/bash
# Sets in a row, all day: does anything grow, leak or stay locked? The daemon in the guest, a `watch`
# that looks on all the time, and the coordinator itself, which is a new process each time. A client
# writes all along. COUNT=1000 sets or SECONDS_MAX=7200, whichever comes first. (make soak)
. "$(dirname "$0")/lib.sh"
COUNT=${COUNT:-1000} SECONDS_MAX=${SECONDS_MAX:-7200}
EVERY=${EVERY:-10}  # sets between two looks, and two prunes
KEEP=3              # sets on the appliance
GROWTH_KIB=256      # from the middle to the end: less than one small leak a set, and the heap has settled
FIGURES=${FIGURES:-$BUILD/soak.tsv}

# Of a process: its own memory (KiB, anonymous: what of its libraries' files is mapped in is the kernel's
# to decide, and comes and goes with the page cache), threads, descriptors.
size_of() { # PID
    awk '/^RssAnon|^Threads/ {print $2}' "/proc/$1/status" | paste -sd' ' | tr '\n' ' '
    ls "/proc/$1/fd" | wc -l
}
agent_size() {
    "$LAB" sh 'p=$(pidof cbsnap-agent); awk "/^RssAnon|^Threads/ {print \$2}" /proc/$p/status | paste -sd" " | tr "\n" " "
        ls /proc/$p/fd | wc -l'
}

# peak_of PID: the most that a process has had of its own, looked at until it ends
peak_of() {
    local kib peak=0
    while kib=$(awk '/^RssAnon/ {print $2}' "/proc/$1/status" 2>/dev/null) && [ -n "$kib" ]; do
        peak=$((kib > peak ? kib : peak))
        sleep 0.05
    done
    echo "$peak"
}

# median COLUMN FROM TO: of the figures' lines
median() {
    sed -n "$2,$3p" "$FIGURES" | cut -f"$1" | sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)] + 0}'
}
largest() { cut -f"$1" "$FIGURES" | sort -n | tail -1; }

"$LAB" meter start 50 # ms between writes: the guest has other work
"$LAB_COORD" --config "$LAB_COORD_CONF" --json watch "$LAB_DOMAIN" >"$work/watch" 2>"$work/watch.err" &
watch=$!
agent=$("$LAB" sh pidof cbsnap-agent)
: >"$FIGURES"
began=$SECONDS
sets=0 good=0 n=0 leaked='' locked='' unpruned=0 chain=0 gone=0
while [ $n -lt "$COUNT" ] && [ $((SECONDS - began)) -lt "$SECONDS_MAX" ]; do
    n=$((n + 1))
    "$LAB_COORD" --config "$LAB_COORD_CONF" snapshot "$LAB_DOMAIN" >"$work/set" 2>"$work/err" &
    run=$!
    [ $((n % EVERY)) -ne 0 ] || peak=$(peak_of $run)
    if wait $run; then
        good=$((good + 1))
    else
        note "set $n: exit status $?: $(tail -1 "$work/err"): $(jq -c '[.verdict, .reasons]' "$(last_record)")"
    fi
    sets=$((sets + 1))
    [ $((n % EVERY)) -eq 0 ] || continue
    : >"$work/watch" # what it has said is not what is looked at
    kill -0 $watch 2>/dev/null || gone=$((gone + 1))
    coord prune "$LAB_DOMAIN" --keep-last $KEEP >"$work/prune" 2>&1 || unpruned=$((unpruned + 1))
    [ "$(agent_state)" = idle ] && [ "$(write_ms 10)" != timeout ] || locked="$locked $n"
    [ "$(appliance_snapshots | wc -l)" = $((KEEP * 3)) ] || leaked="$leaked $n"
    coord show --check >"$work/check" 2>&1 || chain=$((chain + 1))
    # sets, agent: KiB threads descriptors, watch: the same, coordinator's peak KiB, records
    printf '%s\t%s\t%s\t%s\t%s\n' "$n" "$(agent_size | tr ' ' '\t')" "$(size_of $watch | tr ' ' '\t')" \
        "$peak" "$(ls "$LAB_STATE_DIR/records/$LAB_DOMAIN"/*.json | wc -l)" >>"$FIGURES"
done
took=$((SECONDS - began))
kill $watch
wait $watch
"$LAB" meter report >"$work/meter.csv"
"$LAB" meter stop >"$work/meter.txt"
meter=$?

lines=$(wc -l <"$FIGURES")
tenth=$((lines / 10 > 0 ? lines / 10 : 1))
middle=$((lines / 2))
grown() { echo $(($(median "$1" $((lines - tenth + 1)) "$lines") - $(median "$1" $((middle + 1)) $((middle + tenth))))); }
note "$sets sets in $took s; figures of each look in $FIGURES"
note "the client's writes: $(cat "$work/meter.txt")"
holds "it was looked at often enough to tell ($lines times)" "$lines >= 20"
is "$gone" 0 "the watch was there all the time"
is "$good" "$sets" "all $sets sets are whole"
is "$leaked" '' "after each prune the appliance held $KEEP sets, and no snapshot more"
is "$unpruned" 0 "no prune failed"
is "$chain" 0 "the chain of records held each time"
is "$locked" '' "nothing was locked or frozen at any look"
is "$meter" 0 "the writing client saw no error"
is "$("$LAB" sh pidof cbsnap-agent)" "$agent" "the daemon in the guest is the same process as at the beginning"
for who in agent:2 watch:5; do
    column=${who#*:} who=${who%:*}
    kib=$(grown "$column")
    holds "$who: memory did not grow ($kib KiB from the middle to the end, $(median "$column" "$((lines - tenth + 1))" "$lines") KiB then)" \
        "$kib <= $GROWTH_KIB"
    is "$(grown $((column + 1)))" 0 "$who: nor did its threads ($(largest $((column + 1))) at most)"
    is "$(grown $((column + 2)))" 0 "$who: nor its descriptors ($(largest $((column + 2))) at most)"
done
kib=$(grown 8)
holds "a run of the coordinator takes no more than before ($kib KiB more, $(largest 8) KiB at most, records $(largest 9))" \
    "$kib <= $GROWTH_KIB"
