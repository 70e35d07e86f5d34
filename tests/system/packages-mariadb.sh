#!/bin/bash
# The same with the .deb, in the other guest, whose layout is Debian's. The first one rests meanwhile.
cd "$(dirname "$0")/../.." || exit 1
tests/lab/lab down
export CBSNAP_LAB_GUEST=mariadb
tests/system/test-packages.sh
status=$?
tests/lab/lab down
exit $status
