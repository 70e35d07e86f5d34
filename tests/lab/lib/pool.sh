# shellcheck shell=bash disable=SC2154,SC2034
# The pool: a filesystem with reflinks, where a snapshot of a volume costs milliseconds.
# $POOL is a loop-mounted XFS file unless $LAB itself can clone files.

can_clone() { # DIRECTORY
    local probe=$1/.clone-probe.$$ ok=1
    echo x >"$probe" && cp --reflink=always "$probe" "$probe.2" 2>/dev/null && ok=0
    rm -f "$probe" "$probe.2"
    return $ok
}

pool_up() {
    mkdir -p "$POOL"
    mountpoint -q "$POOL" && return
    can_clone "$POOL" && return
    if [ ! -e "$LAB/pool.img" ]; then
        truncate -s 20G "$LAB/pool.img.new"
        mkfs.xfs -q -m reflink=1 "$LAB/pool.img.new"
        mv "$LAB/pool.img.new" "$LAB/pool.img"
    fi
    mount -o loop "$LAB/pool.img" "$POOL"
    can_clone "$POOL" || fail "$POOL is mounted but cannot clone files; delete $LAB/pool.img"
}

pool_down() {
    ! mountpoint -q "$POOL" || umount "$POOL"
}
