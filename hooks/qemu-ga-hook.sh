#!/bin/sh
# qemu-ga-hook enable|disable: has qemu-ga run cbsnap's hook runner, and takes exactly that back; see
# hooks/README.md. What was there before is kept in the file itself, in a comment above the line that
# was put there. Whatever an administrator has set is left alone.
#
#   exit 0  done, or nothing to do      exit 3  left alone: it is somebody else's
#   exit 1  the file cannot be written  exit 2  usage
#
# ROOT= another root folder, for tests and images: qemu-ga is then not restarted.
set -u
export LC_ALL=C
ROOT=${ROOT:-}
runner=@LIBEXECDIR@/fsfreeze-hook
hookdir=@HOOKDIR@
# Enterprise Linux: the unit's environment; its qemu-ga always has an -F, which wins over a file
sysconfig=/etc/sysconfig/qemu-ga
stock=/etc/qemu-ga/fsfreeze-hook
# everywhere else: qemu-ga's own file, which counts when its command line has no -F
conf=/etc/qemu/qemu-ga.conf
was='# cbsnap: in place of '
added='# cbsnap: put here, and taken away again, by its package'
made='# cbsnap: this file was made by its package'

say() { echo "cbsnap: $*" >&2; }
leave() {
    say "$1 is left as it is. To have a freeze fail when MySQL cannot be locked, let qemu-ga run $runner."
    exit 3
}

# The value that counts of KEY in FILE: the last one, without quotes. Fails when there is none.
value() { # value KEY FILE
    awk -v key="$1" '
        { line = $0; sub(/^[ \t]+/, "", line) }
        index(line, key) == 1 {
            rest = substr(line, length(key) + 1)
            if (rest !~ /^[ \t]*=/) next
            sub(/^[ \t]*=[ \t]*/, "", rest); sub(/[ \t\r]+$/, "", rest)
            gsub(/^["\047]|["\047]$/, "", rest)
            found = 1; v = rest
        }
        END { if (!found) exit 1; print v }' "$2"
}

# FILE made over by `awk PROGRAM`, whole or not at all. Owner, mode and SELinux type stay, and so does
# a last line without an end.
edit() { # edit FILE AWK_ARGUMENT...
    file=$(readlink -f "$1") || return 1
    shift
    cp -a "$file" "$file.cbsnap-new" && awk "$@" "$file" >"$file.cbsnap-new" || return 1
    if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then
        truncate -s -1 "$file.cbsnap-new" || return 1
    fi
    # what a power cut leaves is the old file or the new one
    sync "$file.cbsnap-new" 2>/dev/null || sync
    mv "$file.cbsnap-new" "$file"
}

failed() { # FILE, with its ROOT
    rm -f "$(readlink -f "$1").cbsnap-new"
    say "cannot write '${1#"$ROOT"}'"
    exit 1
}

# COMMAND FILE for each file that makes qemu-ga's command line: the unit, its drop-ins, and the arguments
# that Debian's init script takes.
each_command_line() { # each_command_line COMMAND...
    unit=systemd/system/qemu-guest-agent.service
    for file in "$ROOT/etc/$unit" "$ROOT/lib/$unit" "$ROOT/usr/lib/$unit" "$ROOT/etc/$unit.d"/*.conf \
        "$ROOT/run/$unit.d"/*.conf "$ROOT/usr/lib/$unit.d"/*.conf "$ROOT/etc/default/qemu-guest-agent"; do
        [ ! -r "$file" ] || "$@" "$file"
    done
}

# Whether the command line itself names a hook, which wins over any file.
command_line_names_hook() {
    each_command_line grep -hE "^[^#;]*[[:space:]=\"'](-F|--fsfreeze-hook)" | grep -qv FSFREEZE_HOOK_PATHNAME
}

# qemu-ga reads its configuration when it starts, and must not be stopped in a freeze.
restart() {
    [ -z "$ROOT" ] || return 0
    @LIBEXECDIR@/when-idle systemctl try-restart qemu-guest-agent.service ||
        say "restart qemu-guest-agent for this to take effect"
}

# The stock runner goes on past a hook that fails, and where there was none nobody ran these.
tell_of_other_hooks() {
    for hook in "$ROOT$hookdir"/*; do
        # as the runner does
        case $hook in
        */cbsnap | *~ | *.bak | *.orig | *.rpmnew | *.rpmorig | *.rpmsave | *.sample | *.dpkg-*) continue ;;
        esac
        [ ! -f "$hook" ] || [ ! -x "$hook" ] ||
            say "from now on each freeze runs ${hook#"$ROOT"} too, and fails when that exits with anything but 0"
    done
}

# ---- Enterprise Linux ------------------------------------------------------------------------

# Whether the runner that qemu-guest-agent brings is as it was brought. rpm -V has one line for each
# file that differs, with a 5 in the third place for other content; it is silent about the others.
stock_runner_is_pristine() {
    rpm ${ROOT:+--root "$ROOT"} -qf "$stock" >/dev/null 2>&1 || return 1
    ! rpm ${ROOT:+--root "$ROOT"} -Vf --nodeps --noscripts "$stock" 2>/dev/null |
        awk -v f="$stock" '$NF == f && (/^..5/ || /^missing/) { found = 1 } END { exit !found }'
}

enable_sysconfig() {
    now=$(value FSFREEZE_HOOK_PATHNAME "$1") || leave "$sysconfig, which names no hook,"
    [ "$now" != "$runner" ] || exit 0
    [ "$now" = "$stock" ] || leave "FSFREEZE_HOOK_PATHNAME=$now in $sysconfig"
    stock_runner_is_pristine || leave "$stock was changed, or is no package's: it"
    # the assignment that counts is the last one
    # shellcheck disable=SC2016 # awk's own
    edit "$1" -v runner="$runner" -v was="$was" '
        { line[NR] = $0 }
        /^[ \t]*FSFREEZE_HOOK_PATHNAME[ \t]*=/ { last = NR }
        END {
            for (n = 1; n <= NR; n++)
                print n == last ? was line[n] "\nFSFREEZE_HOOK_PATHNAME=" runner : line[n]
        }' || failed "$1"
}

# ---- elsewhere -------------------------------------------------------------------------------

enable_conf() {
    if [ ! -e "$1" ]; then
        umask 022
        mkdir -p "${1%/*}" || failed "$1"
        printf '%s\n[general]\nfsfreeze-hook=%s\n' "$made" "$runner" >"$1" || failed "$1"
        return 0
    fi
    if now=$(value fsfreeze-hook "$1"); then
        [ "$now" != "$runner" ] || exit 0
        leave "fsfreeze-hook=$now in $conf"
    fi
    edit "$1" -v runner="$runner" -v added="$added" '
        { print }
        !done && /^[ \t]*\[general\][ \t]*$/ { print added "\nfsfreeze-hook=" runner; done = 1 }
        END { if (!done) print added "\n[general]\nfsfreeze-hook=" runner }' || failed "$1"
}

# ---- taking it back --------------------------------------------------------------------------

# Below each of our comments stands what we put there, unless somebody has changed it: then that stays
# and only the comment goes.
undo() { # undo FILE
    [ -e "$1" ] || return 0
    grep -qF -e "$was" -e "$added" -e "$made" "$1" || return 0
    # shellcheck disable=SC2016 # awk's own
    edit "$1" -v runner="$runner" -v was="$was" -v added="$added" -v made="$made" '
        function ours(text) { return text == "FSFREEZE_HOOK_PATHNAME=" runner || text == "fsfreeze-hook=" runner }
        # a group that we began stays when somebody has put more below it
        function group_is_ours(n) {
            return line[n] == "[general]" && ours(line[n + 1]) &&
                (n + 2 > NR || line[n + 2] ~ /^[ \t]*(\[|$)/)
        }
        { line[NR] = $0 }
        END {
            for (n = 1; n <= NR; n++) {
                if (index(line[n], was) == 1) {
                    before = substr(line[n], length(was) + 1)
                    if (ours(line[n + 1])) { print before; n++ }
                } else if (line[n] == added || line[n] == made) {
                    if (group_is_ours(n + 1)) n += 2
                    else if (ours(line[n + 1])) n++
                    else if (ours(line[n + 2])) { print line[n + 1]; n += 2 }
                } else print line[n]
            }
        }' || failed "$1"
}

# An administrator's own line, which undo() leaves: in a removal of the package it would go on naming what
# is gone, and qemu-ga fails a freeze whose hook it cannot run.
tell_who_names_it() { # tell_who_names_it FILE
    grep -sF "$runner" "$1" | grep -qv '^[[:space:]]*[#;]' || return 0
    say "${1#"$ROOT"} still names $runner: once that is removed, every freeze fails until it is taken out"
    still_named=1
}

disable() {
    ! grep -qsF "$made" "$ROOT$conf" || alone=1
    undo "$ROOT$sysconfig"
    undo "$ROOT$conf"
    [ -z "${alone:-}" ] || [ -s "$ROOT$conf" ] || rm -f "$ROOT$conf"
}

case ${1:-} in
enable)
    ! command_line_names_hook || leave "the -F on qemu-ga's command line"
    if [ -e "$ROOT$sysconfig" ]; then
        enable_sysconfig "$ROOT$sysconfig"
    else
        enable_conf "$ROOT$conf"
    fi
    say "qemu-ga now runs $runner at each freeze, and one fails while MySQL cannot be locked: cbsnap-agent check"
    tell_of_other_hooks
    restart
    ;;
disable)
    before=$(cat "$ROOT$sysconfig" "$ROOT$conf" 2>/dev/null)
    disable
    [ "$before" = "$(cat "$ROOT$sysconfig" "$ROOT$conf" 2>/dev/null)" ] || restart
    still_named=
    for file in "$ROOT$sysconfig" "$ROOT$conf"; do tell_who_names_it "$file"; done
    each_command_line tell_who_names_it
    [ -z "$still_named" ] || exit 3
    ;;
*)
    echo "usage: qemu-ga-hook enable|disable" >&2
    exit 2
    ;;
esac
exit 0
