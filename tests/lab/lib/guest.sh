# shellcheck shell=bash disable=SC2154,SC2034
# What goes on inside the guest: the root shell, and the agent under test.

# guest_sh SCRIPT: runs it as root; its output, stderr and exit status become ours. Works while
# the guest's filesystems are frozen (guest/common/rootfs/usr/local/libexec/lab-shell). 125: no answer.
guest_sh() {
    local reply status output
    reply=$(printf '%s\n' "$1" | timeout "${LAB_SH_TIMEOUT:-300}" socat -t 3600 - \
        "TCP:127.0.0.1:$PORT_SHELL,connect-timeout=5" 2>/dev/null && echo .) || true
    case $reply in
    *$'\036'*$'\036'*) ;;
    *)
        say "the guest's shell does not answer"
        return 125
        ;;
    esac
    # Output RS status RS stderr, and the dot that keeps newlines at the end. Split from the end, where the
    # short parts are: from the other end bash takes minutes for an output of megabytes.
    output=${reply%$'\036'*}
    reply=${reply:${#output}+1}
    status=${output##*$'\036'}
    printf '%s' "${output:0:${#output}-${#status}-1}"
    printf '%s' "${reply%.}" | sed '${/^$/d}' >&2
    return "$status"
}

lab_sh() {
    guest_sh "$*"
}

lab_mysql() {
    local flags=-NB
    [ "${1:-}" != -t ] || {
        flags=-t
        shift
    }
    guest_sh "mysql $flags <<'END-OF-SQL'
$*
END-OF-SQL"
}

lab_install() {
    [ $# -eq 1 ] || fail "usage: lab install PACKAGE"
    guest_install "$1"
}

lab_hook() {
    guest_sh "lab-hook ${1:-}"
    until_ok 30 "qemu-ga in the guest" qemu_ga_answers
}

# Its libraries go where the guest has none of that name: the guest's own programs keep theirs.
lab_qemu_ga() {
    [ $# -eq 1 ] && [ -x "$1" ] || fail "usage: lab qemu-ga FILE"
    guest_sh "mkdir -p /run/other-qemu-ga && cd /run/other-qemu-ga && base64 -d <<'END' | tar -xz || exit 1
$(tar -chz --transform 's|.*/||' "$1" $(ldd "$1" | grep -o '/[^ ]*') 2>/dev/null | base64)
END
for f in *.so*; do [ -e /lib/x86_64-linux-gnu/\$f ] || cp \$f /lib/x86_64-linux-gnu/; done
systemctl stop qemu-guest-agent.service
mv qemu-ga /usr/sbin/qemu-ga && cd / && rm -r /run/other-qemu-ga && systemctl start qemu-guest-agent.service"
    until_ok 30 "qemu-ga in the guest" qemu_ga_answers
}

guest_answers() {
    LAB_SH_TIMEOUT=10 guest_sh true
}

# After a restore the guest's clock stands where it was saved.
guest_set_clock() {
    LAB_SH_TIMEOUT=10 guest_sh "date -s @$(date +%s.%N)" >/dev/null
}

# ---- the agent ------------------------------------------------------------------------------

# The packages, from the files as they are now.
packages_up() {
    make -s -C "$TOP" lab-packages BUILD=build >&2 || fail "the packages cannot be built"
}

# What tells whether the checkpoint is out of date: what the package has in it, and what is done here.
agent_stamp() {
    cat "$PACKAGES/agent.$AGENT_PACKAGE.stamp" "$here/lib/guest.sh" "$here/guest/$KIND/kind.sh" 2>/dev/null |
        sha256sum | cut -c1-16
}

guest_agent_active() {
    LAB_SH_TIMEOUT=20 guest_sh \
        'systemctl is-active --quiet cbsnap-agent && test -S /run/cbsnap/agent.sock'
}

# guest_install PACKAGE: installs or upgrades it in the running guest, as an administrator would who keeps the
# configuration that is there.
# --nodeps: all that the RPM requires is there, but came by dpkg, of which rpm knows nothing.
guest_install() {
    local name=/run/cbsnap-agent.$AGENT_PACKAGE command
    case $AGENT_PACKAGE in
    # --force and the like: also the same version once more
    rpm) command="rpm -U --force --nodeps --nosignature" ;;
    deb) command="dpkg --force-confold -i" ;;
    esac
    guest_sh "base64 -d <<'END' >$name || exit 1
$(base64 "$1")
END
$command $name </dev/null
status=\$?
rm $name
exit \$status"
}

# Two settings that are the lab's: the account, which accounts.sql has made, and the mark.
agent_configure() {
    local password_file=
    [ -z "$AGENT_PASSWORD" ] || password_file='password_file = /etc/cbsnap/password'
    guest_sh "cat >/etc/cbsnap/agent.conf <<'END'
[mark]
table = cbsnap.mark
[mysql]
socket = /run/mysqld/mysqld.sock
user = cbsnap
$password_file
END
[ -z '$AGENT_PASSWORD' ] || (umask 077 && echo '$AGENT_PASSWORD' >/etc/cbsnap/password)
systemctl restart cbsnap-agent"
}

agent_into_guest() {
    {
        guest_install "$PACKAGES/agent.$AGENT_PACKAGE" && agent_configure && guest_sh sync
    } >"$LOG/install-agent.log" 2>&1 ||
        fail "the agent's package cannot be installed in the guest; see $LOG/install-agent.log"
    until_ok 60 "cbsnap-agent in the guest" guest_agent_active
}
