# What the tests of the storage driver share: the stand-in in $dir, started and driven; the driver, run
# and listened to; TAP. Sourced from the top folder; nothing else is under way then. The stand-in
# has volumes root, log and data, and ends with the script. $sim_options: more lines of its [sim].
. tests/tap.sh
. tests/integration/slow.sh
BUILD=${BUILD:-build}
SIM=${ELASTISTOR_SIM:-$BUILD/elastistor-sim}
DRIVE=${STORAGE_DRIVE:-$BUILD/storage-drive}
for program in "$SIM" "$DRIVE"; do
    [ -x "$program" ] || { echo "not ok 1 - '$program' is built: make check-integration"; exit 1; }
done
dir=$(mktemp -d) || exit 1
sim_pid=
trap '[ -z "$sim_pid" ] || kill "$sim_pid" 2>/dev/null; rm -rf "$dir"' EXIT

explain() { cat "$dir/out" "$dir/err"; }

make_cert() { # NAME SUBJECT_ALT_NAME
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/$1.key" -out "$dir/$1.pem" \
        -days 2 -subj "/CN=$1" -addext "subjectAltName=$2" 2>/dev/null
}

# drive [OPTION...] VERB...: output in $dir/out and $dir/err, status as the driver's
drive() {
    "$DRIVE" --url "$url" --key-file "$dir/key" "$trust" "$trust_value" \
        --deadline $((10000 * slow)) "$@" \
        >"$dir/out" 2>"$dir/err"
    status=$?
    cat "$dir/out" "$dir/err" >>"$dir/everything"
    return $status
}

says() { # PATTERN (extended) in what the driver printed on stderr
    grep -Eq "$1" "$dir/err"
}

# fails CODE PATTERN TEXT OPTIONS...: drive must fail with this code and these words
fails() {
    code=$1 pattern=$2 text=$3
    shift 3
    drive "$@"
    failed=$?
    [ "$failed" -eq 1 ] && says "^error $code: " && says "$pattern"
    result $? "$text"
}

# The last failure: was it a no of the array, or may the thing be done all the same? The plan looks
# once for the one, and again and again for the other.
sure() {
    says '^error' && ! says '^unsure$'
    result $? 'and that is a sure no'
}

unsure() {
    says '^unsure$'
    result $? 'and the outcome is called unsure'
}

works() { # TEXT OPTIONS...
    text=$1
    shift
    drive "$@"
    result $? "$text"
}

absent() { # NAME VOLUME TEXT
    sim clear
    drive find "$1" "$2" && grep -qx absent "$dir/out"
    result $? "$3"
}

# ---- the stand-in ---------------------------------------------------------------------------

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
    for _ in $(seq $((100 * slow))); do
        case $(api "queryAsyncJobResult&jobId=$job") in
        *'"jobstatus": 1'*) return 0 ;;
        esac
        sleep 0.1
    done
    return 1
}

file_of() { # VOLUME: where the stand-in keeps it
    sim "volume?name=$1" && member path <"$dir/sim-answer"
}

group_id() { # NAME: of an initiator group
    api "listiSCSIInitiator&accountid=$account" | tr -d '\n' | tr '}' '\n' |
        sed -n "s/.*\"id\": \"\([^\"]*\)\".*\"name\": \"$1\".*/\1/p"
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
${sim_options:-}
[pools]
pool1 = 20G
[latency]
createVolume.job = 50
deleteFileSystem.job = 50
cloneDatasetSnapshot = 50
rollbackToSnapshot = 20
updateVolumeiSCSIService = 10
createStorageSnapshot = 30
listStorageSnapshots = 5
deleteSnapshot = 10
listFileSystem = 5
END
    "$SIM" --config "$dir/sim.conf" --foreground >"$dir/sim.out" 2>&1 &
    sim_pid=$!
    for _ in $(seq $((100 * slow))); do
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
    account=$(member accountid <"$dir/tsm")
    make_volume root && make_volume log && make_volume data
}

make_cert good IP:127.0.0.1
head -c 64 /dev/urandom | base64 | tr -d '=\n' | tr '+/' '-_' >"$dir/key"
trust=--ca trust_value=$dir/good.pem
sim_start || { echo "not ok 1 - the stand-in starts"; exit 1; }
