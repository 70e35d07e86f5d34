# shellcheck shell=bash disable=SC2154
# Reading the agent's samples over the real port, and comparing them with what the guest's own tools
# say. One reader runs all the time ($work/samples, a JSON object a line); questions are put to its
# file. Times are the guest's monotonic clock in µs, as samples carry it.

declare -A shown # rows of the catalogue that a check was made of
tap=

tap_start() {
    local channel
    channel=$(virsh -q -c "$LAB_URI" dumpxml "$LAB_DOMAIN" |
        sed -n "s|.*path='\(.*org\.cbsnap\.agent\.0\)'.*|\1|p" | head -n 1)
    "$BUILD/sample-tap" "$channel" "$1" >>"$work/samples" &
    tap=$!
    sample_after 0 >/dev/null
}

# shellcheck disable=SC2317
tap_stop() {
    [ -z "$tap" ] || kill "$tap" 2>/dev/null
    wait "$tap" 2>/dev/null
    tap=
}

newest() {
    tail -n 1 "$work/samples" | jq -r "${1:-.mono_us} // empty"
}

# Waits for a sample taken wholly after now, and prints its time: a window's edge.
mark() {
    sample_after "$(newest)"
}

sample_after() { # TIME
    local t i
    for ((i = 0; i < 300; i++)); do
        t=$(newest)
        [ -n "$t" ] && [ "$t" -gt "$1" ] && echo "$t" && return
        sleep 0.1
    done
    echo "# no sample came for 30 s" >&2
    echo 0
}

# ask NAME FROM JQ: the readings of one metric since, as $v (values), $t (times), $d (seconds since
# the reading before, which is the time that a rate is over)
ask() {
    jq -rn --arg n "$1" --argjson from "${2:-0}" --argjson to "${to:-9e18}" '
        reduce (inputs | select(.m[$n] != null and .mono_us <= $to)) as $s
            ({v: [], t: [], d: [], p: null};
            if .p != null and $s.mono_us > $from then
                .v += [$s.m[$n]] | .t += [$s.mono_us] | .d += [($s.mono_us - .p) / 1e6]
            else . end | .p = $s.mono_us)
        | .v as $v | .t as $t | .d as $d | '"$3" "$work/samples"
}

last() { ask "$1" "${2:-0}" '$v[-1]'; }
max() { ask "$1" "$2" '$v | max'; }
min() { ask "$1" "$2" '$v | min'; }
mean() { ask "$1" "$2" 'if ($v | length) == 0 then null else ($v | add) / ($v | length) end'; }
# a rate's integral: how many there were
total() { ask "$1" "$2" '[range($v | length) | $v[.] * $d[.]] | add'; }

# A mean over requests, from means over intervals: JQ-VALUE weighed by how many there were, JQ-RATE
# times seconds; both of a sample's metrics.
weighed() { # JQ-VALUE JQ-RATE FROM
    jq -rn --argjson from "$3" --argjson to "${to:-9e18}" '
        [inputs | select(.mono_us >= $from and .mono_us <= $to)]
        | [range(1; length) as $i | ((.[$i].mono_us - .[$i - 1].mono_us) / 1e6) as $d
            | .[$i].m | {v: ('"$1"'), w: (('"$2"') * $d)} | select(.v != null)]
        | if length == 0 then null else (map(.v * .w) | add) / (map(.w) | add) end' "$work/samples"
}

# a rate's mean over the time since, however uneven the intervals
steady() { ask "$1" "$2" '([range($v | length) | $v[.] * $d[.]] | add) / ($d | add)'; }

# fresh_value NAME: the next reading of a metric that has a pace of its own, begun after now (what
# comes first may have been begun before)
fresh_value() {
    local from i value
    from=$(mark)
    for ((i = 0; i < 100; i++)); do
        value=$(last "$1" "$from")
        [ "$value" != null ] && echo "$value" && return
        sleep 0.2
    done
    echo null
}

# grown NAME FROM WANT: how much more than FROM it is, waiting for WANT more: a server counts some
# things a moment after its client has heard of them.
grown() {
    local i more
    for ((i = 0; i < 20; i++)); do
        more=$(awk "BEGIN {print $(fresh_value "$1") - $2}")
        awk "BEGIN {exit !($more >= $3)}" && break
        sleep 0.5
    done
    echo "$more"
}

# A text is told at its source's own pace only. Waits for it to be WANT; prints what it is.
text_value() { # NAME WANT
    local i value
    for ((i = 0; i < 60; i++)); do
        value=$(jq -rn --arg n "$1" --argjson from "${3:-0}" \
            '[inputs | select(.mono_us > $from) | .t[$n] // empty][-1] // "absent"' "$work/samples")
        [ "$value" != "$2" ] || break
        sleep 0.5
    done
    echo "$value"
}

# ---- the table -------------------------------------------------------------------------------

# row STATUS NAME TEXT [DETAIL]: one line of the table
row() {
    shown[$2]=1
    ok "$1" "$2: $3" "${4:-}"
}

# near NAME GOT WANT TOLERANCE TEXT: within TOLERANCE ("5%" or absolute)
near() {
    within "$2" "$3" "$4"
    row $? "$1" "$5: $(figure "$2") (want $(figure "$3"), +- $4)"
}

within() { # GOT WANTED TOLERANCE
    awk -v g="$1" -v w="$2" -v t="$3" 'BEGIN {
        if (g !~ /^-?[0-9]/ || w !~ /^-?[0-9]/) exit 1
        if (t ~ /%$/) t = w * t / 100
        d = g - w
        exit !(d <= t && -d <= t) }'
}

at_least() { # GOT LIMIT
    awk -v g="$1" -v l="$2" 'BEGIN { exit !(g ~ /^-?[0-9]/ && g >= l + 0) }'
}

# above NAME GOT LIMIT TEXT: at least LIMIT
above() {
    at_least "$2" "$3"
    row $? "$1" "$4: $(figure "$2") (want $(figure "$3") or more)"
}

# what cannot be brought about here: said why, and that it is read at all
cannot() { # NAME VALUE REASON
    note "$1 cannot be provoked: $3"
    [ "$(last "$1")" = "$2" ]
    row $? "$1" "is read: $(last "$1") (want $2)"
}

figure() {
    awk -v v="$1" 'BEGIN { if (v ~ /^-?[0-9]+$/) print v; else if (v ~ /^-?[0-9]/) printf "%.4g\n", v; else print v }'
}

# every row of the catalogue must have been in the table
table_complete() {
    local name missing=
    for name in $(guest 'cbsnap-agent metrics --json' | jq -r '.[].name'); do
        [ -n "${shown[$name]:-}" ] || missing="$missing $name"
    done
    [ -z "$missing" ]
    ok $? "every row of the catalogue was shown (${#shown[@]})" "missing:$missing"
}

# ---- the guest's own tools -------------------------------------------------------------------

guest() {
    "$LAB" sh "$@"
}

# in the guest, in the background: nothing that it holds open keeps the caller waiting
guest_later() {
    guest "setsid bash -s >/dev/null 2>&1 <<'END-OF-SCRIPT' &
$*
END-OF-SCRIPT"
}

# column COLUMN OF-LINE: "column 4 '...'"
column() {
    awk -v c="$1" '{print $c}' <<<"$2"
}

# Ticks of all CPUs so far: user system idle iowait all
cpu_take() { # FILE
    guest 'vmstat -s' >"$work/$1"
}

# cpu_share BEFORE AFTER WORDS...: of all ticks in between, in percent
cpu_share() {
    local before=$1 after=$2
    shift 2
    awk -v words="$*" '/ ticks$/ {
            n = $1
            sub(/^ *[0-9]+ /, "")
            sign = FILENAME ~ /before$/ ? -1 : 1
            all += sign * n
            if (index("," words ",", "," $0 ",")) part += sign * n
        } END { print (all > 0 ? 100 * part / all : "none") }' "$work/$before" "$work/$after"
}

# The server's own counters, all of them: status_take FILE; status_of FILE NAME
status_take() {
    "$LAB" mysql 'SHOW GLOBAL STATUS' | tr '\t' ' ' >"$work/$1"
}

status_of() {
    awk -v n="$2" 'tolower($1) == tolower(n) {print $2}' "$work/$1"
}

status_grew() { # FILE-BEFORE FILE-AFTER NAME...
    local sum=0 name before=$1 after=$2
    shift 2
    for name in "$@"; do
        sum=$((sum + $(status_of "$after" "$name") - $(status_of "$before" "$name")))
    done
    echo "$sum"
}
