#!/bin/bash
# The packages of `make deb` in a Debian 12 of their own (a chroot, no systemd in charge): installed,
# upgraded from the build before, removed, purged, with each file that was there before or after looked
# at. Root. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/packaging/debian.sh

# ---- comparing

# Every file with mode, owner and content or target. Left out: what dpkg and the system keep as books.
files() { # FIND_ARGUMENT...
    find . -xdev \( -path ./proc -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache \
        -o -path ./var/log/apt -o -path ./var/lib/systemd/deb-systemd-helper-enabled \
        -o -path ./tmp -o -path ./run -o -path ./dev \) -prune -o \
        ! -name dpkg.log ! -name 'passwd*' ! -name 'group*' ! -name 'shadow*' ! -name 'gshadow*' \
        ! -name .pwd.lock "$@"
}
state() { # NAME
    (
        cd "$root" || exit
        files -type f -print0 | xargs -0 sha256sum
        echo
        files -printf '%p %y %m %u:%g %l\n'
    ) | awk 'NF == 0 { second = 1; next }
        !second { sum[$2] = $1; next }
        { path = $1; sub(/^\./, "", $1); print $0, sum[path] }' | sort >"$dir/state.$1"
}
# is TEXT FROM TO <list of changes; not behind a pipe, which would keep its count from us
is() {
    sort -k2 >"$dir/want"
    tests/packaging/changes "$dir/state.$2" "$dir/state.$3" >"$dir/have"
    diff "$dir/want" "$dir/have" >"$dir/out"
    result $? "$1"
}
# the paths of a package that are new in a system that has its dependencies
listed() { # PACKAGE STATE-BEFORE
    local path
    dpkg-deb -c "$dir/$1.deb" | awk '{ print $6 }' | while read -r path; do
        path=${path#.}
        path=${path%/}
        case $path in
        '' | /lib) continue ;;
        # where /lib leads
        /lib/*) path=/usr$path ;;
        esac
        grep -q "^$path " "$dir/state.$2" || echo "+ $path"
    done
}
install_deb() { inside dpkg --force-confold -i "/opt/$1"; }

# ---- the coordinator

coordinator() {
    local p=cbsnap-coordinator
    # as systemd makes it, were it in charge
    mkdir -p "$root/var/lib/systemd/timers"
    state before
    install_deb $p-previous.deb
    result $? 'the build before is installed'
    state previous
    is 'it brings its files, and the directories of its user' before previous < <(
        listed $p-previous before
        made_by_coordinator
    )
    grep -qE '^cbsnap:[^:]*:[0-9]+:[0-9]+:[^:]*:/var/lib/cbsnap:/usr/sbin/nologin$' "$root/etc/passwd" &&
        grep -qE '^libvirt:.*[:,]cbsnap$' "$root/etc/group"
    result $? 'user cbsnap is there, in group libvirt, and nobody logs in as it'
    inside stat -c '%U:%G %a' /var/lib/cbsnap /var/lib/cbsnap/records /var/lib/cbsnap/journal /var/log/cbsnap
    [ "$(sort <"$dir/out" | uniq -c | tr -s ' ' | tr '\n' '|')" = ' 1 cbsnap:adm 750| 3 cbsnap:cbsnap 750|' ]
    result $? 'its directories are shut to others'
    inside setpriv --reuid=cbsnap --regid=cbsnap --init-groups cbsnap-coord list && inside cbsnap-coord --version
    result $? 'the command runs as that user, with the configuration as installed'
    units_and_rules

    administrator
    state used
    install_deb $p.deb
    result $? 'it is upgraded'
    state upgraded
    is 'of its files only those changed that did; what the administrator wrote stayed' used upgraded <<END
+ /etc/cbsnap/coord.conf.dpkg-dist
~ /etc/logrotate.d/cbsnap-coordinator
- /usr/share/doc/cbsnap-coordinator/OLD
END
    grep -q 'url = https://east' "$root/etc/cbsnap/coord.conf" &&
        inside setpriv --reuid=cbsnap --regid=cbsnap --init-groups cbsnap-coord list db1 &&
        grep -q 20261124T013604Z-6e86 "$dir/out"
    result $? 'the sets taken before are listed'

    inside dpkg -r $p
    result $? 'it is removed'
    state removed
    is 'configuration, records and what was written stay, all else is gone' before removed < <(
        conffiles_of $p
        echo '+ /etc/cbsnap/coord.conf.dpkg-dist'
        made_by_coordinator
        written_by_administrator
    )
    install_deb $p.deb
    result $? 'it comes back'
    state back
    is 'as it was' upgraded back </dev/null

    inside dpkg -P $p
    result $? 'it is purged'
    grep -q 'records of sets stay' "$dir/out"
    result $? 'and says that the records stay'
    state purged
    is 'only they and their directories are left' before purged <<END
+ /var/lib/cbsnap
+ /var/lib/cbsnap/records
+ /var/lib/cbsnap/records/db1
+ /var/lib/cbsnap/records/db1/20261124T013604Z-6e86.json
END
    rm -rf "$root/var/lib/cbsnap"
    install_deb $p.deb && touch "$root/var/lib/cbsnap/journal/db1.lock" && inside dpkg -P $p && state clean
    is 'without records nothing is left at all' before clean </dev/null
}
made_by_coordinator() {
    printf '+ %s\n' /var/lib/cbsnap /var/lib/cbsnap/records /var/lib/cbsnap/journal /var/log/cbsnap
}
conffiles_of() { # PACKAGE: with the directories that hold them
    dpkg-deb --ctrl-tarfile "$dir/$1.deb" | tar -xO ./conffiles | while read -r path; do
        while [ -n "$path" ] && ! grep -q "^$path " "$dir/state.before"; do
            echo "+ $path"
            path=${path%/*}
        done
    done | sort -u
}
administrator() {
    printf '\n[appliance east]\nurl = https://east.example.com\n' >>"$root/etc/cbsnap/coord.conf"
    (umask 077 && printf '[appliance east]\napi_key = secret\n' >"$root/etc/cbsnap/credentials")
    printf '#!/bin/sh\n' >"$root/etc/cbsnap/on-failure"
    chmod 755 "$root/etc/cbsnap/on-failure"
    echo 'a failure' >"$root/var/log/cbsnap/failures.log"
    mkdir -p "$root/var/lib/cbsnap/records/db1"
    cat >"$root/var/lib/cbsnap/records/db1/20261124T013604Z-6e86.json" <<END
{"schema": 1, "cbsnap": "0.1.0", "set": "20261124T013604Z-6e86", "verdict": "application", "reasons": [],
 "started": "2026-11-24T01:36:04.020Z", "ended": "2026-11-24T01:36:08.020Z",
 "domain": {"name": "db1", "uuid": "5d9a1c2e-0000-4000-8000-00000000000a", "uri": "test:///x"},
 "volumes": []}
END
    # the keys are root's here, and stay so: no step hands them to another
    inside chown -R cbsnap:cbsnap /var/lib/cbsnap/records
    inside systemctl enable cbsnap-snapshot@db1.timer
    result $? 'a timer is enabled for a VM'
    # as if it had fired
    touch "$root/var/lib/systemd/timers/stamp-cbsnap-snapshot@db1.timer"
    # what listing sets writes is there before the comparison begins
    inside setpriv --reuid=cbsnap --regid=cbsnap --init-groups cbsnap-coord list db1
}
written_by_administrator() {
    printf '+ %s\n' /etc/cbsnap/credentials /etc/cbsnap/on-failure /var/log/cbsnap/failures.log \
        /etc/systemd/system/timers.target.wants/cbsnap-snapshot@db1.timer \
        /var/lib/systemd/timers/stamp-cbsnap-snapshot@db1.timer \
        /var/lib/cbsnap/records/db1 /var/lib/cbsnap/records/db1/20261124T013604Z-6e86.json
    (cd "$root" && find var/lib/cbsnap -name 'index*' -printf '+ /%p\n')
}
units_and_rules() {
    inside systemd-analyze verify --man=no cbsnap-snapshot@db1.service cbsnap-snapshot@db1.timer \
        cbsnap-notify@db1.service && [ ! -s "$dir/out" ]
    result $? 'systemd finds no fault with its units'
    printf '#include <tunables/global>\nprofile t {\n  #include "/usr/share/doc/cbsnap-coordinator/examples/apparmor-channel"\n}\n' \
        >"$root/tmp/profile"
    inside apparmor_parser --skip-kernel-load --skip-cache --debug /tmp/profile
    result $? 'AppArmor reads the example of an abstraction'
    inside logrotate --debug /etc/logrotate.d/cbsnap-coordinator && ! grep -q '^error' "$dir/out"
    result $? 'logrotate reads its rule'
}

# ---- the agent

agent() {
    local p=cbsnap-agent
    state before
    install_deb $p-previous.deb
    result $? 'the build before is installed: agent'
    state previous
    is 'it brings its files, and has qemu-ga run its hook' before previous < <(
        listed $p-previous before
        made_by_agent
        echo '+ /etc/systemd/system/multi-user.target.wants/cbsnap-agent.service'
    )
    grep -qx 'fsfreeze-hook=/usr/libexec/cbsnap/fsfreeze-hook' "$root/etc/qemu/qemu-ga.conf" &&
        inside /etc/qemu/fsfreeze-hook.d/cbsnap thaw
    result $? 'the hook is in place'
    inside /usr/libexec/cbsnap/fsfreeze-hook freeze
    [ $? -eq 1 ]
    result $? 'and fails a freeze that no agent answers'
    inside systemd-analyze verify --man=no cbsnap-agent.service && [ ! -s "$dir/out" ]
    result $? 'systemd finds no fault with its unit'

    echo 'user = cbsnap' >>"$root/etc/cbsnap/agent.conf"
    echo '# a wrapper' >>"$root/etc/qemu/fsfreeze-hook.d/cbsnap"
    echo '{}' >"$root/var/lib/cbsnap/instance/20261124T013604Z-6e86.json"
    inside /usr/libexec/cbsnap/qemu-ga-hook disable
    state used
    install_deb $p.deb
    result $? 'it is upgraded: agent'
    state upgraded
    is 'nothing that the administrator wrote or switched off is touched' used upgraded <<END
+ /etc/cbsnap/agent.conf.dpkg-dist
~ /etc/needrestart/conf.d/cbsnap.conf
+ /etc/qemu/fsfreeze-hook.d/cbsnap.dpkg-dist
- /usr/share/doc/cbsnap-agent/OLD
END
    inside dpkg -r $p
    result $? 'it is removed: agent'
    state removed
    is 'only its configuration and the manifests stay' before removed < <(
        conffiles_of $p
        printf '+ %s\n' /etc/cbsnap/agent.conf.dpkg-dist /etc/qemu/fsfreeze-hook.d/cbsnap.dpkg-dist \
            /var/lib/cbsnap /var/lib/cbsnap/instance \
            /var/lib/cbsnap/instance/20261124T013604Z-6e86.json
        wants
    )
    install_deb $p.deb && grep -q '^fsfreeze-hook=' "$root/etc/qemu/qemu-ga.conf"
    result $? 'it comes back, with its hook switched on'
    (umask 077 && echo secret >"$root/etc/cbsnap/password")
    inside dpkg -P $p
    result $? 'it is purged: agent'
    state purged
    is 'nothing is left' before purged </dev/null
}
made_by_agent() { printf '+ %s\n' /etc/qemu/qemu-ga.conf /var/lib/cbsnap /var/lib/cbsnap/instance; }
wants() { # masked or still wanted, as debhelper leaves it
    (cd "$root" && find etc/systemd/system -name cbsnap-agent.service -printf '+ /%p\n')
}

# The hook is a configuration file: what was done with it stays done.
hook=etc/qemu/fsfreeze-hook.d/cbsnap
agent_hook() {
    hook_as_link
    state before
    install_deb link.deb && [ -L "$root/$hook" ]
    result $? 'the first builds had a link in the place of the hook'
    # no --force: a question would fail it
    inside dpkg -i /opt/cbsnap-agent.deb </dev/null && [ ! -L "$root/$hook" ] && [ -x "$root/$hook" ] &&
        cmp "$root/$hook" packaging/deb/debian/guest/hook && ! ls "$root/$hook".* >"$dir/out" 2>&1
    result $? 'an upgrade puts the hook there, and asks nothing'
    chmod -x "$root/$hook"
    install_deb cbsnap-agent-previous.deb && install_deb cbsnap-agent.deb && [ -f "$root/$hook" ] && [ ! -x "$root/$hook" ]
    result $? 'one that was switched off stays so'
    rm "$root/$hook"
    install_deb cbsnap-agent-previous.deb && install_deb cbsnap-agent.deb && [ ! -e "$root/$hook" ]
    result $? 'and one that was removed stays away'
    inside dpkg -P cbsnap-agent
    state purged
    is 'nothing is left of that' before purged </dev/null
    install_deb cbsnap-agent.deb && ! inside /$hook freeze && inside dpkg -r cbsnap-agent && inside /$hook freeze
    result $? 'the hook of a package that was removed lets each freeze pass'
    perl -we 'my %nrconf; eval do { local (@ARGV, $/) = shift; <> }; die $@ if $@;
        exit !grep { "cbsnap-agent.service" =~ /$_/ && !$nrconf{override_rc}{$_} } keys %{$nrconf{override_rc}}' \
        "$root/etc/needrestart/conf.d/cbsnap.conf" >"$dir/out" 2>&1
    result $? 'needrestart, as it reads its configuration, leaves the agent alone'
    inside dpkg -P cbsnap-agent
}
hook_as_link() { # link.deb: the build before, as the first ones were
    dpkg-deb -R "$dir/cbsnap-agent-previous.deb" "$dir/tree" && sed -i '/fsfreeze-hook.d/d' "$dir/tree/DEBIAN/conffiles" &&
        mv "$dir/tree/$hook" "$dir/tree/usr/libexec/cbsnap/hook" && ln -s /usr/libexec/cbsnap/hook "$dir/tree/$hook" &&
        dpkg-deb --root-owner-group -b "$dir/tree" "$root/opt/link.deb" >"$dir/out"
}

both() {
    install_deb cbsnap-coordinator.deb && install_deb cbsnap-agent.deb
    result $? 'both go onto one machine'
    # as the agent is: root, without the right to write where it may not
    inside setpriv --bounding-set=-dac_override sh -c ': >/var/lib/cbsnap/instance/x && rm /var/lib/cbsnap/instance/x &&
        ! mkdir /var/lib/cbsnap/y 2>/dev/null'
    result $? 'and the agent has a place for its manifests below a directory that is the coordinator'"'"'s'
    state both &&
        inside dpkg -P cbsnap-agent && [ -e "$root/etc/cbsnap/coord.conf" ] &&
        [ -d "$root/var/lib/cbsnap/records" ] && inside dpkg -P cbsnap-coordinator && state none
    is 'both on one machine leave each other alone' before none </dev/null
}

debian_begin
coordinator
agent
agent_hook
both
tap_end
