#!/bin/sh
# when-idle [-t SECONDS] [COMMAND [ARGUMENT...]]: runs COMMAND as soon as no freeze is under way, or only waits
# for that. Packages restart the agent and qemu-ga with it: a stop in a freeze would lose the lock, and of a
# plain `virsh domfsfreeze` nobody would be told. So when SECONDS (90: the longest default lease and half of
# it) are over and it is still frozen, COMMAND is not run and the exit is 75, as for "try again later".
set -u
run=${CBSNAP_RUN:-/run}
bound=90
if [ "${1:-}" = -t ]; then
    bound=${2:-}
    shift $(($# > 1 ? 2 : 1))
fi
case $bound in
'' | *[!0-9]*)
    echo "usage: when-idle [-t SECONDS] [COMMAND [ARGUMENT...]]" >&2
    exit 2
    ;;
esac

# Both sides are asked, for either may hold what the other does not know of.
idle() {
    for state in "$run/qga.state.isfrozen" "$run/qemu-ga/qga.state.isfrozen"; do
        [ ! -e "$state" ] || return 1
    done
    # one that hangs is ended by systemd's watchdog, so its answer is not waited for for long
    case $(timeout 20 @SBINDIR@/cbsnap-agent status --json 2>/dev/null) in
    '{"state":"idle"'*) return 0 ;;
    '{"state":'*) return 1 ;;
    esac
    # No answer. The marker says that an agent died in a freeze, and its successor is to thaw.
    [ ! -e "$run/cbsnap/session" ]
}

end=$(($(date +%s) + bound))
told=
until idle; do
    if [ "$(date +%s)" -ge "$end" ]; then
        if [ $# -gt 0 ]; then
            echo "cbsnap: a freeze has been under way for $bound s, so this was not done, do it later: $*" >&2
        else
            echo "cbsnap: a freeze has been under way for $bound s, and its end is waited for no longer" >&2
        fi
        exit 75
    fi
    [ -n "$told" ] || echo "cbsnap: a freeze is under way, waiting for its end ($bound s at most)" >&2
    told=1
    sleep 0.2
done
[ $# -eq 0 ] || exec "$@"
