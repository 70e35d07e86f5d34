#!/bin/bash
# The same table on MariaDB, in a guest of its own: the first one rests meanwhile, one VM at a time.
# The rows that the server is asked for; those of system and appliance come from the same code as in
# the other guest. ALL=1 for these too.
cd "$(dirname "$0")/../.." || exit 1
tests/lab/lab down
export CBSNAP_LAB_GUEST=mariadb
[ -n "${ALL:-}" ] || [ $# -gt 0 ] || set -- gauges connections error_log deleted statements \
    opened_tables log pool row_locks deadlock history second
tests/system/test-metrics.sh "$@"
status=$?
tests/lab/lab down
exit $status
