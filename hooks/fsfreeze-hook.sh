#!/bin/sh
# cbsnap-fsfreeze-runner: qemu-ga's -F points here. Runs the hooks of a directory; see hooks/README.md.
# QEMU's own runner ignores a hook that fails and exits 0, so a freeze without the MySQL lock passes
# for a consistent one. This one fails the freeze, having undone what had been done.
# Only the shell's builtins: each fork costs, and this lies within the time that writers wait.
# Nothing is logged: the log may stand on a disk that is about to freeze.
LC_ALL=C # order of the names
HOOK_DIR=${CBSNAP_HOOK_DIR:-@HOOKDIR@}

# What editors and package managers leave beside the real hooks; the stock runner skips the same.
ignored() {
    case $1 in
    *~ | *.bak | *.orig | *.rpmnew | *.rpmorig | *.rpmsave | *.sample | *.dpkg-*) return 0 ;;
    esac
    [ ! -f "$1" ] || [ ! -x "$1" ]
}

# Names must not be split, so the list is the function's own arguments, newest first.
thaw() {
    status=0
    for hook in "$@"; do
        "$hook" thaw </dev/null || status=1
    done
    return $status
}

freeze() {
    for hook in "$HOOK_DIR"/*; do
        ignored "$hook" && continue
        # the failed one too: nobody knows how far it came
        set -- "$hook" "$@"
        "$hook" freeze </dev/null && continue
        thaw "$@"
        return 1
    done
    # none there, or none that may be executed: nobody took a lock, so nothing is consistent
    [ $# -gt 0 ]
}

thaw_all() {
    for hook in "$HOOK_DIR"/*; do
        ignored "$hook" || set -- "$hook" "$@"
    done
    thaw "$@"
}

case ${1:-} in
freeze) freeze ;;
thaw) thaw_all ;;
*)
    echo "usage: $0 freeze|thaw" >&2
    exit 2
    ;;
esac
