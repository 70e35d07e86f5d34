#!/bin/bash
# hooks/qemu-ga-hook.sh on scratch roots: Enterprise Linux's layout and the one of qemu-ga.conf; fresh,
# changed by an administrator before and after, twice, and taken back byte for byte.
# shellcheck disable=SC2317 # the tests are called by name
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
dir=$(mktemp -d /tmp/cbsnap-qga.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
libexec=/usr/libexec/cbsnap
runner=$libexec/fsfreeze-hook
hookdir=/etc/qemu-ga/fsfreeze-hook.d
sed "s|@LIBEXECDIR@|$libexec|g; s|@HOOKDIR@|$hookdir|g" hooks/qemu-ga-hook.sh >"$dir/tool"
chmod +x "$dir/tool"
mkdir "$dir/bin"
export ROOT="$dir/root" PATH="$dir/bin:$PATH"
sysconfig=$ROOT/etc/sysconfig/qemu-ga
conf=$ROOT/etc/qemu/qemu-ga.conf

# rpm, as it answers about the stock runner: owned and unchanged unless told otherwise
cat >"$dir/bin/rpm" <<END
#!/bin/sh
case "\$*" in
*-qf*) [ ! -e "$dir/unowned" ] ;;
*-Vf*) cat "$dir/verify" 2>/dev/null; [ ! -s "$dir/verify" ] ;;
esac
END
chmod +x "$dir/bin/rpm"

fresh() {
    rm -rf "$ROOT" "$dir/unowned" "$dir/verify"
    mkdir -p "$ROOT/etc"
}
el() { # what qemu-guest-agent of Enterprise Linux 7 to 9 brings
    fresh
    mkdir -p "$ROOT/etc/sysconfig" "$ROOT/usr/lib/systemd/system"
    cat >"$sysconfig" <<'END'
# This is a systemd environment file, not a shell script.
BLACKLIST_RPC=guest-file-open,guest-exec

# FSFREEZE_HOOK_PATHNAME=/dev/null           : disables the feature.
FSFREEZE_HOOK_PATHNAME=/etc/qemu-ga/fsfreeze-hook
END
    cat >"$ROOT/usr/lib/systemd/system/qemu-guest-agent.service" <<'END'
[Service]
EnvironmentFile=/etc/sysconfig/qemu-ga
ExecStart=/usr/bin/qemu-ga \
  --method=virtio-serial \
  -F${FSFREEZE_HOOK_PATHNAME}
END
}
debian() {
    fresh
    mkdir -p "$ROOT/etc/qemu/fsfreeze-hook.d" "$ROOT/lib/systemd/system"
    printf '[Service]\nExecStart=-/usr/sbin/qemu-ga\n' >"$ROOT/lib/systemd/system/qemu-guest-agent.service"
}
tree() { (cd "$ROOT" && find . -printf '%p %m %U %l\n' -type f -exec sha256sum {} \; | sort); }
state() { tree >"$dir/tree.$1"; }
same() { diff "$dir/tree.$1" <(tree); }
enable() { "$dir/tool" enable; }
left_alone() { # left_alone WORD: refused, told why, and nothing is different
    state before
    enable 2>"$dir/err"
    [ $? -eq 3 ] && grep -q "$1" "$dir/err" && same before
}
there_and_back() {
    state before
    enable && ! same before >/dev/null && "$dir/tool" disable && same before
}
# what systemd makes of the file; what GLib's key files do
el_hook() { sed -n 's/^FSFREEZE_HOOK_PATHNAME=//p' "$sysconfig" | tail -1; }
conf_hook() { awk -F= '/^\[/ { general = $0 == "[general]" } general && $1 == "fsfreeze-hook" { v = $2 } END { print v }' "$conf"; }

# ---- Enterprise Linux ------------------------------------------------------------------------
el_fresh() { el; enable && [ "$(el_hook)" = $runner ] && [ "$(grep -c = "$sysconfig")" = 4 ]; }
ok 'EL, fresh: the runner is ours, all else stays' el_fresh
el_back() { el; chmod 606 "$sysconfig"; there_and_back; }
ok 'EL: disable gives back each byte, mode and owner' el_back
el_odd() { # the last line without an end, quotes, blanks, the assignment twice, a link
    el
    mv "$sysconfig" "$ROOT/etc/elsewhere"
    ln -s ../elsewhere "$sysconfig"
    printf 'FSFREEZE_HOOK_PATHNAME=/old\n\t FSFREEZE_HOOK_PATHNAME="/etc/qemu-ga/fsfreeze-hook" ' >>"$sysconfig"
    there_and_back
}
ok 'EL: so it does with quotes, a second assignment, no last newline, a link' el_odd
el_twice() { el; enable && state once && enable && same once && "$dir/tool" disable && state off && "$dir/tool" disable && same off; }
ok 'EL: twice is as once, both ways' el_twice
el_off() { el; sed -i 's|^FSFREEZE_HOOK_PATHNAME=.*|FSFREEZE_HOOK_PATHNAME=/dev/null|' "$sysconfig"; left_alone /dev/null; }
ok 'EL: hooks that were switched off stay so' el_off
el_own() { el; echo 'FSFREEZE_HOOK_PATHNAME=/opt/ours' >>"$sysconfig"; left_alone /opt/ours; }
ok "EL: an administrator's hook stays" el_own
el_none() { el; sed -i '/^FSF/d' "$sysconfig"; left_alone 'names no hook'; }
ok 'EL: a line that was taken out stays out' el_none
el_edited() { el; echo "S.5....T.  c /etc/qemu-ga/fsfreeze-hook" >"$dir/verify"; left_alone 'was changed'; }
ok 'EL: a stock runner that was edited keeps running' el_edited
el_gone() { el; echo "missing     /etc/qemu-ga/fsfreeze-hook" >"$dir/verify"; left_alone 'was changed'; }
ok 'EL: so is one that was removed' el_gone
el_unowned() { el; : >"$dir/unowned"; left_alone "no package's"; }
ok 'EL: or that no package brought' el_unowned
el_other() { # other files of the package, and other attributes, are not asked
    el
    printf '%s\n' 'S.5....T.  c /etc/sysconfig/qemu-ga' '.M.......    /etc/qemu-ga/fsfreeze-hook' >"$dir/verify"
    enable && [ "$(el_hook)" = $runner ]
}
ok 'EL: other differences in the package do not count' el_other
el_dropin() {
    el
    mkdir -p "$ROOT/etc/systemd/system/qemu-guest-agent.service.d"
    printf '[Service]\nExecStart=\nExecStart=/usr/bin/qemu-ga -F/opt/ours\n' \
        >"$ROOT/etc/systemd/system/qemu-guest-agent.service.d/own.conf"
    left_alone 'command line'
}
ok 'EL: a drop-in that names a hook stays in force' el_dropin
el_changed_after() {
    el; enable || return 1
    sed -i "s|^FSFREEZE_HOOK_PATHNAME=.*|FSFREEZE_HOOK_PATHNAME=/opt/ours|; s/guest-exec/guest-ping/" "$sysconfig"
    "$dir/tool" disable && [ "$(el_hook)" = /opt/ours ] && grep -q guest-ping "$sysconfig" && ! grep cbsnap "$sysconfig"
}
ok 'EL: what was changed afterwards is not undone' el_changed_after
el_more_after() {
    el; enable || return 1
    sed -i "s/guest-exec/guest-ping/" "$sysconfig"
    echo 'MORE=1' >>"$sysconfig"
    "$dir/tool" disable && [ "$(el_hook)" = /etc/qemu-ga/fsfreeze-hook ] && grep -q guest-ping "$sysconfig" &&
        [ "$(tail -1 "$sysconfig")" = MORE=1 ] && ! grep cbsnap "$sysconfig"
}
ok 'EL: changes of other lines survive the undoing' el_more_after

# ---- qemu-ga.conf ----------------------------------------------------------------------------
deb_fresh() { debian; enable && [ "$(conf_hook)" = $runner ]; }
ok 'conf, fresh: the file is made' deb_fresh
deb_back() { debian; there_and_back && [ ! -e "$conf" ]; }
ok 'conf: and goes again' deb_back
deb_group() { debian; printf '# mine\n[general]\nverbose=1\n[other]\nx=y' >"$conf"; there_and_back && enable && [ "$(conf_hook)" = $runner ]; }
ok 'conf: into a group that is there, and out of it' deb_group
deb_no_group() { debian; printf '[other]\nx=y\n' >"$conf"; there_and_back && enable && [ "$(conf_hook)" = $runner ]; }
ok 'conf: a group of its own, and gone again' deb_no_group
deb_empty() { debian; : >"$conf"; there_and_back; }
ok 'conf: an empty file stays one' deb_empty
deb_twice() { debian; enable && state once && enable && same once; }
ok 'conf: twice is as once' deb_twice
deb_own() { debian; printf '[general]\nfsfreeze-hook = /opt/ours\n' >"$conf"; left_alone /opt/ours; }
ok "conf: an administrator's hook stays" deb_own
deb_args() { debian; mkdir "$ROOT/etc/default"; echo 'DAEMON_ARGS="-F/opt/ours"' >"$ROOT/etc/default/qemu-guest-agent"; left_alone 'command line'; }
ok 'conf: so does one in DAEMON_ARGS' deb_args
deb_args_comment() { debian; mkdir "$ROOT/etc/default"; echo '#DAEMON_ARGS="-F/opt/ours"' >"$ROOT/etc/default/qemu-guest-agent"; enable; }
ok 'conf: but for one in a comment' deb_args_comment
deb_changed_after() {
    debian; enable || return 1
    sed -i 's|^fsfreeze-hook=.*|fsfreeze-hook=/opt/ours|' "$conf"
    "$dir/tool" disable && [ "$(conf_hook)" = /opt/ours ] && ! grep cbsnap "$conf"
}
ok 'conf: what was changed afterwards is not undone' deb_changed_after
deb_more_after() {
    debian; enable || return 1
    echo verbose=1 >>"$conf"
    "$dir/tool" disable && [ "$(cat "$conf")" = "$(printf '[general]\nverbose=1')" ]
}
ok 'conf: keys that were put below ours keep their group' deb_more_after

# ---- a line of ours that is not ours to take back ---------------------------------------------
still_named() { # still_named FILE: disable says that it names the runner, exit 3, and nothing is different
    state before
    "$dir/tool" disable 2>"$dir/err"
    [ $? -eq 3 ] && [ "$(cat "$dir/err")" = \
        "cbsnap: $1 still names $runner: once that is removed, every freeze fails until it is taken out" ] && same before
}
quiet() { state before; "$dir/tool" disable 2>"$dir/err" && [ ! -s "$dir/err" ] && same before; }
dropin() { # dropin LINE
    mkdir -p "$ROOT/etc/systemd/system/qemu-guest-agent.service.d"
    printf '[Service]\n%s\n' "$1" >"$ROOT/etc/systemd/system/qemu-guest-agent.service.d/own.conf"
}
own_sysconfig() { el; sed -i "s|^FSFREEZE_HOOK_PATHNAME=.*|FSFREEZE_HOOK_PATHNAME=$runner|" "$sysconfig"; still_named /etc/sysconfig/qemu-ga; }
ok "disable says so when an administrator's own line in sysconfig names the runner" own_sysconfig
own_conf() { debian; printf '[general]\nfsfreeze-hook = %s\n' $runner >"$conf"; still_named /etc/qemu/qemu-ga.conf; }
ok 'or one in qemu-ga.conf' own_conf
own_dropin() { debian; dropin "ExecStart=/usr/sbin/qemu-ga -F$runner"; still_named /etc/systemd/system/qemu-guest-agent.service.d/own.conf; }
ok 'or the command line in a drop-in' own_dropin
own_environment() { el; dropin "Environment=FSFREEZE_HOOK_PATHNAME=$runner"; still_named /etc/systemd/system/qemu-guest-agent.service.d/own.conf; }
ok 'or the environment there' own_environment
own_args() { debian; mkdir "$ROOT/etc/default"; echo "DAEMON_ARGS='-F $runner'" >"$ROOT/etc/default/qemu-guest-agent"; still_named /etc/default/qemu-guest-agent; }
ok 'or DAEMON_ARGS' own_args
own_comments() { debian; printf '[general]\n;fsfreeze-hook=%s\n' $runner >"$conf"; dropin " # -F$runner" && quiet; }
ok 'a comment names nothing' own_comments
own_taken_back() { el; enable && "$dir/tool" disable 2>"$dir/err" && ! grep "still names" "$dir/err"; }
ok 'and what it takes back is not told' own_taken_back

# ---- both ------------------------------------------------------------------------------------
unwritable() {
    el
    chmod 644 "$sysconfig"
    printf '#!/bin/sh\nexit 1\n' >"$dir/bin/cp"
    chmod +x "$dir/bin/cp"
    state before
    enable
    [ $? -eq 1 ]
    rc=$?
    rm "$dir/bin/cp"
    [ $rc -eq 0 ] && same before
}
ok 'a disk that is full costs nothing but the attempt' unwritable
other_hooks() {
    el
    mkdir -p "$ROOT$hookdir/folder"
    for n in cbsnap 50-app 'a b' c.sample d.rpmsave e.dpkg-old f~ off; do
        printf '#!/bin/sh\n' >"$ROOT$hookdir/$n"
        [ "$n" = off ] || chmod +x "$ROOT$hookdir/$n"
    done
    enable 2>"$dir/err" && [ "$(el_hook)" = $runner ] &&
        [ "$(sed -n 's/.*each freeze runs \(.*\) too, and fails .*/\1/p' "$dir/err")" = "$hookdir/50-app
$hookdir/a b" ]
}
ok 'other hooks, which were not run or not asked, are named' other_hooks
usage() { "$dir/tool" on; [ $? -eq 2 ]; }
ok 'another word is refused' usage
tap_end
