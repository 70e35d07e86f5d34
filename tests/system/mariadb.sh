#!/bin/bash
# The second guest: MariaDB 10.11, Debian's layout, the agent from its .deb. The tests of the first one once more
# in it, one VM at a time: TESTS of them, by default those whose subject differs. An hour is enough for all.
cd "$(dirname "$0")/../.." || exit 1
tests/lab/lab down
export CBSNAP_LAB_GUEST=mariadb
status=0
for t in ${TESTS:-packages test-metrics test-sets test-restore test-verify}; do
    echo "# $t, in the guest with MariaDB"
    "tests/system/$t.sh" || status=1
done
tests/lab/lab down
exit $status
