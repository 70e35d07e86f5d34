# Run by /bin/sh -eu inside the new guest: what package installation leaves to do.
units="lab-net.service lab-shell.service $server_unit"
for unit in $units; do
    ln -sf "$(ls /etc/systemd/system/$unit /usr/lib/systemd/system/$unit 2>/dev/null | head -n 1)" \
        /etc/systemd/system/multi-user.target.wants/$unit
done
# by the name that tests use
[ "$server_unit" = mysql.service ] ||
    ln -sf "/usr/lib/systemd/system/$server_unit" /etc/systemd/system/mysql.service
# nothing may run by itself: a case starts from the same state and the same idle load each time;
# and what the guest can do without costs seconds of each boot
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer xfs_scrub_all.timer systemd-tmpfiles-clean.timer \
    getty@tty1.service serial-getty@ttyS0.service systemd-networkd.service \
    systemd-networkd-wait-online.service systemd-hwdb-update.service xfs_healer_start.service \
    systemd-logind.service modprobe@configfs.service modprobe@efi_pstore.service \
    modprobe@drm.service systemd-binfmt.service systemd-journal-flush.service \
    systemd-random-seed.service systemd-boot-random-seed.service systemd-pcrphase.service \
    prometheus-node-exporter.service prometheus-mysqld-exporter.service; do
    [ "$unit" != "$kept_unit" ] || continue
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >/etc/machine-id
echo cbsnap-lab >/etc/hostname
printf '127.0.0.1 localhost cbsnap-lab\n' >/etc/hosts
mkdir -p /mnt/mysql /mnt/mysqldata
chmod 755 /usr/local/sbin/* /usr/local/libexec/*
# what is installed later is installed whole
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap
# the package's own, in the wrong place
rm -rf /var/lib/mysql/* /var/lib/mysql-files/* /var/log/mysql/* /var/lib/apt/lists/* \
    /var/cache/apt/*.bin
# 'nothing was updated since': spares the first boot a run of ldconfig, hwdb and others
touch /etc/.updated /var/.updated
