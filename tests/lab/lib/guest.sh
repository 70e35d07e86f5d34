# shellcheck shell=bash disable=SC2154,SC2034
# What goes on inside the guest: the root shell, and the agent under test.

# guest_sh SCRIPT: runs it as root; its output, stderr and exit status become ours. Works while
# the guest's filesystems are frozen (guest/common/rootfs/usr/local/libexec/lab-shell). 125: no answer.
guest_sh() {
    local reply status
    reply=$(printf '%s\n' "$1" | timeout "${LAB_SH_TIMEOUT:-300}" socat -t 3600 - \
        "TCP:127.0.0.1:$PORT_SHELL,connect-timeout=5" 2>/dev/null && echo .) || true
    case $reply in
    *$'\036'*$'\036'*) ;;
    *)
        say "the guest's shell does not answer"
        return 125
        ;;
    esac
    # output RS status RS stderr, and the dot that keeps newlines at the end
    printf '%s' "${reply%%$'\036'*}"
    reply=${reply#*$'\036'}
    status=${reply%%$'\036'*}
    reply=${reply#*$'\036'}
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

lab_hook() {
    guest_sh "lab-hook ${1:-}"
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

# A hash of all that `make install-agent` puts in: tells whether the checkpoint is out of date.
agent_stamp() {
    [ -x "$TOP/build/cbsnap-agent" ] || {
        echo none
        return
    }
    cat "$TOP/build/cbsnap-agent" "$TOP"/hooks/*.sh "$TOP"/guest-agent/*.service \
        "$TOP"/guest-agent/agent.conf.example "$TOP"/guest-agent/cbsnap-verify-generator \
        "$here/lib/guest.sh" \
        "$here/guest/$KIND/kind.sh" | sha256sum | cut -c1-16
}

# agent_install ROOT: below a mounted root volume, or below an empty folder to be copied there.
# The host's connector, which the agent was linked with, comes along if the guest has none; the
# guest's libc is no older.
agent_install() {
    local root=$1
    [ "$(agent_stamp)" != none ] || {
        say "build/cbsnap-agent is not built: the guest goes without"
        return 0
    }
    make -s -C "$TOP" install-agent DESTDIR="$root" PREFIX=/usr >"$LOG/install-agent.log" 2>&1 ||
        fail "make install-agent failed; see $LOG/install-agent.log"
    agent_configure "$root/etc/cbsnap"
    [ -n "$GUEST_HAS_CONNECTOR" ] || connector_install "$root"
}

agent_configure() { # DIRECTORY
    cat >"$1/agent.conf" <<'END'
[mark]
table = cbsnap.mark
[mysql]
socket = /run/mysqld/mysqld.sock
user = cbsnap
END
    [ -z "$AGENT_PASSWORD" ] || {
        (umask 077 && echo "$AGENT_PASSWORD" >"$1/password")
        echo 'password_file = /etc/cbsnap/password' >>"$1/agent.conf"
    }
}

connector_install() { # ROOT
    local root=$1 library libdir plugin
    for library in $(ldd "$root/usr/sbin/cbsnap-agent" | awk '$2 == "=>" {print $3}'); do
        case $library in
        */libmariadb* | */libmysqlclient*)
            libdir=$(dirname "$(readlink -f "$library")")
            install -D -m 644 "$library" "$root$libdir/$(basename "$library")"
            # MySQL 9 begins with caching_sha2_password even where it goes on to auth_socket
            plugin=$libdir/libmariadb3/plugin/caching_sha2_password.so
            [ ! -e "$plugin" ] || install -D -m 644 "$plugin" "$root$plugin"
            ;;
        esac
    done
}

guest_has_agent() {
    [ "$(cat "$RUN/agent-stamp" 2>/dev/null || echo none)" != none ]
}

guest_agent_active() {
    LAB_SH_TIMEOUT=20 guest_sh \
        'systemctl is-active --quiet cbsnap-agent && test -S /run/cbsnap/agent.sock'
}

# Into the volume, before the first boot.
agent_into_volume() {
    local dir=$RUN/root
    mkdir -p "$dir"
    mount -o loop "$(volume_fact root path)" "$dir"
    # in a subshell, so that a failure in between cannot leave the mount behind
    (
        agent_install "$dir"
        [ "$(agent_stamp)" = none ] || ln -sf /usr/lib/systemd/system/cbsnap-agent.service \
            "$dir/etc/systemd/system/multi-user.target.wants/"
    ) || {
        umount "$dir"
        fail "the agent could not be installed in the guest's root volume"
    }
    umount "$dir"
    agent_stamp >"$RUN/agent-stamp"
}

# Into the running guest.
agent_into_guest() {
    local dir=$RUN/push
    rm -rf "$dir"
    mkdir -p "$dir"
    agent_install "$dir"
    guest_sh "systemctl stop cbsnap-agent 2>/dev/null
base64 -d <<'END' | tar -C / -xz --no-same-owner --keep-directory-symlink || exit 1
$(tar -C "$dir" -cz . | base64)
END
systemctl daemon-reload
systemctl --quiet enable cbsnap-agent && systemctl restart cbsnap-agent qemu-guest-agent && sync" ||
        fail "the agent could not be put into the guest"
    agent_stamp >"$RUN/agent-stamp"
    rm -rf "$dir"
}
