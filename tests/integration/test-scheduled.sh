#!/bin/sh
# What the timer of the host's package runs, without systemd: which exit status of cbsnap-coord is tried
# again, and what is told when the run has failed for good. No root. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
host=packaging/deb/debian/host
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

explain() { cat "$dir"/err "$dir"/*called "$dir"/log/*; }

# ---- tries

# a coordinator that ends with the next number of a list each time it is called
cat >"$dir/coord" <<'END'
#!/bin/sh
echo "$*" >>"$0.called"
read -r status <"$0.statuses"
sed -i 1d "$0.statuses"
exit "$status"
END
chmod +x "$dir/coord"

runs() { # TEXT STATUS CALLS STATUS-OF-A-CALL...
    text=$1 status=$2 calls=$3
    shift 3
    printf '%s\n' "$@" >"$dir/coord.statuses"
    : >"$dir/coord.called"
    CBSNAP_COORD=$dir/coord CBSNAP_PAUSE_S=0 "$host/scheduled-snapshot" db-1 2>"$dir/err"
    [ $? -eq "$status" ] && [ "$(grep -cx 'snapshot db-1' "$dir/coord.called")" -eq "$calls" ]
    result $? "$text"
}
runs 'a set taken is the end' 0 1 0 0
runs 'a refusal is tried again' 0 2 3 0
runs 'so is a failure that left nothing behind' 0 3 4 3 0
runs 'three times at most, and the last one counts' 4 3 3 3 4 0
runs 'a wrong configuration is not' 2 1 2 0
runs 'nor what a person must look at' 5 1 5 0
runs 'nor a program that died' 139 1 139 0
# the package goes while the next try is waited for
printf '#!/bin/sh\necho "$*" >>"$0.called"\nrm "$0"\nexit 4\n' >"$dir/going"
chmod +x "$dir/going"
: >"$dir/going.called"
CBSNAP_COORD=$dir/going CBSNAP_PAUSE_S=0 "$host/scheduled-snapshot" db-1 2>"$dir/err"
[ $? -eq 4 ] && grep -q "there is no $dir/going any more" "$dir/err" && [ "$(wc -l <"$dir/going.called")" -eq 1 ]
result $? 'a program that is gone is not tried again: the last one counts, and it is said'
! CBSNAP_COORD=$dir/coord "$host/scheduled-snapshot" 2>"$dir/err" && grep -q usage "$dir/err"
result $? 'without a name it does nothing'

# ---- what is told

mkdir "$dir/bin" "$dir/log"
cat >"$dir/bin/journalctl" <<'END'
#!/bin/sh
case "$*" in
*_SYSTEMD_INVOCATION_ID=0123456789abcdef) printf 'cbsnap-coord: domain "db1" is off\n' ;;
esac
END
cat >"$dir/bin/systemctl" <<'END'
#!/bin/sh
[ "$1 $2 $4 $5" = "show --property --value cbsnap-snapshot@db1.service" ] || exit 1
case $3 in
Result) echo signal ;;
ExecMainStatus) echo 9 ;;
InvocationID) echo 0123456789abcdef ;;
esac
END
cat >"$dir/hook" <<'END'
#!/bin/sh
printf '%s\n' "$@" >"${0%/*}/called"
exit 7
END
chmod +x "$dir"/bin/* "$dir/hook"

tells() { # [NAME=VALUE]...
    rm -f "$dir/called" "$dir"/log/*
    env PATH="$dir/bin:$PATH" LOGS_DIRECTORY="$dir/log" CBSNAP_ON_FAILURE="$dir/hook" "$@" \
        "$host/notify" db1 2>"$dir/err"
    status=$?
}
by_systemd='MONITOR_SERVICE_RESULT=exit-code MONITOR_EXIT_STATUS=5 MONITOR_INVOCATION_ID=0123456789abcdef'
# shellcheck disable=SC2086
tells $by_systemd
[ "$(tr '\n' '|' <"$dir/called")" = 'db1|exit-code|5|cbsnap-coord: domain "db1" is off|' ]
result $? 'the hook is told the VM, result, status and last words'
[ $status -eq 7 ]
result $? 'a hook that fails is a failure'
grep -qxE '[0-9-]{10}T[0-9:]{8}[+-][0-9]{4} db1 exit-code 5 cbsnap-coord: domain "db1" is off' \
    "$dir/log/failures.log" && [ "$(wc -l <"$dir/log/failures.log")" -eq 1 ]
result $? 'and a line is written down'
tells
[ "$(head -n 3 "$dir/called" | tr '\n' '|')" = 'db1|signal|9|' ]
result $? 'an older systemd is asked'
chmod -x "$dir/hook"
# shellcheck disable=SC2086
tells $by_systemd
[ $status -eq 1 ] && [ ! -e "$dir/called" ] && [ -s "$dir/log/failures.log" ] &&
    [ "$(cat "$dir/err")" = "cannot run $dir/hook: make it executable for all (chmod 755)" ]
result $? 'a hook that may not be executed is a failure, and it is said'
# shellcheck disable=SC2086
tells $by_systemd CBSNAP_ON_FAILURE="$dir/none"
[ $status -eq 0 ] && [ ! -s "$dir/err" ] && [ -s "$dir/log/failures.log" ]
result $? 'no hook is none'
chmod +x "$dir/hook"
# shellcheck disable=SC2086
tells $by_systemd LOGS_DIRECTORY="$dir/none"
[ -e "$dir/called" ] && grep -q 'cannot write' "$dir/err"
result $? 'a full disk does not keep the hook from being told'

tap_end
