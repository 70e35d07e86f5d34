#!/bin/bash
# Faults at random moments of runs in the real VM: one or two of tests/faults/faults.sh, for a random
# time. Each set that is called `application` is proven on clones; sets that are lost are counted, with
# what their records say. RUNS=200 runs of SEED (printed); RUN=17 with that seed is one of them again,
# FROM=17 that and those after it. (make faults-random; `test-random` is the same on fakes.)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/faults/faults.sh"
. "$TOP/tests/faults/observe.sh"
SEED=${SEED:-$(($(date +%s) % 30000))} RUNS=${RUNS:-200} OUTCOMES=${OUTCOMES:-$BUILD/random-faults.tsv}
FAULTS=(${ONLY:-none agent-kill agent-stop mysqld-kill mysqld-stop ga-kill ga-stop ga-restart libvirtd-restart
    libvirtd-stop vm-pause array-slow array-reset array-lost array-error array-garbage
    array-endless coord-kill cut})
LONGEST_MS=12000 # that a fault lasts: longer than a lease

build_at_step || exit 1
pause_ms() { sleep "$(awk "BEGIN {print $1 / 1000}")"; }
# shellcheck disable=SC2317
fault_coord-kill() { kill -9 "$pid" 2>/dev/null; }
last_step() { tail -1 "$work/steps"; }

# One fault, from its moment until its end.
one_fault() { # NAME MOMENT_MS LASTS_MS
    pause_ms "$2"
    if kill -0 "$pid" 2>/dev/null; then
        echo "$1 after ${step:=$(last_step)}" >>"$work/came"
    else
        echo "$1 after the run" >>"$work/came"
    fi
    has "fault_$1" && { "fault_$1" >/dev/null 2>&1 || echo "$1 did not come about" >>"$work/came"; }
    has "end_$1" || return 0
    pause_ms "$3"
    "end_$1" >/dev/null 2>&1
}

draw() { # FROM TO, both included; RANDOM has 15 bits
    drawn=$(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1 + 1)))
}

# Sets names, moments and lasts of run N: the same for the same SEED.
draw_faults() { # N
    local many
    RANDOM=$(((SEED + $1 * 7919) % 32768))
    draw 1 4
    many=$((drawn == 1 ? 2 : 1))
    names=() moments=() lasts=()
    while [ ${#names[@]} -lt $many ]; do
        draw 0 $((${#FAULTS[@]} - 1))
        names+=("${FAULTS[drawn]}")
        draw 0 "$run_ms"
        moments+=("$drawn")
        draw 0 $LONGEST_MS
        lasts+=("$drawn")
    done
}

run_once() {
    local i cut='' waits=()
    : >"$work/came"
    : >"$work/steps"
    for i in "${!names[@]}"; do
        [ "${names[i]}" != cut ] || cut=${moments[i]}
    done
    LD_PRELOAD=$work/at-step.so FAULT_STEPS=$work/steps FAULT_AFTER=${cut:+domain} FAULT_DO=cut-any:$cut "$LAB_COORD" --config "$LAB_COORD_CONF" \
        snapshot "$LAB_DOMAIN" >"$work/set" 2>"$work/err" &
    pid=$!
    for i in "${!names[@]}"; do
        one_fault "${names[i]}" "${moments[i]}" "${lasts[i]}" &
        waits+=($!)
    done
    timeout 180 tail --pid=$pid -s 0.2 -f /dev/null || kill -9 $pid
    { wait $pid; } 2>/dev/null
    status=$?
    wait "${waits[@]}"
}

# Nothing was wrong: no fault, or none that came while the run was under way.
unharmed() { ! grep -qv -e '^none' -e 'after the run$' -e 'did not come about$' "$work/came"; }

# A program that was killed cannot be stopped any more: one of the two has come about.
of_one_program() {
    [ ${#names[@]} -eq 2 ] && [ "${names[0]%-*}" = "${names[1]%-*}" ] &&
        [ "$(grep -c 'did not come about' "$work/came")" -eq 1 ]
}

one_run() { # N
    local i from bad='' verdict reason what=
    from=$(now_ms)
    draw_faults "$1"
    for i in "${!names[@]}"; do
        what="$what${what:+, }${names[i]} at ${moments[i]} ms for ${lasts[i]} ms"
    done
    fresh
    "$LAB" meter start 50
    run_once
    verdict=$(jq -r .verdict "$(last_record 2>/dev/null)" 2>/dev/null || echo none)
    reason=$(jq -r '.reasons[0] // ""' "$(last_record 2>/dev/null)" 2>/dev/null)
    ask_truth "$status" || bad="truth ($why); "
    ask_released || bad="${bad}released ($why); "
    ask_named || bad="${bad}named ($why); "
    ask_truth "$status" || bad="${bad}truth after recover ($why); "
    [ "$status:$verdict" = 0:application ] || ! unharmed || bad="${bad}lost, and nothing was wrong; "
    # one that came when the run was over, or behind another of the same program, may find nothing to break
    ! grep -q 'did not come about' "$work/came" || grep -q 'after the run' "$work/came" || of_one_program ||
        bad="${bad}a fault did not come about; "
    [ -z "$bad" ]
    ok $? "run $1: $what: exit status $status, verdict $verdict, $((($(now_ms) - from) / 1000)) s" "$bad
$(cat "$work/came")
$(tail -3 "$work/err")"
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$(paste -sd, "$work/came")" "$status" "$verdict" "$reason" >>"$OUTCOMES"
}

# how long a run takes that nothing disturbs: the moments are drawn from that
from=$(now_ms)
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err" || { cat "$work/err"; echo "Bail out! no set without a fault"; exit 1; }
run_ms=${RUN_MS:-$(($(now_ms) - from))}
note "SEED=$SEED RUN_MS=$run_ms: the same faults again"
: >"$OUTCOMES"
if [ -n "${RUN:-}" ]; then
    one_run "$RUN"
else
    for n in $(seq "${FROM:-1}" "$RUNS"); do
        one_run "$n" </dev/null
    done
fi
note "$(awk -F'\t' '{n++; if ($4 == "application") a++; else l++}
    END {printf "%d runs: %d application, each proven on clones; %d lost", n, a, l}' "$OUTCOMES")"
note "lost, by fault, and what the record gives as reason:"
awk -F'\t' '$4 != "application" {print $2 " | " $4 ": " $5}' "$OUTCOMES" | sort | uniq -c | sort -rn | sed 's/^/# /'
