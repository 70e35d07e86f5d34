# TAP for scripts, which source this from the top folder and have a directory $dir of their own. Where a
# script has a function `explain`, what that prints is shown with each check that failed.
# shellcheck shell=sh
tap_count=0 tap_failed=0

result() { # STATUS TEXT
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_count - $2"
    else
        echo "not ok $tap_count - $2"
        ! command -v explain >/dev/null || explain 2>/dev/null | sed 's/^/# /'
        tap_failed=1
    fi
}

# ok NAME COMMAND...: succeeds; what the command printed is shown when it did not
ok() {
    name=$1
    shift
    if "$@" >"$dir/why" 2>&1; then
        result 0 "$name"
    else
        sed 's/^/# /' "$dir/why"
        result 1 "$name"
    fi
}

skip() { # WHY
    tap_count=$((tap_count + 1))
    echo "ok $tap_count # SKIP $1"
}

# The last of a script: its exit status is the verdict.
tap_end() {
    echo "1..$tap_count"
    return $tap_failed
}
