#!/bin/sh
# The coordinator as a user of its own: whose its files are when root runs it in between, whose the
# credentials may be, and what it does where QEMU's socket is shut to it. As root, to be somebody else.
# libvirt's test driver is a library and asks nobody for a right: what the group libvirt may is not
# tested here. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" -eq 0 ] || { echo "not ok 1 - running as two users needs root"; exit 1; }
. tests/integration/world.sh
user=nobody
# where that user may read
cp "$coordinator" "$dir/cbsnap-coord"
coordinator=$dir/cbsnap-coord
agent_conf 'socket = /nonexistent'
agent_start
chown -R $user: "$dir/coord" "$dir/credentials"
chmod 644 "$dir/good.pem" "$dir/node.xml" "$dir/coord.conf"
: >"$dir/out" >"$dir/err"

as() { # as USER COMMAND...: of cbsnap-coord
    who=$1
    shift
    timeout $((30 * slow)) setpriv --reuid="$who" --regid="$(id -g "$who")" --clear-groups env HOME="$dir" \
        "$coordinator" --config "$dir/coord.conf" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    return $status
}
reads() { # reads TEXT USER: the agent's readings and the appliance's
    as "$2" --json watch db1 --once
    grep -q '"system.load1"' "$dir/out" && grep -q '"volume.data.iops"' "$dir/out"
    result $? "$1"
}
# whatever lies in the state directory is that user's, and shut to others
all_ours() {
    find "$dir/coord" -not -user $user -o -perm /007 -o -type f -perm /022 >"$dir/out"
    [ -n "$(find "$dir/coord" -type f)" ] && [ ! -s "$dir/out" ]
    result $? "$1"
}

chmod 777 "$dir/qemu"
until_true test -S "$dir/qemu/port"
chmod 777 "$dir/qemu/port"
reads 'it reads the agent and the appliance' $user
as $user --json list
result $? 'and lists sets'
all_ours 'its files are its own'

rm -f "$dir"/coord/index* "$dir"/coord/journal/*
reads 'so does root' root
record 20261126T013604Z-0003
chown -R $user: "$dir/coord/records"
as root --json list db1
result $? 'root lists them'
all_ours 'and what root has made is not root'"'s"
as $user delete 20261126T013604Z-0003 --force
result $? 'the user goes on with them'
all_ours 'none is lost to it'

# a name that leads elsewhere is not followed: root would write there, and give it away
echo precious >"$dir/precious"
rm -f "$dir"/coord/journal/*
ln -s "$dir/precious" "$dir/coord/journal/$uuid.lock"
as root watch db1 --once
[ "$(stat -c %U "$dir/precious") $(cat "$dir/precious")" = 'root precious' ]
result $? 'a link in the place of a file is not followed'
rm -f "$dir/coord/journal/$uuid.lock"

# ---- credentials

refused() { # refused TEXT USER PATTERN
    record 20261126T013604Z-0003
    chown -R $user: "$dir/coord/records"
    as "$2" delete 20261126T013604Z-0003 --force
    [ $status -eq 2 ] && grep -q "$3" "$dir/err"
    result $? "$1"
}
chmod 640 "$dir/credentials"
refused 'credentials that the group can read are refused' $user 'chmod 600'
chmod 600 "$dir/credentials"
chown daemon "$dir/credentials"
refused "another user's are refused to root" root 'belongs to user'
chown root "$dir/credentials"
refused "root's cannot be read" $user 'run chown [0-9]* on it'
chown $user "$dir/credentials"

# ---- the port

chmod 700 "$dir/qemu"
as $user -v watch db1 --once
grep -q 'virDomainOpenChannel' "$dir/err" && grep -q "root may use the socket '$dir/qemu/port'" "$dir/err"
result $? 'a socket that is shut: libvirt is asked for the channel (the test driver has none), and both are told'
reads 'root needs no libvirt for it' root

# ---- its process

setpriv --reuid=$user --regid="$(id -g $user)" --clear-groups env HOME="$dir" \
    "$coordinator" --config "$dir/coord.conf" --json watch db1 >/dev/null 2>&1 </dev/null &
world_pids=$!
# under valgrind it has that one's name
until_true grep -q 'cbsnap-coord\|memcheck' "/proc/$world_pids/comm"
pause 300
! setpriv --reuid=$user --regid="$(id -g $user)" --clear-groups cat "/proc/$world_pids/environ" >"$dir/out" 2>"$dir/err" &&
    grep -q HOME "/proc/$world_pids/environ"
result $? 'other processes of the user cannot read its environment, nor so its memory'
tap_end
