#!/bin/bash
# The same table on MariaDB, in a guest of its own: the first one rests meanwhile, one VM at a time.
cd "$(dirname "$0")/../.." || exit 1
tests/lab/lab down
export CBSNAP_LAB_GUEST=mariadb
tests/system/test-metrics.sh "$@"
status=$?
tests/lab/lab down
exit $status
