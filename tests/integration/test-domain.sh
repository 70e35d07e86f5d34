#!/bin/sh
# libvirt's own test driver behind host-coordinator/domain; a libvirtd of our own with QEMUs that boot
# no guest; definitions made over, as both take them; and the socket of a real QEMU behind
# host-coordinator/guest: what a port in use and a missing agent look like. No root. TAP.
# OLD_LIBVIRT=1: DOMAIN_DRIVE was built as against libvirt 1.2.2 (tests/old-libvirt).
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
. tests/integration/slow.sh
DRIVE=${DOMAIN_DRIVE:-${BUILD:-build}/domain-drive}
dir=$(mktemp -d) || exit 1
pids=
libvirtd=
session=
cleanup() {
    [ -z "$session" ] || virsh -q -c "$session" destroy tiny >/dev/null 2>&1
    for pid in $pids $libvirtd; do kill "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap cleanup EXIT

explain() { cat "$dir/out" "$dir/err"; }

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
if [ -z "${OLD_LIBVIRT:-}" ]; then
    prints 'its filesystems name their disks' '/ vda1 ext4 on vda' test:///default test fs
    prints 'it is frozen' 'froze 2' test:///default test freeze
    prints 'it is thawed' 'thawed 2' test:///default test freeze thaw
    prints 'thawing what is not frozen is no error' 'thawed 0' test:///default test thaw
    fails 'no counters is an error, not an equal witness' libvirt 'write counters' \
        test:///default test writes
else
    # it freezes by itself, and has no qemu-ga that could be asked
    fails 'a freeze is asked of qemu-ga' libvirt "freeze the filesystems of domain 'test'" \
        test:///default test freeze
    fails 'so is a thaw' libvirt "thaw the filesystems of domain 'test'" test:///default test thaw
fi
fails 'what is no domain is not found' not_found 'virsh list --all' test:///default nosuch name
fails 'nor is an unknown UUID' not_found "domain '00000000-0000-0000-0000-000000000001'" \
    test:///default 00000000-0000-0000-0000-000000000001 name
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
[ -n "${OLD_LIBVIRT:-}" ] || fails 'freezing one that is off says what to do' refused \
    'virsh start down' "test://$dir/node.xml" down freeze
fails 'an unknown kind of connection is told' libvirt 'nosuch:///' nosuch:///system test name
fails 'a libvirtd that is not there is told' libvirt 'libvirtd must run' \
    "qemu+unix:///system?socket=$dir/none" test name

# ---- a domain's life ------------------------------------------------------------------------

# says TEXT LINES ARG...: succeeds, and says just these lines
says() {
    text=$1 lines=$2
    shift 2
    drive "$@" && [ "$(tr '\n' '|' <"$dir/out")" = "$lines" ] && [ ! -s "$dir/err" ]
    result $? "$text"
}

uuid=5d9a1c2e-0000-4000-8000-000000000001
cat >"$dir/db1.xml" <<XML
<domain type='test'>
  <name>db1</name><uuid>$uuid</uuid><memory>65536</memory><os><type>hvm</type></os>
  <devices><graphics type='vnc' port='5901' passwd='s3cret'/></devices>
</domain>
XML
says 'a domain is defined, starts, is told to go, and is forgotten' \
    "state off|definition of db1 $uuid|state runs|state runs|state off by its guest|" \
    define test:///default "$dir/db1.xml" state definition start state start state shutdown-acpi \
    state undefine
says 'one that is ended is off, also when it was' 'state off|state off|' \
    define test:///default "$dir/db1.xml" start destroy state destroy state
says 'the definition of a running one is read' "definition of db1 $uuid|" \
    define test:///default "$dir/db1.xml" start definition
says 'secrets are told to whom they are needed by' 'passwords: no, with secrets: yes|' \
    define test:///default "$dir/db1.xml" secrets
fails 'one that runs is not forgotten' refused "not shut off" \
    define test:///default "$dir/db1.xml" start undefine
fails 'what is forgotten is not there' not_found 'virsh list --all' \
    define test:///default "$dir/db1.xml" undefine start
sed "s/$uuid/$("$DRIVE" test:///default test name | cut -d' ' -f2)/" "$dir/db1.xml" >"$dir/uuid.xml"
sed "s/>db1</>test</" "$dir/db1.xml" >"$dir/name.xml"
fails "another's name is refused" refused "another domain's" define test:///default "$dir/name.xml"
fails "so is another's UUID" refused "another domain's" define test:///default "$dir/uuid.xml"
echo '<domain type="test"><name>bad</name></domain>' >"$dir/bad.xml"
fails 'what is no definition is told by its name' libvirt "cannot define domain 'bad'" \
    define test:///default "$dir/bad.xml"
fails 'a driver that cannot end it with its owner makes none' libvirt "cannot create domain 'db1'" \
    create test:///default "$dir/db1.xml"
drive test:///default test host && grep -qE \
    "^host '.+' hypervisor 'TEST [0-9.]+' libvirt '[0-9]+\.[0-9]+\.[0-9]+'\$" "$dir/out"
result $? 'what runs it is told'

# ---- the same of QEMU's driver --------------------------------------------------------------

wait_for() { # COMMAND...: up to 10 s, and more where programs are slow
    i=0
    until "$@"; do
        i=$((i + 1))
        [ "$i" -lt $((100 * slow)) ] || return 1
        sleep 0.1
    done
}

# As a user's daemon, which leaves the machine's own libvirtd and its domains alone; root has none.
start_libvirtd() {
    command -v libvirtd >/dev/null || return 1
    mkdir "$dir/home" "$dir/run"
    truncate -s 1M "$dir/home/disk"
    set --
    if [ "$(id -u)" -eq 0 ]; then
        chmod 755 "$dir"
        chown nobody "$dir/home" "$dir/run" "$dir/home/disk"
        set -- setpriv --reuid=nobody --regid=nogroup --clear-groups
    fi
    echo 'auth_unix_rw = "none"' >"$dir/libvirtd.conf"
    env -u XDG_CONFIG_HOME -u XDG_CACHE_HOME -u XDG_DATA_HOME HOME="$dir/home" \
        XDG_RUNTIME_DIR="$dir/run" "$@" libvirtd -f "$dir/libvirtd.conf" >"$dir/libvirtd" 2>&1 &
    libvirtd=$!
    wait_for [ -S "$dir/run/libvirt/libvirt-sock" ] || return 1
    session="qemu+unix:///session?socket=$dir/run/libvirt/libvirt-sock"
}

uuid=5d9a1c2e-0000-4000-8000-000000000002
cat >"$dir/tiny.xml" <<XML
<domain type='qemu'>
  <name>tiny</name><uuid>$uuid</uuid><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
  <devices>
    <controller type='usb' model='none'/><memballoon model='none'/>
    <disk type='file' device='disk'><source file='$dir/home/disk'/><target dev='vda' bus='virtio'/></disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>
XML

# Nothing is booted, so nobody hears the power button.
test_life() {
    says 'QEMU runs, ignores the power button with nothing booted, and is ended' \
        'state off|state runs|state runs|state off|state off|' \
        define "$session" "$dir/tiny.xml" state start state shutdown-acpi state destroy state \
        destroy state undefine
    fails 'one that is off cannot be told to go' refused 'virsh start tiny' \
        define "$session" "$dir/tiny.xml" shutdown-acpi
    says 'it counts what its disk was written, which is nothing' 'vda 0 0|' \
        define "$session" "$dir/tiny.xml" start writes
    drive "$session" tiny destroy
    fails 'a guest without qemu-ga cannot be asked' refused 'start qemu-guest-agent' \
        define "$session" "$dir/tiny.xml" start shutdown-agent
    fails 'one that runs is not created' refused 'virsh shutdown tiny' \
        create "$session" "$dir/tiny.xml"
    # its memory knows of other disks
    virsh -q -c "$session" managedsave tiny >"$dir/out" 2>"$dir/err" &&
        drive "$session" tiny state start && grep -qx 'state saved' "$dir/out" &&
        virsh -c "$session" domstate --reason tiny >"$dir/out" && grep -q booted "$dir/out" &&
        virsh -c "$session" dominfo tiny >"$dir/out" && grep -q 'Managed save: *no' "$dir/out"
    result $? 'a start is a boot, also of one whose memory was saved'
    virsh -q -c "$session" managedsave tiny >"$dir/out" 2>"$dir/err" &&
        drive "$session" tiny state forget-saved state forget-saved &&
        [ "$(tr '\n' '|' <"$dir/out")" = 'state saved|state off|' ]
    result $? 'and is off once its memory was thrown away'
    drive "$session" tiny destroy undefine
}

test_transient() {
    says 'a transient one ends with its owner' 'state runs|gone with its owner|' \
        create "$session" "$dir/tiny.xml" running state
    fails 'and has no definition' not_found 'transient' \
        create "$session" "$dir/tiny.xml" definition
    # its owner has ended at that error; libvirtd sees that in its own time
    wait_for is_gone
    says 'it may be ended before' 'gone with its owner|' \
        create "$session" "$dir/tiny.xml" destroy destroy
    "$DRIVE" create "$session" "$dir/tiny.xml" running wait >"$dir/held" 2>"$dir/err" &
    owner=$!
    pids=$owner
    wait_for grep -qx waiting "$dir/held" && drive "$session" tiny running && kill -KILL $owner &&
        wait_for is_gone
    result $? 'also when its owner is killed'
    wait "$owner" 2>/dev/null
    pids=
}

is_gone() {
    ! virsh -q -c "$session" domstate tiny >"$dir/out" 2>&1
}

if start_libvirtd; then
    test_life
    test_transient
else
    skip "no libvirtd of our own: $(tail -n 1 "$dir/libvirtd" 2>&1)"
fi

# ---- definitions made over ------------------------------------------------------------------

# made KIND FIXTURE MIB TARGET...: in made.xml
made() {
    kind=$1 fixture=$2 mib=$3
    shift 3
    for target; do
        set -- "$@" "$target=iqn.2016-11.acme.vsm1:clone-$target"
        shift
    done
    "$DRIVE" rewrite "$kind" "tests/unit/host-coordinator/fixtures/domain-$fixture.xml" copy \
        5d9a1c2e-0000-4000-8000-000000000009 cbsnap-1 "$mib" "$@" >"$dir/made.xml" 2>"$dir/err"
}

# QEMU's driver looks closer: at PCI addresses, for one. Neither KVM nor an emulator of a TPM need be
# on the machine where this test runs, and a user's libvirtd has no virtiofs, nor TLS for SPICE.
taken_by_qemu() { # NAME
    [ -n "$session" ] || return 0
    sed -e 's/type="kvm"/type="qemu"/' -e '/<tpm /,/<\/tpm>/d' \
        -e '/<filesystem /,/<\/filesystem>/d' -e '/<model fallback=/d' \
        -e 's/ tlsPort="[0-9]*"//' \
        -e 's/<cpu mode="host-model"/<cpu mode="maximum"/' \
        -e 's/<cpu mode="host-passthrough" .*/<cpu mode="maximum"\/>/' "$dir/made.xml" \
        >"$dir/qemu.xml"
    virsh -q -c "$session" "define $dir/qemu.xml; undefine --nvram $1" >"$dir/out" 2>"$dir/err"
}

taken() { # NAME KIND FIXTURE MIB TARGET...
    name=$1
    shift
    made "$@" && virsh -q -c test:///default define "$dir/made.xml" >"$dir/out" 2>"$dir/err" &&
        taken_by_qemu "$name"
    result $? "libvirt takes the definition of $2 made over, to $1, $3 MiB"
}

taken cbsnap-lab move lab 0 vda vdb vdc
taken instance-0000002a move nova-liberty 0 vda vdb sda
taken db9 move el9-uefi 0 vda vdb
for kind in copy throwaway; do
    taken copy "$kind" lab 0 vda vdb vdc
    taken copy "$kind" nova-liberty 0 vda vdb sda
    taken copy "$kind" el9-uefi 0 vda vdb
done
taken copy throwaway nova-liberty 256 vda vdb sda
! made copy nova-liberty 256 vda vdb sda && grep -q '^config: .*NUMA' "$dir/err"
result $? 'what cannot be made over is told'

# ---- the port of a real QEMU ----------------------------------------------------------------

port=$dir/port
fails 'no QEMU, no socket' not_found "$port" link "$port" $((200 * slow))
qemu-system-x86_64 -S -M q35 -accel tcg -display none -nodefaults -device virtio-serial \
    -chardev socket,id=port,path="$port",server=on,wait=off \
    -device virtserialport,chardev=port,name=org.cbsnap.agent.0 >"$dir/qemu" 2>&1 &
qemu=$!
pids=$qemu
# the socket is there long before its loop turns, and until then nobody is let in
lets_in() {
    ! drive link "$port" $((300 * slow)) && grep -q 'does not run in the guest' "$dir/err"
}
wait_for lets_in
fails 'a port without an agent' timeout 'cbsnap-agent does not run in the guest' link "$port" $((800 * slow))
"$DRIVE" hold "$port" >"$dir/held" &
holder=$!
pids="$qemu $holder"
wait_for grep -q held "$dir/held"
sleep 0.5
fails 'a port that another program has' busy "another program has the port '$port'" \
    link "$port" $((800 * slow))
fails 'also when the backlog holds one that gave up' busy 'another program' link "$port" $((300 * slow))
fails 'also when the backlog is full' busy 'another program' link "$port" $((300 * slow))
kill "$holder"
wait "$holder" 2>/dev/null
fails 'the port is free again once that program has ended' timeout 'does not run' link "$port" $((1500 * slow))
kill "$qemu"
wait "$qemu" 2>/dev/null
pids=
fails 'QEMU gone' not_found "$port" link "$port" $((200 * slow))

tap_end
