#!/bin/sh
# Probing and thawing on real filesystems: ext4 and XFS images of the test's own, mounted by loop.
# Needs root, as a freeze does.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" -eq 0 ] || { echo "not ok 1 - freezing filesystems needs root"; exit 1; }
dir=$(mktemp -d /tmp/cbsnap-fs.XXXXXX) || exit 1
status=0

leave() {
    for fs in ext4 xfs; do
        [ -d "$dir/$fs" ] && mountpoint -q "$dir/$fs" || continue
        fsfreeze -u "$dir/$fs" 2>/dev/null # should the test have died while it was frozen
        umount "$dir/$fs"
    done
    rm -rf "$dir"
}
trap leave EXIT
trap 'exit 1' INT TERM

for fs in ext4 xfs; do
    echo "# $fs"
    mkdir "$dir/$fs"
    truncate -s 320M "$dir/$fs.img"
    "mkfs.$fs" -q "$dir/$fs.img" && mount -o loop "$dir/$fs.img" "$dir/$fs" ||
        { echo "not ok - cannot make and mount an $fs image"; exit 1; }
    "${BUILD:-build}/fs-drive" "$dir/$fs" || status=1
done
exit $status
