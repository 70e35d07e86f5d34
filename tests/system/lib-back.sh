# What the tests of going back share: records, what the VM holds, tampering with a snapshot.
# shellcheck shell=bash

record_of() { # SET: its file
    echo "$LAB_STATE_DIR/records/$LAB_DOMAIN/$1.json"
}

# A set's id; use as: set=$(take_set) || exit 1. What follows would be about nothing without one.
# Refused or given up on a busy machine it is tried again, as an admin would.
take_set() {
    local try
    for try in 1 2 3; do
        coord snapshot "$LAB_DOMAIN" 2>"$work/snapshot.err" && return
        sed "s/^/# try $try: /" "$work/snapshot.err" >&2
    done
    echo "Bail out! no set can be taken" >&2
    return 1
}

# verify SET [OPTION...]: as the command, into $work/out and err. An emulated kernel on a busy machine now and then
# dies in its first seconds (tests/lab/lib/vm.sh), and a throw-away VM is not started again: then the set is not
# proven, which says nothing of it, and it is tried again.
verify() {
    local try status
    for try in 1 2 3; do
        coord verify "$@" >"$work/out" 2>"$work/err"
        status=$?
        [ $status -eq 4 ] && grep -q 'the domain has ended' "$work/err" || break
        note "try $try: the throw-away VM died: $(tail -1 "$work/err")"
    done
    return $status
}

answers() { # SECONDS: the server in the VM does
    local end=$(($(now_ms) + $1 * 1000))
    until sql 'SELECT 1' >/dev/null; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        sleep 0.5
    done
}

gtid_now() {
    local name=gtid_executed
    [ "$LAB_GUEST" != mariadb ] || name=gtid_binlog_pos
    "$LAB" mysql "SELECT @@GLOBAL.$name" | tr -d '\n '
}

has_all_of() { # GTID-SET: the server has each of its transactions
    local here
    [ "$LAB_GUEST" = mariadb ] || { [ "$("$LAB" mysql "SELECT GTID_SUBSET('$1', @@GLOBAL.gtid_executed)")" = 1 ]; return; }
    here=$(gtid_now) # DOMAIN-SERVER-NUMBER, of one domain here
    [ "${here%-*}" = "${1%-*}" ] && [ "${here##*-}" -ge "${1##*-}" ]
}

# volumes on the appliance, by name
appliance_volumes() {
    "$LAB" api listFileSystem | jq -r '.listFilesystemResponse.filesystem[]?.name' | sort
}

vm_disks() { # DOMAIN: the IQNs of its definition
    virsh -q -c qemu:///system dumpxml --inactive "$1" | grep -o "name='iqn[^']*" | cut -d"'" -f2
}

# The file that the stand-in keeps a snapshot in.
snapshot_file() { # ROLE SET
    local image
    local path=LAB_VOLUME_${1^^}_PATH
    image=${!path}
    echo "$(dirname "$image")/.snapshots/$(basename "$image" .img)@$2.img"
}

no_vm() { # DOMAIN: destroyed and forgotten, whatever it is
    virsh -q -c qemu:///system destroy "$1" >/dev/null 2>&1
    virsh -q -c qemu:///system undefine "$1" >/dev/null 2>&1
    true
}
