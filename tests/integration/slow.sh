# Sourced by scripts that give programs time: under ThreadSanitizer or valgrind everything takes longer
# (tests/sanitize/run sets CBSNAP_TEST_SLOW to how much). What a test waits for is multiplied by $slow, and
# so are leases and deadlines that run while such programs work; what is asserted stays.
slow=${CBSNAP_TEST_SLOW:-1}
under() { # under TOOL: thread or memcheck
    [ "${CBSNAP_TEST_UNDER:-}" = "$1" ]
}
pause() { # pause MS
    sleep "$(awk -v ms=$(($1 * slow)) 'BEGIN { print ms / 1000 }')"
}
