#!/bin/bash
# Plain virsh, no coordinator in sight: the hook alone makes a freeze consistent.
. "$(dirname "$0")/lib.sh"

blocked() { # is a write blocked right now? probes for one second
    [ "$(write_ms 1)" = timeout ]
}

! blocked
ok $? "a write goes through before the freeze"
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1
ok $? "virsh domfsfreeze succeeds" "$(cat "$work/freeze")"
blocked
ok $? "a write from another session blocks"
is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .lock_held)" true "the agent holds the server's lock"
# a write that waits must be carried out as soon as the thaw lets it
(write_ms 30 >"$work/waited") &
writer=$!
sleep 1
virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/thaw" 2>&1
ok $? "virsh domfsthaw succeeds" "$(cat "$work/thaw")"
wait $writer
holds "the write that waited was carried out then ($(cat "$work/waited") ms)" "$(sed 's/timeout/-1/' "$work/waited") >= 900"
! blocked
ok $? "a write goes through after the thaw"
is "$(agent_state)" idle "the agent is idle again"
is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .last_end.cause)" hook "and says that the hook ended it"

# the hook must fail the freeze when there is no lock to be had: mysqld down
"$LAB" sh 'systemctl stop mysql'
! virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/down" 2>&1
ok $? "with mysqld down the freeze fails instead of lying" "$(cat "$work/down")"
is "$("$LAB" sh 'touch /mnt/mysqldata/x && rm /mnt/mysqldata/x && echo free')" free "and leaves nothing frozen"
"$LAB" sh 'systemctl start mysql'
virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >/dev/null 2>&1

# the hook's own, longer watchdog: nobody thaws
"$LAB" sh "printf '[lease]\nhook_ms = 3000\n' >>/etc/cbsnap/agent.conf && systemctl restart cbsnap-agent"
for _ in $(seq 50); do [ "$(write_ms 2)" != timeout ] && break; done
sleep 1
from=$(now_ms)
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/freeze" 2>&1
ok $? "frozen again, with a lease of 3 s for the hook" "$(cat "$work/freeze")"
ms=$(write_ms 20)
[ "$ms" != timeout ]
ok $? "writes resume by themselves ($(($(now_ms) - from)) ms after the freeze was asked for)" "$ms"
is "$("$LAB" sh 'cbsnap-agent status --json' | jq -r .last_end.cause)" lease "the agent says that the lease ended it"
! virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >"$work/late" 2>&1
ok $? "a late virsh domfsthaw does not hide that the freeze was lost" "$(cat "$work/late")"
virsh -q -c "$LAB_URI" domfsfreeze "$LAB_DOMAIN" >"$work/again" 2>&1 &&
    virsh -q -c "$LAB_URI" domfsthaw "$LAB_DOMAIN" >>"$work/again" 2>&1
ok $? "and the next freeze and thaw work" "$(cat "$work/again")"
