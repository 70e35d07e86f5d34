#!/bin/bash
# What measuring costs the guest, the parts that a noisy machine can judge: CPU and memory beside the
# usual exporters, and that no reading is missed at ten a second. tests/bench/cost does all of it.
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$TOP/tests/bench/cost.sh"

exporters_start
ok $? "both exporters run in the guest"
cpu_of_three 40 >"$work/three"
ok $? "and are scraped once a second"
read -r agent node mysqld agent_kib node_kib mysqld_kib <"$work/three"
note "CPU in ms per second: agent $agent, node exporter $node, mysqld exporter $mysqld"
note "resident in KiB: agent $agent_kib, node exporter $node_kib, mysqld exporter $mysqld_kib"
holds "at 1 Hz the agent takes at most a fifth of their CPU ($(awk "BEGIN {printf \"%.3f\", $agent / ($node + $mysqld)}"))" \
    "$agent <= ($node + $mysqld) / 5"
holds "and at most 12 MiB of memory ($agent_kib KiB)" "$agent_kib <= 12288"

agent_at 100
sleep 3
for _ in 1 2 3; do # a machine's hiccup is not in each; what the agent misses is
    read -r missed came gap < <(missed_in 20 100)
    [ "$missed" = 0 ] && [ "$came" -ge 180 ] && break
done
note "at 10 Hz in 20 s: $came readings, largest gap $gap ms"
is "$missed" 0 "at 10 Hz no reading is missed"
holds "and they come ten a second ($came in 20 s)" "$came >= 180"
