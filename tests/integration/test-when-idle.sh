#!/bin/bash
# hooks/when-idle.sh against an agent that answers what the test wants: waits for the end of a freeze,
# within its bound, and asks agent and qemu-ga alike.
# shellcheck disable=SC2317 # the tests are called by name
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
. tests/integration/slow.sh
dir=$(mktemp -d /tmp/cbsnap-idle.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
mkdir "$dir/sbin"
export CBSNAP_RUN="$dir/run"
sed "s|@SBINDIR@|$dir/sbin|" hooks/when-idle.sh >"$dir/tool"
chmod +x "$dir/tool"

fresh() { rm -rf "$CBSNAP_RUN" "$dir/did"; mkdir -p "$CBSNAP_RUN/cbsnap" "$CBSNAP_RUN/qemu-ga"; }
# agent COMMANDS: what `cbsnap-agent status --json` does
agent() {
    printf '#!/bin/sh\n[ "$*" = "status --json" ] || exit 2\n%s\n' "$1" >"$dir/sbin/cbsnap-agent"
    chmod +x "$dir/sbin/cbsnap-agent"
}
answers() { agent "echo '{\"state\":\"$1\",\"epoch\":3,\"problem\":\"{\\\"state\\\":\\\"idle\\\"\"}'"; }
did() { "$dir/tool" "$@" touch "$dir/did" && [ -e "$dir/did" ]; }
gives_up() {
    "$dir/tool" -t 1 touch "$dir/did" 2>"$dir/err"
    [ $? -eq 75 ] && [ ! -e "$dir/did" ] && grep -q "do it later: touch $dir/did" "$dir/err"
}

at_once() { fresh; answers idle; did -t 0; }
ok 'idle: at once' at_once
no_agent() { fresh; agent 'exit 3'; did -t 0; }
ok 'no agent: at once' no_agent
each_state() {
    for state in locking locked frozen releasing unknown; do
        fresh
        answers "$state"
        gives_up || { echo "went on in state $state"; return 1; }
    done
}
ok 'any other state: not before the bound, then not at all, exit 75' each_state
thawed_meanwhile() {
    fresh
    agent "if [ -e '$dir/thawed' ]; then echo '{\"state\":\"idle\"}'; else echo '{\"state\":\"frozen\"}'; fi"
    rm -f "$dir/thawed"
    (sleep 1; touch "$dir/thawed") &
    did -t 30
    rc=$?
    wait
    [ $rc -eq 0 ] && [ -e "$dir/thawed" ]
}
ok 'a freeze that ends: right after it' thawed_meanwhile
qga_frozen() { fresh; answers idle; touch "$CBSNAP_RUN/qga.state.isfrozen"; gives_up; }
ok 'qemu-ga holds filesystems frozen: waits' qga_frozen
qga_frozen_el() { fresh; answers idle; touch "$CBSNAP_RUN/qemu-ga/qga.state.isfrozen"; gives_up; }
ok 'so with its state in a folder of its own' qga_frozen_el
died_frozen() { fresh; agent 'exit 3'; touch "$CBSNAP_RUN/cbsnap/session"; gives_up; }
ok 'an agent that died in a freeze: waits for its successor' died_frozen
real_agent() { # its own words: with the marker there, only an answer that says idle lets it go on
    fresh
    printf '[agent]\nrun_dir = %s\nport =\n[mysql]\nsocket = %s/none\n' "$dir/agent" "$dir" >"$dir/conf"
    program=$PWD/${BUILD:-build}/cbsnap-agent
    "$program" --config "$dir/conf" daemon 2>"$dir/log" &
    pid=$!
    for _ in $(seq $((100 * slow))); do
        "$program" --config "$dir/conf" status >/dev/null 2>&1 && break
        sleep 0.1
    done
    agent "exec '$program' --config '$dir/conf' \"\$@\""
    touch "$CBSNAP_RUN/cbsnap/session"
    did -t 0
    rc=$?
    kill $pid
    wait $pid
    [ $rc -eq 0 ] || { cat "$dir/log"; false; }
}
ok 'the real agent, idle: at once' real_agent
exit_passed() { fresh; answers idle; "$dir/tool" sh -c 'exit 7'; [ $? -eq 7 ]; }
ok "the command's exit is ours" exit_passed
only_waits() {
    fresh
    answers idle
    "$dir/tool" -t 0 && "$dir/tool" || return 1
    answers frozen
    "$dir/tool" -t 1 2>"$dir/err"
    [ $? -eq 75 ] && grep -q 'waited for no longer' "$dir/err" && ! grep -q 'do it later' "$dir/err"
}
ok 'without a command it only waits, and says no more than that' only_waits
usage() {
    for args in '-t' '-t x true' '-t x'; do
        # shellcheck disable=SC2086 # words
        "$dir/tool" $args
        [ $? -eq 2 ] || { echo "accepted: $args"; return 1; }
    done
}
ok 'wrong arguments are refused' usage
tap_end
