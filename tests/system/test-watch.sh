#!/bin/bash
# watch: live values on a terminal (tmux) of any size, a run that goes first, deaths and reboots,
# --once and --json, and a libvirt that counts as remote. Reads only: a freeze never notices it.
. "$(dirname "$0")/lib.sh"

socket=cbsnap-watch-$$
watch="$LAB_COORD --config $LAB_COORD_CONF"

pane() {
    LC_ALL=C.UTF-8 tmux -L "$socket" -f /dev/null "$@"
}

screen() {
    pane capture-pane -p
}

# shellcheck disable=SC2317
end_terminal() {
    pane kill-server 2>/dev/null
    finish
}
trap end_terminal EXIT

# shows SECONDS PATTERN: the terminal comes to show it
shows() {
    local end=$(($(now_ms) + $1 * 1000))
    until screen | grep -q -- "$2"; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        sleep 0.1
    done
}

start_watch() {
    pane send-keys "clear; $watch watch $LAB_DOMAIN $*; echo ended: \$?" Enter
}

watch_pid() {
    pgrep -f -- "--config $LAB_COORD_CONF watch $LAB_DOMAIN" | tail -1
}

# ---- once, and as JSON ------------------------------------------------------------------------
# a guest that has just been reset takes a while to ask its server
for _ in $(seq 60); do
    coord watch --json "$LAB_DOMAIN" --once >"$work/once.json" 2>"$work/err"
    jq -e '.metrics["mysql.uptime"]' "$work/once.json" >/dev/null && break
    sleep 0.5
done
coord watch "$LAB_DOMAIN" --once >"$work/once" 2>&1
is $? 0 "watch --once ends well"
grep -q '^cbsnap.* live ' "$work/once" && grep -q '^MySQL' "$work/once" && grep -q '^disks' "$work/once"
ok $? "and shows system, MySQL and disks" "$(cat "$work/once")"
jq -e '.domain == "'"$LAB_DOMAIN"'" and .state == "live" and .metrics["system.cpu.idle"] >= 0 and
    .metrics["mysql.uptime"] > 0 and .metrics["innodb.lsn"] > 0 and
    (.transactions | type) == "array" and (.errors | type) == "array" and
    (.deleted | type) == "array" and (.texts | type) == "object" and
    (.server | startswith("9.")) and .agent and .metrics["volume.lab-data.used"] > 0' "$work/once.json" >/dev/null
ok $? "--once --json is one document with rates, server and lists" "$(cat "$work/err" "$work/once.json")"
timeout 15 "$LAB_COORD" --config "$LAB_COORD_CONF" --json watch "$LAB_DOMAIN" --interval 0.5 >"$work/lines" 2>&1
n=$(jq -c .state "$work/lines" | wc -l)
holds "--json alone prints a document a line, twice a second as asked ($n in 15 s)" "$n >= 18"
is "$(jq -c . "$work/lines" | wc -l)" "$(wc -l <"$work/lines")" "each on a line of its own"
coord watch "$LAB_DOMAIN" >"$work/err" 2>&1 </dev/null
is $? 2 "without a terminal it refuses" "$(cat "$work/err")"
coord watch nobody --once >"$work/err" 2>&1
is $? 3 "and it does for a domain that is not there" "$(cat "$work/err")"

# ---- the screen --------------------------------------------------------------------------------
pane new-session -d -x 120 -y 45 'env PS1="$ " bash --norc'
start_watch
shows 20 ' live '
ok $? "the screen comes up and is live" "$(screen)"
"$LAB" load start >/dev/null
shows 20 'questions *[0-9.]*[1-9][0-9.]*[k/]'
ok $? "it shows the questions of a load" "$(screen)"
shows 20 '[▂▃▄▅▆▇█]'
ok $? "and the disks' writes as a sparkline" "$(screen)"
for size in 80x24 40x10 20x4 5x2 200x60 100x30; do
    pane resize-window -x "${size%x*}" -y "${size#*x}"
    sleep 0.4
done
shows 10 ' live ' && shows 10 '^MySQL'
ok $? "it lives through sizes from 5x2 to 200x60" "$(screen)"
pane resize-window -x 40 -y 10
shows 10 'running' && shows 20 'more lines'
ok $? "at 40x10 it keeps the server and says that there is more" "$(screen)"
for _ in 1 2 3 4; do
    pane send-keys PageDown
    sleep 0.2
done
shows 20 'history\|deadlocks\|^disks'
ok $? "and scrolls to the rest" "$(screen)"
pane resize-window -x 120 -y 45

# ---- a run goes first --------------------------------------------------------------------------
coord snapshot "$LAB_DOMAIN" >"$work/run" 2>&1 &
run=$!
shows 10 'a run has the VM: process'
ok $? "a snapshot that starts is seen, and has the port" "$(screen)"
wait $run
is $? 0 "the snapshot goes through" "$(cat "$work/run")"
grep -q ': application,' "$work/run"
ok $? "as an application-consistent set" "$(cat "$work/run")"
link=$(awk '$1 == "link" {print $2}' "$work/run")
holds "the link was there at once ($link ms)" "$link < 4000"
shows 20 ' live '
ok $? "and watch comes back by itself" "$(screen)"
coord check "$LAB_DOMAIN" >"$work/check" 2>&1
is $? 0 "check gets the port from watch too" "$(cat "$work/check")"
coord watch "$LAB_DOMAIN" --once >"$work/once" 2>&1
is $? 0 "and so does watch --once" "$(cat "$work/once")"
shows 20 ' live '
ok $? "watch is live again" "$(screen)"
timeout 5 "$LAB_COORD" --config "$LAB_COORD_CONF" --json watch "$LAB_DOMAIN" >"$work/second" 2>&1
is "$(grep -c '"live"' "$work/second")" 0 "a second watch waits for its turn" "$(cat "$work/second")"

# ---- it does not touch a freeze ----------------------------------------------------------------
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1
ok $? "virsh domfsfreeze goes through while watch looks on" "$(cat "$work/freeze")"
shows 20 'frozen'
ok $? "and watch tells" "$(screen)"
coord watch "$LAB_DOMAIN" --once >/dev/null 2>&1
is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .lock_held)" true "a watch that came and went has not ended it"
virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/thaw" 2>&1
ok $? "the thaw says that the freeze was held" "$(cat "$work/thaw")"

# ---- ends --------------------------------------------------------------------------------------
kill -9 "$(watch_pid)"
shows 20 'Killed\|ended: 137'
pane send-keys 'clear; echo works-$((40 + 2))' Enter
shows 20 'works-42'
ok $? "killed, it leaves a terminal that can be used" "$(screen)"
coord check "$LAB_DOMAIN" >"$work/check" 2>&1
is $? 0 "and a free port" "$(cat "$work/check")"
start_watch
shows 20 ' live '
ok $? "started again it is live" "$(screen)"
pane send-keys q
shows 20 'ended: 0'
ok $? "q ends it well" "$(screen)"
start_watch
shows 20 ' live '
kill -TERM "$(watch_pid)"
shows 20 'ended: 0'
ok $? "SIGTERM too, and gives the terminal back" "$(screen)"

# ---- elsewhere ---------------------------------------------------------------------------------
# a transport of its own makes a URI remote: the channel goes through libvirt's stream
printf '#!/bin/sh\nexec socat - UNIX-CONNECT:%s\n' /run/libvirt/libvirt-sock >"$work/transport"
chmod +x "$work/transport"
remote="qemu+ext:///system?command=$work/transport"
coord -c "$remote" --json watch "$LAB_DOMAIN" --once >"$work/remote.json" 2>"$work/err"
jq -e '.state == "live" and .metrics["mysql.uptime"] > 0' "$work/remote.json" >/dev/null
ok $? "watch works over a remote libvirt" "$(cat "$work/err" "$work/remote.json")"
timeout 600 "$LAB_COORD" --config "$LAB_COORD_CONF" -c "$remote" --json watch "$LAB_DOMAIN" >"$work/lines" 2>&1 &
remote_watch=$!
sleep 2
coord snapshot "$LAB_DOMAIN" >"$work/run" 2>&1
ok $? "a local snapshot goes through beside it" "$(cat "$work/run")"
coord -c "$remote" snapshot "$LAB_DOMAIN" >"$work/run" 2>&1
ok $? "and a remote one" "$(cat "$work/run")"
grep -q ': application,' "$work/run"
ok $? "as an application-consistent set" "$(cat "$work/run")"
CONF=$work/elsewhere.conf
sed "s|^state_dir.*|state_dir = $work/state|" "$LAB_COORD_CONF" >"$CONF"
chmod 600 "$CONF"
mkdir -p "$work/state"
coord snapshot "$LAB_DOMAIN" >"$work/run" 2>&1
ok $? "and one whose lock watch cannot see" "$(cat "$work/run")"
unset CONF
was=$(wc -l <"$work/lines")
longer() { [ "$(wc -l <"$work/lines")" -gt "$was" ]; }
eventually 60 longer
ok $? "the remote watch goes on ($was lines until then)"
kill $remote_watch 2>/dev/null
coord -c "$remote" thaw "$LAB_DOMAIN" >"$work/thaw" 2>&1
grep -q 'agent: let go' "$work/thaw"
ok $? "thaw reaches the agent over a remote libvirt" "$(cat "$work/thaw")"

# ---- the guest goes and comes back --------------------------------------------------------------
"$LAB" load stop >/dev/null 2>&1
start_watch
shows 20 ' live '
"$LAB" sh 'systemctl stop cbsnap-agent'
shows 15 'no agent'
ok $? "a stopped agent is told" "$(screen)"
"$LAB" sh 'systemctl start cbsnap-agent'
shows 20 ' live '
ok $? "a started one is heard" "$(screen)"
virsh -q -c "$LAB_URI" reset "$LAB_DOMAIN"
shows 30 'no agent'
ok $? "a reset guest falls silent" "$(screen)"
shows 240 'the guest has rebooted'
ok $? "and is followed when it has booted anew" "$(screen)"
shows 180 'connected *[0-9]'
ok $? "MySQL's metrics come back" "$(screen)"
virsh -q -c "$LAB_URI" destroy "$LAB_DOMAIN"
shows 20 'not running'
ok $? "a domain that has ended is waited for" "$(screen)"
pane send-keys q
shows 20 'ended: 0'
ok $? "q works then too" "$(screen)"
