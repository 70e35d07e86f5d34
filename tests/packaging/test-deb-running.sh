#!/bin/bash
# The packages where systemd is in charge: a Debian 12 of their own whose init runs in namespaces. What a
# scheduled run may write, what is told when it fails, a timer that fires; an upgrade of the agent, also in a
# freeze; what a remove stops. No VM, no server: the runs fail, which is what is looked at. Root. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/packaging/debian.sh
init=''
outer=''
cgroup=/sys/fs/cgroup
[ ! -d $cgroup/systemd ] || cgroup=$cgroup/systemd

halt() {
    [ -z "$init" ] || kill -KILL "$init" 2>/dev/null
    [ -z "$outer" ] || wait "$outer" 2>/dev/null
    find "$cgroup/cbsnap-test-$$" -depth -type d -exec rmdir {} + 2>/dev/null
    debian_end
}
trap halt EXIT

# systemd takes the cgroup that it finds itself in for the root: one of its own, below ours.
boot() {
    mkdir "$cgroup/cbsnap-test-$$" || return 1
    # shellcheck disable=SC2016 # the inner shell's own
    sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --pid --fork --mount --cgroup --uts --ipc sh -c "$2" sh "$3"' \
        sh "$cgroup/cbsnap-test-$$" '
        mount --make-rprivate / && mount --rbind "$1" "$1" && mount -t tmpfs tmpfs "$1/run" &&
            mount -t sysfs -o ro sysfs "$1/sys" && mount --rbind /dev "$1/dev" || exit 1
        if [ -d /sys/fs/cgroup/systemd ]; then
            mount -t tmpfs tmpfs "$1/sys/fs/cgroup" && mkdir "$1/sys/fs/cgroup/systemd" &&
                mount -t cgroup -o none,name=systemd cgroup "$1/sys/fs/cgroup/systemd"
        else
            mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
        fi
        umount "$1/proc" && mount -t proc proc "$1/proc" &&
            exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$1" /lib/systemd/systemd \
                --unit=basic.target' "$root" >"$dir/boot" 2>&1 </dev/null &
    outer=$!
    within 120 started
}
started() {
    init=$(tr -d ' ' <"/proc/$outer/task/$outer/children") && [ -n "$init" ] &&
        there systemctl is-active basic.target
}
there() { nsenter --target "$init" --all --root --wd=/ "$@" >"$dir/out" 2>&1; }
within() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}
property() { there systemctl show --property "$1" --value "$2" && cat "$dir/out"; }

debian_begin
rm "$root/usr/sbin/policy-rc.d"
if ! boot; then
    echo "ok 1 # SKIP systemd does not run in namespaces here: $(tail -n 1 "$dir/boot")"
    echo 1..1
    exit 0
fi

# ---- the coordinator

there dpkg -i /opt/cbsnap-coordinator-previous.deb
result $? 'the coordinator is installed'
# as it would be with a build of another day: systemd compares times
touch -d 2020-01-01 "$root"/lib/systemd/system/cbsnap-*
there systemctl daemon-reload && there systemctl start cbsnap-snapshot@db9.timer
there dpkg -i /opt/cbsnap-coordinator.deb &&
    [ "$(property NeedDaemonReload cbsnap-snapshot@db9.timer)" = no ] && there systemctl stop cbsnap-snapshot@db9.timer
result $? 'and upgraded: systemd knows the units as they are now'
printf '#!/bin/sh\n{ id -un; printf "%%s\\n" "$@"; /opt/as-mailer -gn; } >/var/lib/cbsnap/told\n' >"$root/etc/cbsnap/on-failure"
chmod 700 "$root/etc/cbsnap/on-failure"
# setgid, as postfix's postdrop is
cp "$root/usr/bin/id" "$root/opt/as-mailer" && there chgrp mail /opt/as-mailer && there chmod 2755 /opt/as-mailer

! there systemctl start cbsnap-snapshot@db-1.service &&
    [ "$(property ExecMainStatus cbsnap-snapshot@db-1.service)" = 2 ]
result $? 'a run without an appliance fails, with status 2'
within 20 there systemctl is-failed cbsnap-notify@db-1.service && there journalctl -o cat -u cbsnap-notify@db-1.service &&
    grep -q '^cannot run /etc/cbsnap/on-failure: ' "$dir/out"
result $? 'a hook that only root may run is not run, and it is said'
chmod 755 "$root/etc/cbsnap/on-failure"
there systemctl start cbsnap-snapshot@db-1.service
within 20 grep -qxs mail "$root/var/lib/cbsnap/told"
cp "$root/var/lib/cbsnap/told" "$dir/out"
[ "$(head -n 4 "$dir/out" | tr '\n' '|')" = 'cbsnap|db-1|exit-code|2|' ] &&
    sed -n 5p "$dir/out" | grep -q '^cbsnap-coord: .* names no appliance'
result $? "the hook is told as user cbsnap, with the run's last words"
[ "$(sed -n 6p "$root/var/lib/cbsnap/told")" = mail ]
result $? 'and a setgid program, as mailers have, gains its group'
grep -qs ' db-1 exit-code 2 cbsnap-coord: ' "$root/var/log/cbsnap/failures.log" &&
    [ "$(stat -c %a "$root/var/log/cbsnap/failures.log")" = 640 ]
result $? 'and it is written down'

mkdir -p "$root/etc/systemd/system/cbsnap-snapshot@db2.service.d" "$root/etc/systemd/system/cbsnap-snapshot@db3.timer.d"
cat >"$root/etc/systemd/system/cbsnap-snapshot@db2.service.d/t.conf" <<'END'
[Service]
ExecStart=
ExecStart=/bin/sh -c 'id; touch /var/lib/cbsnap/records/x && ! touch /etc/x && ! touch /var/log/x && ! ls /root && ! test -e /dev/mem && grep "NoNewPrivs:.1" /proc/self/status && grep "CapBnd:.0*$" /proc/self/status'
END
printf '[Timer]\nOnCalendar=\nOnActiveSec=1\nRandomizedDelaySec=0\nAccuracySec=1\n' \
    >"$root/etc/systemd/system/cbsnap-snapshot@db3.timer.d/t.conf"
there systemctl daemon-reload
there systemctl start cbsnap-snapshot@db2.service
status=$?
there journalctl -o cat -u cbsnap-snapshot@db2.service
[ $status -eq 0 ] && grep -q 'uid=[0-9]*(cbsnap) gid=[0-9]*(cbsnap) groups=.*(libvirt)' "$dir/out"
result $? 'a run is user cbsnap in group libvirt, writes its records and nothing else, and has no rights'
there install -d -o cbsnap /srv/cbsnap && mkdir "$root/etc/systemd/system/cbsnap-snapshot@.service.d" &&
    printf '[Service]\nReadWritePaths=/srv/cbsnap\n' >"$root/etc/systemd/system/cbsnap-snapshot@.service.d/state-dir.conf" &&
    sed -i 's|records/x|& /srv/cbsnap/x|' "$root/etc/systemd/system/cbsnap-snapshot@db2.service.d/t.conf" &&
    there systemctl daemon-reload && there systemctl start cbsnap-snapshot@db2.service && [ -e "$root/srv/cbsnap/x" ]
result $? 'and, with a drop-in for all, in another place'
there systemctl start cbsnap-snapshot@db3.timer
within 30 grep -qs ' db3 ' "$root/var/log/cbsnap/failures.log"
result $? 'a timer fires'
there systemctl enable --now cbsnap-snapshot@db-1.timer && there systemctl list-timers &&
    grep -q '03:[34].*cbsnap-snapshot@db-1.timer' "$dir/out"
result $? 'as enabled it is for the night'

# ---- the agent

mkdir -p "$root/etc/systemd/system/cbsnap-agent.service.d"
printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >"$root/etc/systemd/system/cbsnap-agent.service.d/t.conf"
there timeout 60 dpkg -i /opt/cbsnap-agent-previous.deb && grep -q 'does not run; when it does: .*qemu-ga-hook enable' "$dir/out" &&
    ! grep -qs '^fsfreeze-hook' "$root/etc/qemu/qemu-ga.conf"
result $? 'an agent that does not start is given no hook, and it is said'
there dpkg -P cbsnap-agent
rm -r "$root/etc/systemd/system/cbsnap-agent.service.d"
there systemctl daemon-reload && there dpkg -i /opt/cbsnap-agent-previous.deb
result $? 'the agent is installed'
there systemctl is-active cbsnap-agent.service && there systemctl is-enabled cbsnap-agent.service &&
    there cbsnap-agent status
result $? 'it runs, answers, and will after a boot'
old=$(property MainPID cbsnap-agent.service)
there touch /run/qga.state.isfrozen
nsenter --target "$init" --all --root --wd=/ dpkg -i /opt/cbsnap-agent.deb >"$dir/upgrade" 2>&1 &
upgrade=$!
within 60 grep -q 'a freeze is under way' "$dir/upgrade" && sleep 2 &&
    [ "$(property MainPID cbsnap-agent.service)" = "$old" ]
result $? 'an upgrade in a freeze leaves the old one running'
there rm /run/qga.state.isfrozen
wait $upgrade && there systemctl is-active cbsnap-agent.service &&
    [ "$(property MainPID cbsnap-agent.service)" != "$old" ]
result $? 'when that is over the new one takes its place'
old=$(property MainPID cbsnap-agent.service)
there cp /etc/cbsnap/agent.conf /opt/agent.conf
echo 'colour = red' >>"$root/etc/cbsnap/agent.conf"
there dpkg -i --force-confold /opt/cbsnap-agent.deb && grep -q 'the old agent runs on' "$dir/out" && grep -q "no option 'colour'" "$dir/out" &&
    [ "$(property MainPID cbsnap-agent.service)" = "$old" ]
result $? 'one that does not take its configuration leaves the old one running, and it is said'
there cp /opt/agent.conf /etc/cbsnap/agent.conf

# ---- and gone

# the hook is an administrator's by now: its switch has nothing to do, and waits for nothing
there sed -i '/cbsnap/d' /etc/qemu/qemu-ga.conf
there touch /run/qga.state.isfrozen
nsenter --target "$init" --all --root --wd=/ dpkg -r cbsnap-coordinator cbsnap-agent >"$dir/removal" 2>&1 &
removal=$!
within 60 grep -q 'a freeze is under way' "$dir/removal" && sleep 2 && there systemctl is-active cbsnap-agent.service
result $? 'a removal in a freeze leaves the agent running'
there rm /run/qga.state.isfrozen
wait $removal
result $? 'and is done when that is over'
! there systemctl is-active cbsnap-snapshot@db-1.timer && ! there systemctl is-active cbsnap-agent.service
result $? 'timers and agent have been stopped'
there systemctl --failed --plain --no-legend
! grep -v 'cbsnap-snapshot@' "$dir/out" | grep -q cbsnap
result $? 'and nothing else of theirs has failed'
there touch -d '3 days ago' /var/lib/systemd/timers/stamp-cbsnap-snapshot@db-1.timer
there dpkg -i /opt/cbsnap-coordinator.deb && there systemctl is-active cbsnap-snapshot@db-1.timer
result $? 'installed again, a timer that was enabled runs'
there systemctl list-timers && grep -q '03:[34].*cbsnap-snapshot@db-1.timer' "$dir/out"
result $? 'and is for the next night, not for those that were missed'

tap_end
