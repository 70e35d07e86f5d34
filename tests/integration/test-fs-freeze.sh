#!/bin/sh
# Probing and thawing on real filesystems: ext4 and XFS images of the test's own, mounted by loop; and
# one beside another whose disk does not answer. Needs root, as a freeze does.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" -eq 0 ] || { echo "not ok 1 - freezing filesystems needs root"; exit 1; }
dir=$(mktemp -d /tmp/cbsnap-fs.XXXXXX) || exit 1
status=0

leave() {
    # should the test have died while they were frozen: the one that holds the other's file comes first
    for fs in holder sick ext4 xfs; do
        [ -d "$dir/$fs" ] && mountpoint -q "$dir/$fs" && fsfreeze -u "$dir/$fs" 2>/dev/null
    done
    for fs in sick holder ext4 xfs; do
        [ -d "$dir/$fs" ] && mountpoint -q "$dir/$fs" && umount "$dir/$fs"
    done
    rm -rf "$dir"
}
trap leave EXIT
trap 'exit 1' INT TERM

image() { # image FILE SIZE FS MOUNTPOINT
    mkdir "$4"
    truncate -s "$2" "$1"
    "mkfs.$3" -q "$1" && mount -o loop "$1" "$4" && return
    echo "not ok - cannot make and mount an $3 image"
    exit 1
}

image "$dir/holder.img" 320M ext4 "$dir/holder"
image "$dir/holder/sick.img" 64M ext4 "$dir/sick"
for fs in ext4 xfs; do
    echo "# $fs"
    image "$dir/$fs.img" 320M "$fs" "$dir/$fs"
    "${BUILD:-build}/fs-drive" "$dir/$fs" || status=1
    echo "# $fs beside a disk that does not answer"
    "${BUILD:-build}/fs-drive" "$dir/$fs" "$dir/sick" "$dir/holder" || status=1
done
exit $status
