#!/bin/sh
# hooks/fsfreeze-hook.sh against scratch hooks: order, failures, what is skipped, odd names.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
dir=$(mktemp -d /tmp/cbsnap-hooks.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
sed 's|@HOOKDIR@|/nonexistent|' hooks/fsfreeze-hook.sh >"$dir/runner"
chmod +x "$dir/runner"
export CBSNAP_HOOK_DIR="$dir/hooks.d"
export TRACE="$dir/trace"

fresh() {
    rm -rf "$CBSNAP_HOOK_DIR"
    mkdir "$CBSNAP_HOOK_DIR"
    : >"$TRACE"
}
hook() { # hook NAME [EXIT_AT_FREEZE] [EXIT_AT_THAW]: one that writes down how it was called
    cat >"$CBSNAP_HOOK_DIR/$1" <<END
#!/bin/sh
echo "$1:\$1" >>"\$TRACE"
[ "\$1" = freeze ] && exit ${2:-0}
exit ${3:-0}
END
    chmod +x "$CBSNAP_HOOK_DIR/$1"
}
trace_is() { # one line per call
    [ "$(cat "$TRACE")" = "$1" ] || { echo "called:"; cat "$TRACE"; echo "wanted:"; echo "$1"; false; }
}

in_order() {
    fresh; hook 20-b; hook 10-a; hook B
    "$dir/runner" freeze && trace_is '10-a:freeze
20-b:freeze
B:freeze'
}
ok 'freeze runs all, in order of name' in_order
reverse() {
    : >"$TRACE"
    "$dir/runner" thaw && trace_is 'B:thaw
20-b:thaw
10-a:thaw'
}
ok 'thaw runs all, newest first' reverse
stops() {
    fresh; hook 1; hook 2 3; hook 3
    "$dir/runner" freeze && return 1
    trace_is '1:freeze
2:freeze
2:thaw
1:thaw'
}
ok 'a hook that fails ends the freeze: it and those before are thawed, exit 1' stops
carries_on() {
    fresh; hook 1; hook 2 0 1; hook 3
    "$dir/runner" thaw && return 1
    trace_is '3:thaw
2:thaw
1:thaw'
}
ok 'thaw carries on past a failure, and reports it' carries_on
skips() {
    fresh
    for n in a~ b.bak c.orig d.rpmnew e.rpmorig f.rpmsave g.sample h.dpkg-old i.dpkg-dist; do
        hook "$n" 1 1
    done
    hook j 1 1
    chmod -x "$CBSNAP_HOOK_DIR/j"
    mkdir "$CBSNAP_HOOK_DIR/k"
    hook z
    "$dir/runner" freeze && "$dir/runner" thaw && trace_is 'z:freeze
z:thaw'
}
ok 'backups, samples, directories and what is not executable are skipped' skips
odd_names() {
    fresh; hook 'a b * c'; hook '-n'
    "$dir/runner" freeze && [ "$(grep -c freeze "$TRACE")" = 2 ] && "$dir/runner" thaw &&
        [ "$(grep -c thaw "$TRACE")" = 2 ]
}
ok 'blanks, stars and dashes in names do no harm' odd_names
broken_hook() {
    fresh
    printf '#!/nonexistent/interpreter\n' >"$CBSNAP_HOOK_DIR/1"
    chmod +x "$CBSNAP_HOOK_DIR/1"
    ! "$dir/runner" freeze
}
ok 'a hook that cannot be run fails the freeze' broken_hook
empty() { fresh; ! "$dir/runner" freeze && "$dir/runner" thaw; }
ok 'a freeze that runs no hook fails, a thaw without any does not' empty
missing() { rm -rf "$CBSNAP_HOOK_DIR"; ! "$dir/runner" freeze && "$dir/runner" thaw; }
ok 'the same where the directory does not exist' missing
usage() { "$dir/runner" melt; [ $? -eq 2 ]; }
ok 'another word is refused' usage
own_hook() { # the one we ship, with an agent that is not there
    fresh
    sed "s|@SBINDIR@|$PWD/${BUILD:-build}|" hooks/cbsnap.sh >"$CBSNAP_HOOK_DIR/cbsnap"
    sed -i "s|cbsnap-agent hook|cbsnap-agent --config $dir/conf hook|" "$CBSNAP_HOOK_DIR/cbsnap"
    chmod +x "$CBSNAP_HOOK_DIR/cbsnap"
    printf '[agent]\nrun_dir = %s\n' "$dir/run" >"$dir/conf"
    "$dir/runner" freeze 2>"$dir/err" && return 1
    grep -q 'not running' "$dir/err" && "$dir/runner" thaw
}
ok 'without a running agent the freeze fails and the thaw does not' own_hook
tap_end
