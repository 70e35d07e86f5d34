# A Debian 12 of our own in $root, for the tests of packages, which source this from the top folder: a
# chroot, made by mmdebstrap, in which dpkg does what it would do on a machine. Root. The system (a tar) and
# the packages that are fetched are kept in build/packages for the next time.
# shellcheck shell=bash
. tests/tap.sh
[ "$(id -u)" -eq 0 ] || { echo "not ok 1 - a chroot needs root"; exit 1; }
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
BUILD=${BUILD:-build}
mkdir -p "$BUILD/packages" && keep=$(cd "$BUILD/packages" && pwd) || exit 1
dir=$(mktemp -d) || exit 1
root=$dir/root
debian_end() {
    umount "$root/proc" "$root/var/cache/apt/archives" 2>/dev/null
    rm -rf --one-file-system "$dir"
}
trap debian_end EXIT
trap 'exit 1' INT TERM

explain() { tail -n 40 "$dir/out"; }
inside() { chroot "$root" "$@" >"$dir/out" 2>&1; }

make_root() {
    mkdir -p "$keep/archives/partial" "$root"
    if [ ! -s "$keep/bookworm.tar" ]; then
        mmdebstrap --quiet --variant=apt bookworm "$keep/new.tar" >"$dir/out" 2>&1 || return 1
        mv "$keep/new.tar" "$keep/bookworm.tar"
    fi
    tar -xf "$keep/bookworm.tar" -C "$root" || return 1
    mount -t proc proc "$root/proc" && mount --bind "$keep/archives" "$root/var/cache/apt/archives" || return 1
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null
    echo 'APT::Keep-Downloaded-Packages "true";' >"$root/etc/apt/apt.conf.d/99keep"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/test"
    # nothing is started in here
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
}

# What the packages need, and what looks at them: there before their files are counted.
dependencies() {
    inside apt-get update -qq || return 1
    inside apt-get install -y -qq --no-install-recommends logrotate apparmor systemd || return 1
    for p in coordinator agent; do
        inside apt-get satisfy -y -qq --no-install-recommends "$(dpkg-deb -f "$dir/cbsnap-$p.deb" Depends)" ||
            return 1
    done
}

# Debian with what the packages need, and in its /opt each package and the build before it.
debian_begin() {
    for p in coordinator agent; do
        cp "$BUILD/deb/cbsnap-$p"_*.deb "$dir/cbsnap-$p.deb" &&
            tests/packaging/previous-deb "$dir/cbsnap-$p.deb" "$dir/cbsnap-$p-previous.deb" || exit 1
    done
    if ! make_root || ! cp "$dir"/*.deb "$root/opt/" || ! dependencies; then
        echo "Bail out! no Debian to test in"
        sed 's/^/# /' "$dir/out"
        exit 1
    fi
}
