#!/bin/bash
# Faults at each step of a run, in the real VM, and what an outside observer sees then: do writes go on
# within the lease, is nothing locked or frozen, does the record tell the truth, is nothing left on the
# appliance that no record names, does the next set succeed? CASES=all (make faults) for all of
# tests/faults/cases, or a pattern; MATRIX=FILE gets a line for each.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/faults/faults.sh"
. "$TOP/tests/faults/observe.sh"
CASES=${CASES:-short} MATRIX=${MATRIX:-/dev/null} LOGS=${LOGS:-$work/logs}
mkdir -p "$LOGS"
HOLD_MS=13000 # longer than a lease
LATE_MS=4000

# the steps as they end, one after another: a step begins when the one before it has ended
STEPS='domain lock-vm storage link inspect instance observe policy recheck prepare coverage warm announce
manifest freeze confirm snapshots witness thaw critical list publish after readings'

step_before() {
    local step last=
    [ "$1" != list ] || { echo critical; return; }
    for step in $STEPS; do
        [ "$step" != "$1" ] || { echo "$last"; return; }
        last=$step
    done
}

# into the step, in ms: late enough that it is at work, early enough that it is not done
delay_of() {
    case $1 in
    freeze) echo 800 ;;
    snapshots) echo 600 ;;
    *) echo 15 ;;
    esac
}

cases() {
    case $CASES in
    short) sed -n 's/^! *//p' "$TOP/tests/faults/cases" ;;
    all) sed 's/^! *//; /^#/d; /^$/d' "$TOP/tests/faults/cases" ;;
    *) sed 's/^! *//; /^#/d; /^$/d' "$TOP/tests/faults/cases" | grep -E "$CASES" ;;
    esac
}


# one that came when the step was over is another case
struck() {
    [ -z "$came" ] || return 0
    came=yes
    [ "${into#* }" = before ] || ! grep -qx "${into% *}" "$work/steps" || came_late=1
}

# The run, with its fault. Sets status; $at is when the fault came, in ms.
run_with() { # STEP WHEN FAULT
    local how=ask:$work/fifo delay
    delay=$(delay_of "$1")
    case $3 in
    coord-kill) how='kill' ;;
    cut) how='cut' ;;
    esac
    [ "${how%%:*}" = ask ] || [ "$2" = before ] || how=$how:$delay
    rm -rf "$work/fifo"
    mkdir "$work/fifo"
    mkfifo "$work/fifo/asked" "$work/fifo/go"
    : >"$work/steps"
    LD_PRELOAD=$work/at-step.so FAULT_AFTER=$(step_before "$1") FAULT_DO=$how FAULT_STEPS=$work/steps \
        "$LAB_COORD" --config "$LAB_COORD_CONF" snapshot "$LAB_DOMAIN" >"$work/set" 2>"$work/err" &
    pid=$!
    at=$(now_ms)
    if [ "${how%%:*}" = ask ]; then
        if ! timeout 60 cat "$work/fifo/asked" >/dev/null; then
            kill -9 $pid
            status=never # came to that step
            return
        fi
        at=$(now_ms)
        if [ "$2" = during ]; then
            echo >"$work/fifo/go"
            sleep "$(awk "BEGIN {print $delay / 1000}")"
        fi
        came='' into="$1 $2"
        "fault_$3"
        fault_status=$?
        struck
        [ "$2" = during ] || echo >"$work/fifo/go"
    fi
    if blocks_by_nature "$3" && has "end_$3"; then
        sleep "$(awk "BEGIN {ms = $HOLD_MS - $(now_ms) + $at; print (ms > 0 ? ms : 0) / 1000}")"
        "end_$3" >/dev/null 2>&1
    fi
    # for ever is a defect too: the longest honest run undoes at an appliance that takes 15 s for each request
    timeout 400 tail --pid=$pid -s 0.2 -f /dev/null || kill -9 $pid
    { wait $pid; } 2>/dev/null # bash would tell of a kill
    status=$?
    [ "${how%%:*}" = ask ] || at=$(now_ms)
}

declare -A said # the answers of one case
answer() { # QUESTION COMMAND...
    local question=$1
    shift
    said[$question]=yes
    "$@" || {
        said[$question]=no
        bad="$bad$question ($why); "
    }
}

# The guest as it was, and the run with its fault. Fails where the fault cannot be tried.
play() { # STEP WHEN FAULT
    fresh
    ! has "arm_$3" || "arm_$3" || return 1
    # these two last: something can happen in them
    [ "$1 $2" != 'freeze during' ] || "$LAB" sh "cd $LAB_HOOK_DIR
        printf '#!/bin/sh\n[ \$1 != freeze ] || sleep 2\n' >zz-slow; chmod +x zz-slow"
    [ "$1" != snapshots ] || sim 'latency?command=createStorageSnapshot&ms=4000' >/dev/null
    "$LAB" meter start 50
    fault_status=0 came_late=''
    run_with "$@"
}

one_case() { # STEP WHEN FAULT
    local from bad='' fault_status came_late told try
    from=$(now_ms)
    for try in 1 2 3; do
        play "$@" || { ok 1 "$3 $2 $1: it can be tried"; return; }
        # on a busy machine the step may be over by then: that was another case
        [ -n "$came_late" ] && [ "$try" -lt 3 ] || break
        note "$3 $2 $1: it came after the step; once more"
        ! has "end_$3" || "end_$3" >/dev/null 2>&1
        ! has "clean_$3" || "clean_$3"
        "$LAB" meter stop >/dev/null 2>&1
    done
    # what was under way when the fault came may still come about
    sleep "$(awk "BEGIN {ms = $LATE_MS - $(now_ms) + $at; print (ms > 0 ? ms : 0) / 1000}")"
    case $3:$status in
    coord-kill:137 | cut:[0-9] | cut:1[0-2]*) ;;
    coord-kill:* | cut:*) fault_status=$status ;;
    esac
    [ "$fault_status" = 0 ] || bad="the fault did not come about ($fault_status); "
    [ -z "$came_late" ] || bad="${bad}it came after the step; "
    # with the fault still there, where it is one that lasts
    write_ms $((HOLD_MS / 1000)) >/dev/null 2>&1
    blocks_by_nature "$3" || ! has "end_$3" || "end_$3" >/dev/null 2>&1
    answer released ask_released
    answer truth ask_truth "$status"
    told="exit status $status, verdict $(jq -r .verdict "$(last_record 2>/dev/null)" 2>/dev/null | grep . || echo none)"
    answer named ask_named
    [ "${said[truth]}" = no ] || answer truth ask_truth "$status"
    answer writes ask_writes "$3"
    answer next ask_next
    "$LAB" meter stop >/dev/null 2>&1
    collect
    {
        cat "$work/err"
        echo "exit status $status"
        jq '{verdict, reasons, notes, guest, phases}' "$(last_record 2>/dev/null)" 2>/dev/null
        cat "$work/recover" "$work/next" 2>/dev/null
    } >"$LOGS/$3-$2-$1"
    rm -f "$work/recover"
    has "clean_$3" && "clean_$3"
    [ -z "$bad" ]
    ok $? "$3 $2 $1: $told, $((($(now_ms) - from) / 1000)) s" \
        "$bad
$(tail -5 "$work/err")"
    # as the fakes' matrix has it, with one answer more
    printf 'real\t%s\t%s %s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${said[writes]}" "${said[released]}" \
        "${said[truth]}" "${said[named]}" "${said[next]}" $((($(now_ms) - from) / 1000)) >>"$MATRIX"
}

build_at_step || exit 1
while read -r step when fault; do
    one_case "$step" "$when" "$fault" </dev/null
done < <(cases)
