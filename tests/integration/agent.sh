# The real agent, and the host's end of its port. A script sources this from the top folder and has a
# directory $dir of its own: there it writes agent.conf, with its port at $dir/port, and gets agent.log.
# `say` and `said` want start_host first.
# shellcheck shell=sh
. tests/integration/slow.sh
agent=$PWD/${BUILD:-build}/cbsnap-agent
host=$PWD/${BUILD:-build}/agent-host
daemon= hostpid=
chmod 755 "$dir"

explain() { tail -5 "$dir/agent.log" | sed 's/^/agent: /'; }
run() { "$agent" --config "$dir/agent.conf" "$@"; }
logged() { grep -q -e "$1" "$dir/agent.log"; }
until_true() { # until_true COMMAND..., for at most 10 s ($slow times that, as all times here)
    for _ in $(seq $((100 * slow))); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "not in time: $*"
    return 1
}

start_agent() {
    "$agent" --config "$dir/agent.conf" daemon >>"$dir/agent.log" 2>&1 3>&- 4>&- &
    daemon=$!
    until_true run status || { echo "Bail out! the agent did not start:"; cat "$dir/agent.log"; exit 1; }
}
stop_agent() { # stop_agent [SIGNAL]; its exit status
    kill "-${1:-TERM}" "$daemon"
    wait "$daemon" 2>/dev/null
    code=$?
    daemon=
    return $code
}

start_host() {
    rm -f "$dir/in" "$dir/out"
    mkfifo "$dir/in" "$dir/out"
    "$host" "$dir/port" <"$dir/in" >"$dir/out" &
    hostpid=$!
    exec 3>"$dir/in" 4<"$dir/out"
}
say() { # say LINE: writes a command, prints the answers to it
    echo "$*" >&3
    : >"$dir/said"
    while IFS= read -r answer <&4 && [ "$answer" != . ]; do
        echo "$answer" >>"$dir/said"
    done
    cat "$dir/said"
}
has() { # has PATTERN: the last answer has a line like that
    grep -q -e "$1" "$dir/said" || { echo "wanted: $1; got:"; cat "$dir/said"; false; }
}
said() { # said PATTERN LINE
    pattern=$1
    shift
    say "$*" >/dev/null
    has "$pattern"
}

kill_both() { # and not mind what is gone already
    for p in $daemon $hostpid; do
        kill -9 "$p" && wait "$p"
    done 2>/dev/null
}
