#!/bin/sh
# libvirt's own test driver behind host-coordinator/domain, and the socket of a real QEMU (no guest
# boots) behind host-coordinator/guest: what a port in use and a missing agent look like. No root,
# no libvirtd. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
DRIVE=${DOMAIN_DRIVE:-${BUILD:-build}/domain-drive}
dir=$(mktemp -d) || exit 1
pids=
n=0 bad=0
cleanup() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap cleanup EXIT

result() { # STATUS TEXT
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        bad=$((bad + 1))
        sed 's/^/#   /' "$dir/out" "$dir/err"
    fi
}

drive() {
    "$DRIVE" "$@" >"$dir/out" 2>"$dir/err"
}

prints() { # TEXT LINE ARG...: succeeds, says that line, and nothing on stderr
    text=$1 line=$2
    shift 2
    drive "$@" && grep -qxF -- "$line" "$dir/out" && [ ! -s "$dir/err" ]
    result $? "$text"
}

# fails TEXT CODE WORDS ARG...: one line on stderr, of that code, with these words
fails() {
    text=$1 code=$2 words=$3
    shift 3
    ! drive "$@" && [ "$(wc -l <"$dir/err")" -eq 1 ] && grep -q "^$code: " "$dir/err" &&
        grep -qF -- "$words" "$dir/err"
    result $? "$text"
}

# ---- libvirt's test driver ------------------------------------------------------------------

uuid=$("$DRIVE" test:///default test name | cut -d' ' -f2)
prints 'a domain is found by its name' "test $uuid" test:///default test name
prints 'and by its UUID' "test $uuid" test:///default "$uuid" name
prints 'and by its UUID without hyphens' "test $uuid" test:///default \
    "$(echo "$uuid" | tr -d -)" name
prints 'it runs, and its XML is read' "xml of test $uuid" test:///default test running xml
prints 'its filesystems name their disks' '/ vda1 ext4 on vda' test:///default test fs
prints 'it is frozen' 'froze 2' test:///default test freeze
prints 'it is thawed' 'thawed 2' test:///default test freeze thaw
prints 'thawing what is not frozen is no error' 'thawed 0' test:///default test thaw
fails 'what is no domain is not found' not_found 'virsh list --all' test:///default nosuch name
fails 'nor is an unknown UUID' not_found "domain '00000000-0000-0000-0000-000000000001'" \
    test:///default 00000000-0000-0000-0000-000000000001 name
fails 'no counters is an error, not an equal witness' libvirt 'write counters' \
    test:///default test writes
fails 'no qemu-ga is an error' libvirt "domain 'test'" test:///default test ping
fails 'so is its status' libvirt "domain 'test'" test:///default test status

domain() { # NAME RUNSTATE (virDomainState)
    cat <<XML
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>$1</name><memory>1024</memory><os><type>hvm</type></os>
  <devices>
    <disk type='network' device='disk'>
      <source protocol='iscsi' name='iqn.2016-11.acme:vol/1'><host name='127.0.0.1' port='3260'/></source>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
  <test:runstate>$2</test:runstate>
</domain>
XML
}
{
    echo '<node>'
    domain up 1
    domain down 5
    domain paused 3
    echo '</node>'
} >"$dir/node.xml"
prints 'a network disk leads to its volume' "disk vda iqn 'iqn.2016-11.acme:vol' lun 1" \
    "test://$dir/node.xml" up running xml
fails 'one that is shut off is refused' refused "shut off, not running; start it: virsh start down" \
    "test://$dir/node.xml" down running
fails 'so is a paused one' refused 'virsh resume paused' "test://$dir/node.xml" paused running
fails 'freezing one that is off says what to do' refused 'virsh start down' \
    "test://$dir/node.xml" down freeze
fails 'an unknown kind of connection is told' libvirt 'nosuch:///' nosuch:///system test name
fails 'a libvirtd that is not there is told' libvirt 'libvirtd must run' \
    "qemu+unix:///system?socket=$dir/none" test name

# ---- the port of a real QEMU ----------------------------------------------------------------

wait_for() { # COMMAND...: up to 10 s
    i=0
    until "$@"; do
        i=$((i + 1))
        [ "$i" -lt 100 ] || return 1
        sleep 0.1
    done
}

port=$dir/port
fails 'no QEMU, no socket' not_found "$port" link "$port" 200
qemu-system-x86_64 -S -M q35 -accel tcg -display none -nodefaults -device virtio-serial \
    -chardev socket,id=port,path="$port",server=on,wait=off \
    -device virtserialport,chardev=port,name=org.cbsnap.agent.0 >"$dir/qemu" 2>&1 &
qemu=$!
pids=$qemu
wait_for [ -S "$port" ]
# its own loop must turn before it accepts
sleep 1
fails 'a port without an agent' timeout 'cbsnap-agent does not run in the guest' link "$port" 800
"$DRIVE" hold "$port" >"$dir/held" &
holder=$!
pids="$qemu $holder"
wait_for grep -q held "$dir/held"
sleep 0.5
fails 'a port that another program has' busy "another program has the port '$port'" \
    link "$port" 800
fails 'also when the backlog holds one that gave up' busy 'another program' link "$port" 300
fails 'also when the backlog is full' busy 'another program' link "$port" 300
kill "$holder"
wait "$holder" 2>/dev/null
fails 'the port is free again once that program has ended' timeout 'does not run' link "$port" 1500
kill "$qemu"
wait "$qemu" 2>/dev/null
pids=
fails 'QEMU gone' not_found "$port" link "$port" 200

echo "1..$n"
[ "$bad" -eq 0 ]
