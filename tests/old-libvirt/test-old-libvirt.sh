#!/bin/sh
# What `make check-old-libvirt` has built where all that came after libvirt 1.2.2 (Ubuntu 14.04) does not
# compile: is it really hidden, does the program need nothing newer, and does it do without? No root. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
old=$BUILD/old-libvirt
header=$old/libvirt-as.h
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

explain() { cat "$dir/out"; }

# ---- what is hidden

compiles() { # EXPRESSION
    echo "unsigned long long f(void) { return (unsigned long long)($1); }" |
        cc -include "$header" -x c -c -o /dev/null - >"$dir/out" 2>&1
}
compiles virDomainOpenChannel && compiles virDomainQemuAgentCommand &&
    compiles VIR_ERR_AGENT_UNRESPONSIVE
result $? 'what libvirt 1.2.2 had compiles'
for name in virDomainFSFreeze virDomainListGetStats virDomainGetFSInfo VIR_DOMAIN_STATS_BLOCK \
    VIR_DOMAIN_UNDEFINE_NVRAM VIR_DOMAIN_UNDEFINE_TPM; do
    compiles "$name" && break
    grep -q poisoned "$dir/out" || break
    name=
done
[ -z "$name" ]
result $? 'what came later does not'

# ---- what the program needs

newer_than_1_2_2() { # PROGRAM: names and symbol versions
    objdump -T "$1" | tr -d '()' | awk 'NF > 1 && $(NF - 1) ~ /^LIBVIRT_(QEMU_)?[0-9]/ {
        split($(NF - 1), part, /_/); version = part[length(part)]; split(version, part, ".")
        seen++
        if (part[1] * 1000000 + part[2] * 1000 + part[3] > 1002002) print $NF, version
    } END { if (seen < 20) print "only " seen + 0 " symbols of libvirt seen" }' >"$dir/out"
    [ -s "$dir/out" ]
}
! newer_than_1_2_2 "$old/cbsnap-coord"
result $? "no symbol of libvirt's that the program needs is newer than LIBVIRT_1.2.2"
newer_than_1_2_2 "$BUILD/cbsnap-coord" && grep -q 'virDomainFSFreeze 1.2.5' "$dir/out"
result $? 'the ordinary one does need newer ones'

# ---- what it does without

CMOCKA_MESSAGE_OUTPUT=TAP "$old/test-fallback" >"$dir/out" 2>&1
result $? 'freeze, thaw and counters by the calls of libvirt 1.2.2'
CMOCKA_MESSAGE_OUTPUT=TAP "$old/test-domain" >"$dir/out" 2>&1
result $? 'errors, states and answers as ever'
DOMAIN_DRIVE=$old/domain-drive OLD_LIBVIRT=1 tests/integration/test-domain.sh >"$dir/out" 2>&1
result $? "against libvirt's test driver and a libvirtd of our own"
sed -n '/# SKIP/s/^/# /p' "$dir/out"

tap_end
