#!/bin/bash
# What packages are made and judged with, as far as that needs neither root nor a package: check-binary on
# binaries made for it, the Makefile with a compiler for another machine, a purge beside a run.
# shellcheck disable=SC2317 # the tests are called by name
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# ---- check-binary

# what must be there for check-binary to take it for a binary of ours
made() { # NAME SOURCE [OPTION...]
    local name=$1
    printf '%s\n' '#include <uv.h>' "$2" >"$dir/$name.c"
    shift 2
    ${CC:-cc} -o "$dir/$name" "$dir/$name.c" "$@" -luv
}
judged() { packaging/rpm/check-binary el9 "$dir/$1" >"$dir/out"; }
explain() { cat "$dir/out"; }

fit() { made fit 'int main(void) { return uv_hrtime() == 0; }' && judged fit; }
ok 'a binary that asks for what Enterprise Linux 9 has is fit for it' fit
weak() {
    made weak 'extern unsigned arc4random(void) __attribute__((weak));
int main(void) { return uv_hrtime() == 0 || (arc4random && arc4random()); }' &&
        objdump -p "$dir/weak" | grep -q 'GLIBC_2\.36$' && ! judged weak && grep -q 'has no GLIBC_2.36' "$dir/out"
}
strange() {
    made strange 'static void *p = &p;
int main(void) { return uv_hrtime() == 0 || !p; }' -pie -fPIE -Wl,-z,pack-relative-relocs &&
        objdump -p "$dir/strange" | grep -q 'GLIBC_ABI_DT_RELR$' && ! judged strange &&
        grep -q 'has no GLIBC_ABI_DT_RELR' "$dir/out"
}
# to make them takes a glibc that has what Enterprise Linux 9's lacks
if getconf GNU_LIBC_VERSION | awk '{ split($2, v, "."); exit !(v[1] > 2 || v[2] >= 36) }'; then
    ok 'one with a weak symbol of a younger glibc is not: ld.so asks for its version' weak
    ok 'nor one with a version of libc that is no number' strange
fi

# ---- the Makefile

harden() { # CC: the flags that an object is compiled with
    make -n BUILD="$dir/build" CC="$1" "$dir/build/obj/proto/base/err.o" | grep -o -e '-f[a-z-]*' >"$dir/out"
}
x86_only() {
    cat >"$dir/cc" <<'END'
#!/bin/sh
case " $* " in *' -fcf-protection '*) echo "'-fcf-protection=full' is not supported for this target" >&2; exit 1 ;; esac
END
    chmod +x "$dir/cc"
    harden "$dir/cc" && ! grep -qx -e -fcf-protection "$dir/out" && grep -qx -e -fstack-protector-strong "$dir/out"
}
ok 'a compiler that does not know -fcf-protection is not given it' x86_only
x86() { harden true && grep -qx -e -fcf-protection "$dir/out"; }
ok 'one that does is' x86

# ---- purge

# The lock of a run is an open file description's, as the coordinator takes it: fcntl, and not flock.
purge_beside_a_run() {
    local journal=$dir/var/lib/cbsnap/journal
    mkdir -p "$journal" "$dir/etc/cbsnap" && touch "$journal/dead.lock"
    sed "s#/\(etc\|var\)/#$dir/\1/#g" packaging/deb/debian/cbsnap-coordinator.postrm >"$dir/postrm"
    python3 - "$journal/live.lock" sh "$dir/postrm" purge <<'END' &&
import fcntl, struct, subprocess, sys
F_OFD_SETLK = 37
lock = open(sys.argv[1], "w")
fcntl.fcntl(lock, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
sys.exit(subprocess.call(sys.argv[2:]))
END
        [ -e "$journal/live.lock" ] && [ ! -e "$journal/dead.lock" ] &&
        sh "$dir/postrm" purge && [ ! -e "$dir/var/lib/cbsnap" ]
}
ok 'a purge leaves the lock of a run that is under way, and takes the others' purge_beside_a_run

# ---- removal

# prerm, with a qemu-ga-hook that ends with the given status
removal() { # STATUS WHAT
    mkdir -p "$dir/helpers"
    printf '#!/bin/sh\nexit %s\n' "$1" >"$dir/helpers/qemu-ga-hook"
    chmod +x "$dir/helpers/qemu-ga-hook"
    sed "s#/usr/libexec/cbsnap/#$dir/helpers/#g; s#/\(etc\|var\|run\)/#$dir/\1/#g" \
        packaging/deb/debian/cbsnap-agent.prerm >"$dir/prerm"
    sh "$dir/prerm" "$2" 2>"$dir/out"
}
stays() { ! removal 1 remove && grep -q 'not removed: qemu-ga would go on' "$dir/out"; }
ok 'the agent is not removed when its hook cannot be taken back' stays
goes() { removal 0 remove && removal 3 remove && removal 1 upgrade && [ ! -s "$dir/out" ]; }
ok "it is when that is done, or an administrator's; an upgrade asks nothing" goes

tap_end
