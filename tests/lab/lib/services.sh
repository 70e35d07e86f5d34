# shellcheck shell=bash disable=SC2154,SC2034
# libvirtd, tgtd and the stand-in appliance: started when they do not run, ended by `down` if they
# were started here. A libvirtd that runs already is used as it is.

libvirt_answers() {
    timeout 10 virsh -q -c "$URI" uri
}

# Ours gets a qemu.conf of its own, in a mount namespace of its own (which must not keep the pool):
# as root it can tell whether /dev/kvm is usable. As the package's user, and with a /dev/kvm that
# no udev has opened to it, it finds its cached capabilities wrong each time it looks, and asking
# QEMU again costs 5 s: a minute for one `virsh define`.
libvirt_up() {
    libvirt_answers >/dev/null 2>&1 && return
    # of this lab or the system: one in another PID namespace serves that one alone
    pgrep --ns $$ --nslist pid -x virtlogd >/dev/null || start virtlogd virtlogd
    cat >"$CONF/qemu.conf" <<'EOT'
user = "root"
group = "root"
security_driver = "none"
namespaces = []
dynamic_ownership = 0
EOT
    # shellcheck disable=SC2016
    start libvirtd unshare -m sh -c \
        'umount "$2" 2>/dev/null; mount --bind "$1" /etc/libvirt/qemu.conf && exec libvirtd' \
        sh "$CONF/qemu.conf" "$POOL"
    until_ok 60 "libvirtd (see $LOG/libvirtd.log)" libvirt_answers
}

# What a test does to a libvirtd of ours; the VMs live on.
lab_libvirtd() {
    local pid
    pid=$(pid_of libvirtd) || [ "${1:-}" = start ] || fail "libvirtd was not started by the lab"
    case ${1:-} in
    kill)
        kill -KILL "$pid"
        until_ok 10 "the end of libvirtd" eval '! pid_of libvirtd'
        ;;
    start) libvirt_up ;;
    stop) kill -STOP "$pid" ;;
    continue) kill -CONT "$pid" ;;
    *) fail "usage: lab libvirtd kill|start|stop|continue" ;;
    esac
}

# Its own instance, with a control socket and a port of its own.
tgt() {
    tgtadm -C "$TGT_CONTROL" --lld iscsi "$@"
}

tgtd_answers() {
    tgt --mode system --op show
}

tgtd_up() {
    pid_of tgtd >/dev/null && return
    ! tgtd_answers >/dev/null 2>&1 ||
        fail "control port $TGT_CONTROL of tgtd is in use; choose another with CBSNAP_LAB_PORT"
    mkdir -p /run/tgtd
    start tgtd tgtd -f -C "$TGT_CONTROL" --iscsi "portal=127.0.0.1:$PORT_ISCSI"
    until_ok 10 "tgtd (see $LOG/tgtd.log)" tgtd_answers
}

# ---- the stand-in appliance -----------------------------------------------------------------

SIM_URL=https://127.0.0.1:$PORT_API/client/api

sim_configure() {
    local certificate=$CONF/appliance.pem
    [ -e "$certificate" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 \
        -subj /CN=cbsnap-lab -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$CONF/appliance.key" -out "$certificate" 2>/dev/null
    [ -e "$CONF/api-key" ] ||
        (umask 077 && openssl rand -base64 64 | tr -d '\n=' | tr +/ -_ >"$CONF/api-key")
    # curl reads the key from a file: a command line can be read by everyone
    (umask 077 && cat >"$CONF/curl.conf") <<EOT
cacert = "$certificate"
silent
show-error
get
noproxy = "*"
data-urlencode = "apiKey=$(<"$CONF/api-key")"
EOT
    sim_write_config
}

# The account's words end up in the volumes' IQNs.
sim_write_config() {
    (umask 077 && cat >"$CONF/appliance.conf") <<EOT
[sim]
listen = 127.0.0.1
port = $PORT_API
cert = $CONF/appliance.pem
key = $CONF/appliance.key
api-key = $(<"$CONF/api-key")
state-dir = $POOL/appliance
log-file = $LOG/appliance.log
iscsi = tgt
tgt-control-port = $TGT_CONTROL
portal-address = 127.0.0.1
portal-port = $PORT_ISCSI
account = lab
tsm = vsm1
tsm-iops = 10000

[pools]
pool1 = 100G

# Snapshots take what they take on a real appliance. What only the lab itself waits for is quick.
[latency]
createVolume.job = 100
deleteFileSystem.job = 100
cloneDatasetSnapshot = 200
EOT
}

sim_up() {
    pid_of sim >/dev/null && return
    [ -x "$TOP/build/elastistor-sim" ] ||
        fail "build/elastistor-sim is not built; run 'make build/elastistor-sim'"
    mkdir -p "$POOL/appliance"
    sim_configure
    start sim "$TOP/build/elastistor-sim" --config "$CONF/appliance.conf" --foreground
    until_ok 15 "the stand-in appliance (see $LOG/sim.log)" lab_api listAccount
}

# lab_api COMMAND [NAME=VALUE...]: one call; the answer on stdout, status 22 for an HTTP error.
lab_api() {
    local command=$1 arg args=()
    shift
    for arg in "$@"; do
        args+=(--data-urlencode "$arg")
    done
    curl -K "$CONF/curl.conf" --fail-with-body --max-time 120 --data-urlencode "command=$command" \
        --data-urlencode response=json "${args[@]}" "$SIM_URL"
}

# sim_control WHAT [NAME=VALUE...]: the stand-in's own interface, no part of an appliance.
sim_control() {
    local what=$1 arg args=()
    shift
    for arg in "$@"; do
        args+=(--data-urlencode "$arg")
    done
    curl -K "$CONF/curl.conf" --fail-with-body --max-time 30 "${args[@]}" \
        "https://127.0.0.1:$PORT_API/sim/$what"
}

services_up() {
    libvirt_up
    tgtd_up
    sim_up
}

appliance_down() {
    stop sim
    # tgtd ignores SIGTERM while it has targets, and has nothing to save
    stop tgtd KILL
}

services_down() {
    appliance_down
    stop libvirtd
    stop virtlogd
}
