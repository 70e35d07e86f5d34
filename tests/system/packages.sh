#!/bin/bash
# The agent's package in the real guest: an upgrade from the build before it under load and in a freeze, removal
# (of Debian's also purge), each file of the guest compared before and after, and back again. Here with rpm in
# the layout of CentOS; mariadb.sh (make check-mariadb) has the same with dpkg in Debian's.
. "$(dirname "$0")/lib.sh"

current=$LAB_PACKAGES/agent.$LAB_AGENT_PACKAGE
previous=$LAB_PACKAGES/previous/agent.$LAB_AGENT_PACKAGE
guest() { "$LAB" sh "$@"; }
install_it() { "$LAB" install "$1" >"$work/install" 2>&1; }
installed() { # the version, as the guest's database of packages has it
    case $LAB_AGENT_PACKAGE in
    rpm) guest "rpm -q --qf '%{VERSION}-%{RELEASE}\n' cbsnap-agent" ;;
    deb) guest "dpkg-query -W -f '\${Version}\n' cbsnap-agent" ;;
    esac
}
version_of() { # PACKAGE
    case $LAB_AGENT_PACKAGE in
    rpm) rpm -qp --nosignature --qf '%{VERSION}-%{RELEASE}\n' "$1" ;;
    deb) dpkg-deb -f "$1" Version ;;
    esac
}
# what the agent's process is: its pid, and whether its program is the one that is installed
process() {
    # shellcheck disable=SC2016 # the guest's own
    guest 'p=$(systemctl show -P MainPID cbsnap-agent); [ /proc/$p/exe -ef /usr/sbin/cbsnap-agent ] &&
        echo "$p new" || echo "$p old"'
}
idle() { [ "$(agent_state 2>/dev/null)" = idle ]; }
hook_is_on() {
    guest 'grep -qx "\(FSFREEZE_HOOK_PATHNAME\|fsfreeze-hook\)=/usr/libexec/cbsnap/fsfreeze-hook" \
        /etc/sysconfig/qemu-ga /etc/qemu/qemu-ga.conf 2>/dev/null'
}

# ---- listings of the guest's files

# Each file of the root filesystem with mode and owner; below /etc its content, for what is changed and given
# back is the same; elsewhere size and time of change, since reading all of it takes minutes here. Left out: the
# books of package managers and systemd, logs, caches.
state() { # NAME
    guest 'cd / && files() {
        find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/rpm -o -path ./var/lib/rpm-state -o -path ./var/log \
            -o -path ./var/cache -o -path ./var/lib/systemd \) -prune -o "$@"
    }
    files -path "./etc/*" -type f -exec sha256sum {} +
    echo
    files \( -path "./etc/*" -o ! -type f \) -printf "%p %y %m %u:%g %l\n" -o -printf "%p %y %m %u:%g %s %C@\n"' |
        awk 'NF == 0 { second = 1; next }
            !second { sum[$2] = $1; next }
            { path = $1; sub(/^\./, "", $1); print $0, sum[path] }' | sort >"$work/state.$1"
    [ "$(wc -l <"$work/state.$1")" -gt 1000 ] || { echo "Bail out! the guest's files cannot be listed"; exit 1; }
}
# differ TEXT FROM TO <list of changes; not behind a pipe, which would keep its count from us
differ() {
    sort -u -k2 >"$work/want"
    tests/packaging/changes "$work/state.$2" "$work/state.$3" >"$work/have"
    diff "$work/want" "$work/have" >"$work/diff"
    ok $? "$1 ($(wc -l <"$work/have") differences)" "$(cat "$work/diff")"
}
# the paths of a package, without those on tmpfs
paths_of() { # PACKAGE
    case $LAB_AGENT_PACKAGE in
    rpm) rpm -qlp --nosignature "$1" ;;
    deb) dpkg-deb -c "$1" | awk '{ print $6 }' | sed 's|^\.||; s|^/lib/|/usr/lib/|; s|/$||' ;;
    esac | grep -v -e '^/run/' -e '^/lib$' -e '^$'
}
new_of() { # PACKAGE: those that the guest did not have before
    paths_of "$1" | while read -r path; do
        grep -q "^$path " "$work/state.before" || echo "+ $path"
    done
}
replaced_of() { # PACKAGE: its files outside of /etc, put there anew
    paths_of "$1" | while read -r path; do
        case $path in /etc/*) ;; *) grep "^$path f " "$work/state.previous" | sed 's/\([^ ]*\) .*/~ \1/' ;; esac
    done
}

case $LAB_AGENT_PACKAGE in
rpm)
    remove='rpm -e cbsnap-agent'
    pristine='rpm -V --nodeps --nomtime qemu-guest-agent'
    default=/etc/cbsnap/agent.conf.rpmnew
    by_installing='~ /etc/sysconfig/qemu-ga
+ /etc/systemd/system/multi-user.target.wants/cbsnap-agent.service'
    by_upgrading="+ $default"
    left='+ /etc/cbsnap/agent.conf.rpmsave'
    ;;
deb)
    remove='dpkg -r cbsnap-agent'
    pristine='dpkg -V qemu-guest-agent | grep " /etc/"; ls /etc/qemu | grep -v "^fsfreeze-hook"'
    default=/etc/cbsnap/agent.conf.dpkg-dist
    by_installing='+ /etc/qemu/qemu-ga.conf
+ /etc/systemd/system/multi-user.target.wants/cbsnap-agent.service
+ /var/lib/cbsnap
+ /var/lib/cbsnap/instance'
    by_upgrading="+ $default
~ /etc/needrestart/conf.d/cbsnap.conf
~ /etc/qemu/fsfreeze-hook.d/cbsnap
- /usr/share/doc/cbsnap-agent/OLD"
    # dpkg keeps what is needed to come back as it was
    left='+ /etc/cbsnap/agent.conf
+ /etc/systemd/system/multi-user.target.wants/cbsnap-agent.service'
    ;;
esac

# ---- a guest without it

guest "mkdir /run/kept && cp -a /etc/cbsnap /run/kept && echo '# by the administrator' >>/run/kept/cbsnap/agent.conf"
guest "${remove/-r /-P }" >"$work/remove" 2>&1
ok $? "the agent that the lab has installed is removed" "$(cat "$work/remove")"
# what is left then, and why, is looked at below
guest 'rm -rf /etc/cbsnap /var/lib/cbsnap'
state before
is "$(grep -c cbsnap "$work/state.before")" 0 "after that the guest knows nothing of cbsnap" \
    "$(grep cbsnap "$work/state.before")"
is "$(guest "$pristine" 2>&1)" '' "and qemu-ga's configuration is as its package brought it"

# ---- the build before, and an administrator

install_it "$previous"
ok $? "the build before is installed: $(version_of "$previous")" "$(cat "$work/install")"
is "$(installed)" "$(version_of "$previous")" "so says the guest's database of packages"
eventually 30 idle && hook_is_on
ok $? "its agent runs and qemu-ga has its hook"
state previous
differ "what is new or changed is the package's files, and what switches it on" before previous < <(
    new_of "$previous"
    echo "$by_installing"
)
guest 'cp -a /run/kept/cbsnap/. /etc/cbsnap && systemctl restart cbsnap-agent'
state used

# ---- an upgrade under load

was=$(process)
ga=$(guest 'pidof qemu-ga')
"$LAB" load start
"$LAB" meter start
sleep 3
from=$(now_ms)
install_it "$current"
ok $? "it is upgraded to $(version_of "$current") under load, in $(($(now_ms) - from)) ms" "$(cat "$work/install")"
sleep 2
"$LAB" meter stop >"$work/meter"
ok $? "the writing client saw no error" "$(cat "$work/meter")"
"$LAB" load stop
is "$("$LAB" load report | awk '/^errors/ {print $2}')" 0 "nor did the load"
max=$(awk '/^max_ms/ {print $2}' "$work/meter")
holds "its longest write took $max ms, less than 5 s" "$max < 5000"
is "$(installed)" "$(version_of "$current")" "the guest's database of packages has the new version"
now=$(process)
[ "${now#* }" = new ] && [ "${now% *}" != "${was% *}" ]
ok $? "the new program runs" "was: $was, is: $now"
is "$(guest 'pidof qemu-ga')" "$ga" "qemu-ga was left alone"
hook_is_on
ok $? "and still has its hook"
state upgraded
differ "changed are the package's files; the configuration, edited, is as it was" used upgraded < <(
    replaced_of "$current"
    echo "$by_upgrading"
)

# ---- an upgrade in a freeze

thawed() { virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/thaw" 2>&1; }
# upgrade_frozen TEXT SIGN OPTION...: by virsh domfsfreeze, while SIGN says that the upgrade has come to its wait
upgrade_frozen() {
    local text=$1 sign=$2 was now
    shift 2
    install_it "$previous"
    ok $? "$text: the build before is back" "$(cat "$work/install")"
    eventually 30 idle
    virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" "$@" >"$work/freeze" 2>&1
    ok $? "$text: virsh domfsfreeze succeeds" "$(cat "$work/freeze")"
    was=$(process)
    "$LAB" install "$current" >"$work/install" 2>&1 &
    upgrade=$!
    eventually 40 guest "$sign"
    ok $? "$text: the upgrade is under way"
    sleep 3
    now=$(process)
    [ "${now% *}" = "${was% *}" ] && lock_held
    ok $? "$text: it waits, the agent is the one of before and holds the lock" "was: $was, is: $now"
    [ "$(write_ms 1 2>/dev/null)" = timeout ]
    ok $? "$text: a write blocks"
    thawed
    ok $? "$text: virsh domfsthaw succeeds" "$(cat "$work/thaw")"
    from=$(now_ms)
    wait $upgrade
    ok $? "$text: the upgrade ends well, $(($(now_ms) - from)) ms after the thaw" "$(cat "$work/install")"
    now=$(process)
    [ "${now#* }" = new ] && [ "${now% *}" != "${was% *}" ] && [ "$(agent_state)" = idle ]
    ok $? "$text: then the new program runs" "was: $was, is: $now"
    is "$(installed)" "$(version_of "$current")" "$text: of the new version"
    writes_go_on "$text: writes go on"
}
# the package manager's own files can be written: it comes as far as the restart
upgrade_frozen 'MySQL frozen' 'pgrep -f libexec/cbsnap/when-idle >/dev/null' \
    --mountpoint /mnt/mysql --mountpoint /mnt/mysqldata
grep -q 'a freeze is under way' "$work/install"
ok $? "MySQL frozen: and it said that it waits for the end of the freeze" "$(cat "$work/install")"
# They cannot: it stands still at its first write. In the second guest with ALL=1.
if [ "$LAB_AGENT_PACKAGE" = rpm ] || [ -n "${ALL:-}" ]; then
    upgrade_frozen 'all frozen' 'pgrep -x "rpm|dpkg" >/dev/null'
fi
set=$(coord snapshot "$LAB_DOMAIN" 2>"$work/err")
is $? 0 "a set is taken with the agent as upgraded" "$(cat "$work/err")"

# ---- removal

guest "$remove" >"$work/remove" 2>&1
ok $? "the agent is removed" "$(cat "$work/remove")"
state removed
kept() { # what stays whatever is removed
    [ "$LAB_AGENT_PACKAGE" != deb ] || {
        printf '+ %s\n' /etc/cbsnap/password
        new_of "$current" | grep -E '^. /etc/(needrestart|qemu)'
    }
    echo '+ /etc/cbsnap'
}
differ "left are the configuration that was changed and the set's manifest" before removed < <(
    kept
    printf '%s\n' "$left" "+ $default" '+ /var/lib/cbsnap'
    printf '+ /var/lib/cbsnap/instance%s\n' '' "/$set.json" /order
)
! guest 'pidof cbsnap-agent' && virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1 && thawed
ok $? "no agent runs, and qemu-ga freezes and thaws without it" "$(cat "$work/freeze")"
if [ "$LAB_AGENT_PACKAGE" = deb ]; then
    guest 'dpkg -P cbsnap-agent' >"$work/remove" 2>&1
    ok $? "it is purged" "$(cat "$work/remove")"
    state purged
    differ "nothing of it is left" before purged </dev/null
fi

# ---- and back

guest 'rm -rf /etc/cbsnap/agent.conf*'
install_it "$current"
ok $? "it is installed again" "$(cat "$work/install")"
guest 'cp -a /run/kept/cbsnap/. /etc/cbsnap && systemctl restart cbsnap-agent'
eventually 30 idle && hook_is_on
ok $? "its agent runs and qemu-ga has its hook again"
coord snapshot "$LAB_DOMAIN" >/dev/null 2>"$work/err"
is $? 0 "and a set is taken" "$(cat "$work/err")"
