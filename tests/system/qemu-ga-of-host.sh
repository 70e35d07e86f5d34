#!/bin/bash
# Freezes by virsh and sets, with the qemu-ga of this machine's release (Debian 12 has 7.2) in place of the
# guest's, which is sid's: with our hook runner and with the stock one.
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d) && chmod 755 "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
(cd "$dir" && apt-get -qq download qemu-guest-agent && dpkg-deb -x qemu-guest-agent_*.deb .) || {
    echo "Bail out! this machine's release has no qemu-guest-agent"
    exit 1
}
export CBSNAP_QEMU_GA=$dir/usr/sbin/qemu-ga
status=0
for t in virsh stock-runner; do
    tests/system/test-$t.sh || status=1
    tests/lab/lab sh 'echo "# with $(qemu-ga --version)"'
done
tests/lab/lab down
exit $status
