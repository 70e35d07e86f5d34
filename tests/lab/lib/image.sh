# shellcheck shell=bash disable=SC2154,SC2034
# The guest image, built once and kept in $CACHE/guest-KIND-KEY, where KEY is a hash of all that
# goes in: root.img (ext4), log.img and data.img (XFS, with an initialised server and the load's
# tables), vmlinuz, initrd. The agent is not in it; it is installed in the running guest (guest.sh).

SIZE_root=4G SIZE_log=1G SIZE_data=2G
# Quota in the appliance's spelling is the same. Roles: root, log (/mnt/mysql), data.
ROLES='root log data'
GUEST_PACKAGES=systemd-sysv,udev,kmod,linux-image-cloud-amd64,qemu-guest-agent,iproute2,dbus,\
xfsprogs,socat,procps,curl,$SERVER_PACKAGES

image_key() {
    {
        echo "$GUEST_PACKAGES"
        cat "$here/lib/image.sh"
        find "$here/guest/common" "$here/guest/$KIND" -type f | LC_ALL=C sort | xargs sha256sum | sed "s|$here||"
        [ "$AGENT_PACKAGE" != rpm ] || sha256sum "$(connector)"
    } | sha256sum | cut -c1-16
}

image_dir() {
    echo "$CACHE/guest-$KIND-$(image_key)"
}

lab_image() {
    image_up
}

image_up() {
    local dir t0
    dir=$(image_dir)
    [ ! -e "$dir/complete" ] || return 0
    need_tools
    t0=$(now_ms)
    say "building the guest image ($KIND_TITLE), about two minutes"
    rm -rf "$CACHE/guest-$KIND"-* "$CACHE/new"
    mkdir -p "$CACHE/new"
    image_bootstrap "$CACHE/new/root"
    image_kernel "$CACHE/new/root" "$CACHE/new"
    image_filesystems "$CACHE/new"
    touch "$CACHE/new/complete"
    mv "$CACHE/new" "$dir"
    say "guest image built in $((($(now_ms) - t0) / 1000)) s"
}

# A mirror's Release file for sid may be past its date, hence Check-Valid-Until. INITRD=No: the
# kernel package would have dracut make one of 25 MB that takes long to make and to boot.
image_bootstrap() { # DIRECTORY
    local path opts=() part
    for path in doc man info locale bash-completion; do
        opts+=("--dpkgopt=path-exclude=/usr/share/$path/*")
    done
    INITRD=No mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
        "${opts[@]}" --include="$GUEST_PACKAGES" "$SUITE" "$1" >"$LOG/mmdebstrap.log" 2>&1 ||
        fail "mmdebstrap failed; see $LOG/mmdebstrap.log"
    # git keeps no owners and few modes: everything in guest/*/rootfs is root's
    for part in common "$KIND"; do
        tar -C "$here/guest/$part/rootfs" --owner=0 --group=0 -c . |
            tar -C "$1" -x --no-same-permissions
    done
    { echo "server_unit=$SERVER_UNIT kept_unit=$KEPT_UNIT" && cat "$here/guest/common/setup.sh"; } |
        chroot "$1" /bin/sh -eu >"$LOG/setup.log" 2>&1 ||
        fail "the guest's setup failed; see $LOG/setup.log"
    [ "$AGENT_PACKAGE" != rpm ] || image_as_centos "$1"
}

# qemu-ga as CentOS has it, and the library that its mariadb-connector-c brings: this machine's, which the
# agent's RPM was linked with, as the guest's libc is no older. With it the connector's plugin: MySQL 9
# begins with caching_sha2_password even where it goes on to auth_socket.
image_as_centos() { # ROOT
    local rpm=$here/guest/$KIND/rpm top=$CACHE/new/rpm library plugin
    rpmbuild -bb --define "_topdir $top" --define "tree $rpm/files" --define "runner $1/etc/qemu/fsfreeze-hook" \
        --define '_sysconfdir /etc' "$rpm/qemu-guest-agent.spec" >"$LOG/rpm.log" 2>&1 ||
        fail "qemu-guest-agent.rpm cannot be built; see $LOG/rpm.log"
    mv "$top"/RPMS/noarch/*.rpm "$1/root/qemu-guest-agent.rpm"
    # the database of packages is empty: on this system everything is dpkg's
    chroot "$1" rpm -i --nodeps --nosignature /root/qemu-guest-agent.rpm >"$LOG/rpm.log" 2>&1 ||
        fail "qemu-guest-agent.rpm cannot be installed; see $LOG/rpm.log"
    rm -r "$top" "$1/root/qemu-guest-agent.rpm" "$1/etc/qemu"
    # of CentOS' package filesystem: rpm makes what is missing and never removes it
    mkdir -p "$1"/usr/share/{bash-completion/completions,licenses,man/man{5,7,8},zsh/site-functions}
    library=$(connector)
    install -D -m 644 "$library" "$1$library"
    plugin=$(dirname "$(readlink -f "$library")")/libmariadb3/plugin/caching_sha2_password.so
    [ ! -e "$plugin" ] || install -D -m 644 "$plugin" "$1$plugin"
}

connector() {
    /sbin/ldconfig -p | awk '$1 == "libmariadb.so.3" { print $NF; exit }'
}

# ---- kernel and initrd ----------------------------------------------------------------------

# One member of a cpio archive in the "newc" format: MODE NAME [FILE]
cpio_member() {
    local size=0 pad
    [ -z "${3:-}" ] || size=$(stat -c %s "$3")
    printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x' $((++cpio_inode)) \
        "$1" 0 0 1 0 "$size" 0 0 0 0 $((${#2} + 1)) 0
    printf '%s\0' "$2"
    pad=$(((4 - (110 + ${#2} + 1) % 4) % 4))
    head -c "$pad" /dev/zero
    [ -z "${3:-}" ] || {
        cat "$3"
        head -c $(((4 - size % 4) % 4)) /dev/zero
    }
}

# The initrd: one static program that loads the modules and mounts the root. What the kernel has
# built in is no module.
image_kernel() { # ROOT OUT
    local root=$1 out=$2 version module cpio_inode=0 n=10 path
    version=$(basename "$(echo "$root"/lib/modules/*)")
    cp "$root/boot/vmlinuz-$version" "$out/vmlinuz"
    cc -O2 -static -Wall -Wextra -Werror -o "$out/init" "$here/guest/common/initrd.c"
    {
        cpio_member 0040755 dev
        cpio_member 0040755 root
        cpio_member 0100755 init "$out/init"
        for module in virtio_pci virtio_blk ext4; do
            while read -r _ path; do
                cpio_member 0100644 "$((n++))-$(basename "$path")" "$root/$path"
            done < <(chroot "$root" modprobe --show-depends -S "$version" "$module" |
                grep '^insmod')
        done
        cpio_member 0 'TRAILER!!!'
    } >"$out/initrd"
    rm -rf "$out/init" "${root:?}"/boot/*
}

# ---- filesystems ----------------------------------------------------------------------------

image_filesystems() { # DIRECTORY
    local dir=$1
    truncate -s "$SIZE_log" "$dir/log.img"
    truncate -s "$SIZE_data" "$dir/data.img"
    mkfs.xfs -q -L mysql-log "$dir/log.img"
    mkfs.xfs -q -L mysql-data "$dir/data.img"
    unshare -m --propagation private "$here/lab" in-namespace-prepare "$dir" \
        >"$LOG/prepare.log" 2>&1 || fail "initialising MySQL failed; see $LOG/prepare.log"
    truncate -s "$SIZE_root" "$dir/root.img"
    mke2fs -q -t ext4 -L cbsnap-root -d "$dir/root" "$dir/root.img"
    rm -rf "$dir/root"
}

# Runs in a mount namespace of its own, which takes all mounts along when it ends. The chroot is
# bound to a short path because a socket's path may have 107 characters only.
image_prepare_in_namespace() { # DIRECTORY
    local root=$BOOT/chroot pid
    mkdir -p "$root"
    mount --bind "$1/root" "$root"
    chroot_mounts "$root"
    mount -o loop "$1/log.img" "$root/mnt/mysql"
    mount -o loop "$1/data.img" "$root/mnt/mysqldata"
    # "second" is for tests that need another server: initialising it in the guest takes minutes
    chroot "$root" /bin/sh -c "cd /mnt/mysqldata && mkdir -m 750 mysql second &&
        chown mysql:mysql /mnt/mysql mysql second && chmod 750 /mnt/mysql &&
        $SERVER_INIT --datadir=/mnt/mysqldata/mysql &&
        $SERVER_INIT --datadir=/mnt/mysqldata/second --skip-log-bin"
    chroot "$root" mysqld --user=mysql --skip-networking &
    pid=$!
    # whatever fails below, the server must not outlive us
    trap 'kill $pid 2>/dev/null; wait $pid' EXIT
    until_ok 60 "the server in the image" chroot "$root" mysqladmin --silent ping
    sed -e "s/@USER@/$MYSQL_USER/g" -e "s/@PASSWORD@/$MYSQL_PASSWORD/g" \
        -e "s/@AGENT_PASSWORD@/$AGENT_PASSWORD/g" "$here/guest/$KIND/accounts.sql" |
        chroot "$root" mysql
    sysbench oltp_write_only --db-driver=mysql --mysql-socket="$root/run/mysqld/mysqld.sock" \
        --mysql-user="$MYSQL_USER" --mysql-password="$MYSQL_PASSWORD" --mysql-db=sbtest \
        --tables=8 --table-size=5000 prepare
    kill "$pid"
    wait "$pid"
    trap - EXIT
}

# What a server needs around it in a chroot. Sockets and pid files go to a tmpfs.
chroot_mounts() { # ROOT
    mount --bind /dev "$1/dev"
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/run"
    mount -t tmpfs tmpfs "$1/tmp"
    install -d -o "$(stat -c %u "$1/var/lib/mysql")" "$1/run/mysqld"
}
