# Starts and drives the stand-in for test-storage.sh, which sources this: it wants $SIM, $dir with
# good.pem, good.key and the API key in key, and gets $sim_pid, $port and $url.

ask() { # PATH?QUERY: body on stdout
    curl -sS --noproxy '*' --cacert "$dir/good.pem" "https://127.0.0.1:$port/$1&apiKey=$(cat "$dir/key")"
}

api() { # COMMAND&PARAMETERS
    ask "client/api?response=json&command=$1"
}

member() { # NAME: the first string member of that name on stdin
    sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

sim() { # COMMAND[?PARAMETERS] of the control interface
    case $1 in
    *\?*) ask "sim/$1" ;;
    *) ask "sim/$1?x=" ;;
    esac >"$dir/sim-answer" || return 1
}

sim_count() { # COMMAND: how many requests of it the stand-in has seen
    sim log && grep -o "\"$1\"" "$dir/sim-answer" | wc -l
}

make_volume() { # NAME
    group=$(api "addQosGroup&tsmid=$tsm&name=QoS_$1&iops=100&latency=15&graceallowed=false" |
        member id)
    job=$(api "createVolume&tsmid=$tsm&datasetid=$dataset&qosgroupid=$group&name=$1&quotasize=1G&protocoltype=ISCSI" |
        member jobid)
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        case $(api "queryAsyncJobResult&jobId=$job") in
        *'"jobstatus": 1'*) return 0 ;;
        esac
        sleep 0.1
    done
    return 1
}

sim_start() {
    cat >"$dir/sim.conf" <<END
[sim]
listen = 127.0.0.1
port = 0
port-file = $dir/port
cert = $dir/good.pem
key = $dir/good.key
api-key = $(cat "$dir/key")
state-dir = $dir/state
log-file = $dir/sim.log
iscsi = none
qos-interval-ms = 200
[pools]
pool1 = 20G
[latency]
createVolume.job = 50
createStorageSnapshot = 30
listStorageSnapshots = 5
deleteSnapshot = 10
listFileSystem = 5
END
    "$SIM" --config "$dir/sim.conf" --foreground >"$dir/sim.out" 2>&1 &
    sim_pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -s "$dir/port" ] && break
        sleep 0.1
    done
    [ -s "$dir/port" ] || { sed 's/^/# /' "$dir/sim.out"; return 1; }
    port=$(cat "$dir/port")
    url=https://127.0.0.1:$port/client/api
    # the first "id" and "datasetid" of the answer are the TSM's own
    api listTsm >"$dir/tsm"
    tsm=$(member id <"$dir/tsm")
    dataset=$(member datasetid <"$dir/tsm")
    make_volume root && make_volume log && make_volume data
}
