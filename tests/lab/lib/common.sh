# shellcheck shell=bash disable=SC2154,SC2034
# Paths, messages, and processes that the lab starts and may therefore end.
# Every file below $LAB can be deleted after `lab down`; nothing is kept anywhere else but
# /run/cbsnap-lab (kernel and initrd, where QEMU without capabilities can read them).

TOP=$(cd "$here/../.." && pwd)
KIND=${CBSNAP_LAB_GUEST:-mysql}
[ -e "$here/guest/$KIND/kind.sh" ] || {
    echo "lab: there is no guest '$KIND': CBSNAP_LAB_GUEST may be mysql or mariadb" >&2
    exit 2
}
# shellcheck source=/dev/null
. "$here/guest/$KIND/kind.sh"
LAB=${CBSNAP_LAB:-$TOP/build/lab}$KIND_SUFFIX
CACHE=${CBSNAP_LAB_CACHE:-$LAB/cache}
PORT=$((${CBSNAP_LAB_PORT:-23450} + KIND_PORTS))
PORT_ISCSI=$PORT PORT_API=$((PORT + 1)) PORT_MYSQL=$((PORT + 2)) PORT_SHELL=$((PORT + 3))
TGT_CONTROL=$((PORT % 10000)) # number of tgtd's control socket
DOMAIN=${CBSNAP_LAB_DOMAIN:-cbsnap-lab}$KIND_SUFFIX
URI=qemu:///system
POOL=$LAB/pool
RUN=$LAB/run
LOG=$LAB/log
CONF=$LAB/conf
PACKAGES=$TOP/build/lab-packages
# The coordinator that tests run: its package's, unpacked by tests/lab/packages; or one that is installed.
COORD=${CBSNAP_COORD:-$PACKAGES/host/usr/bin/cbsnap-coord}
BOOT=/run/$DOMAIN
MYSQL_USER=sbtest
MYSQL_PASSWORD=sbtest-lab

say() {
    printf 'lab: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

need_root() {
    [ "$(id -u)" -eq 0 ] || fail "the lab mounts filesystems and runs a VM: run it as root (sudo)"
}

need_tools() {
    local tool missing=
    for tool in mmdebstrap mkfs.xfs mke2fs qemu-system-x86_64 virsh tgtd tgtadm sysbench mysql \
        curl jq openssl socat cc rpmbuild dpkg-buildpackage dh; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    [ -z "$missing" ] || fail "these programs are missing:$missing; run 'make deps'"
}

# One change of the lab at a time; a second caller waits. Children must not inherit the lock.
with_lock() {
    mkdir -p "$LAB" "$RUN" "$LOG" "$CONF"
    exec 9>"$LAB/lock"
    flock -w 1200 9 || fail "another 'lab' command holds $LAB/lock for 20 minutes now"
    "$@"
}

now_ms() {
    local t=$EPOCHREALTIME
    echo $((${t%.*} * 1000 + 10#${t#*.} / 1000))
}

# until_ok SECONDS WHAT COMMAND...: polls; fails with a sentence that names WHAT.
until_ok() {
    local limit=$1 what=$2 end
    shift 2
    end=$(($(now_ms) + limit * 1000))
    until "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt "$end" ] || {
            say "waited $limit s in vain for $what"
            return 1
        }
        sleep 0.1
    done
}

# ---- processes: a pid file holds pid and start time, so that a pid used anew is never killed ----

start_time_of() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    stat=${stat##*) } # the name may hold blanks
    # shellcheck disable=SC2086
    set -- $stat
    [ "${1:-Z}" != Z ] && echo "${20}"
}

record_pid() { # NAME PID
    echo "$2 $(start_time_of "$2")" >"$RUN/$1.pid"
}

pid_of() { # NAME: prints the pid if that very process still runs
    local pid started
    [ -e "$RUN/$1.pid" ] || return 1
    read -r pid started <"$RUN/$1.pid" || return 1
    [ -n "$started" ] && [ "$(start_time_of "$pid")" = "$started" ] && echo "$pid"
}

# start NAME COMMAND...: in the background, its output in log/NAME.log. Not under the lab's lock.
start() {
    local name=$1
    shift
    setsid "$@" >>"$LOG/$name.log" 2>&1 </dev/null 9>&- &
    record_pid "$name" $!
    disown # no notice from bash when it is killed
}

# stop NAME [SIGNAL]: ends it, waits, insists after 10 s.
stop() {
    local pid i
    pid=$(pid_of "$1") || {
        rm -f "$RUN/$1.pid"
        return 0
    }
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
        pid_of "$1" >/dev/null || break
        sleep 0.1
    done
    pid_of "$1" >/dev/null && kill -KILL "$pid"
    rm -f "$RUN/$1.pid"
}
