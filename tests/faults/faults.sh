# The faults that a run is given: fault_NAME does it at its moment, end_NAME takes it back where
# something has to be. Sourced by tests/system/test-faults.sh, after tests/system/lib.sh.
# shellcheck shell=bash disable=SC2154,SC2317

has() { declare -F "$1" >/dev/null; }

# The fault is there. One that takes some time from then on says so; others are when they return. Who wants to
# know defines this anew.
struck() { :; }

# what holds the coordinator at a step, or cuts its connections
build_at_step() {
    cc -shared -fPIC -O2 -o "$work/at-step.so" "$TOP/tests/faults/at-step.c" -lpthread
}

guest_kill() { # SIGNAL PROGRAM; no program is no fault: said, and the case fails
    LAB_SH_TIMEOUT=20 "$LAB" sh "kill -$1 \$(pidof $2)" 2>/dev/null
}

# ---- in the guest
fault_agent-kill() { guest_kill KILL cbsnap-agent; }
fault_agent-stop() { guest_kill STOP cbsnap-agent; }
fault_mysqld-kill() { guest_kill KILL mysqld; }
fault_mysqld-stop() { guest_kill STOP mysqld; }
end_mysqld-stop() { guest_kill CONT mysqld; }
fault_ga-kill() { guest_kill KILL qemu-ga; }
fault_ga-stop() { guest_kill STOP qemu-ga; }
end_ga-stop() { guest_kill CONT qemu-ga; }
fault_ga-restart() { LAB_SH_TIMEOUT=20 "$LAB" sh 'systemctl restart --no-block qemu-guest-agent'; }
# Not more than root may write, and all of that.
fault_guest-full() {
    LAB_SH_TIMEOUT=240 "$LAB" sh 'for m in / /mnt/mysql /mnt/mysqldata; do
        fallocate -l "$(df --output=avail -B1 $m | tail -1)" $m/.filler; cat /dev/zero >$m/.filler2; done
        [ "$(df --output=avail / | tail -1)" -eq 0 ]' 2>/dev/null
}
end_guest-full() { "$LAB" sh 'rm -f /.filler* /mnt/mysql/.filler* /mnt/mysqldata/.filler*'; }

# ---- on the host
fault_libvirtd-restart() { "$LAB" libvirtd kill && struck && "$LAB" libvirtd start; }
fault_libvirtd-stop() { "$LAB" libvirtd stop; }
end_libvirtd-stop() { "$LAB" libvirtd continue; }
arm_host-full() {
    mkdir -p "$LAB_STATE_DIR"
    mount -t tmpfs -o size=4m none "$LAB_STATE_DIR"
}
fault_host-full() { # never the disk below
    mountpoint -q "$LAB_STATE_DIR" || return
    cat /dev/zero >"$LAB_STATE_DIR/filler" 2>/dev/null
    [ "$(df --output=avail "$LAB_STATE_DIR" | tail -1)" -eq 0 ]
}
end_host-full() { rm -f "$LAB_STATE_DIR/filler"; }
clean_host-full() { umount "$LAB_STATE_DIR"; }
# the whole VM stands still, as in a migration's last moments or under a host that swaps
fault_vm-pause() { virsh -q -c "$LAB_URI" suspend "$LAB_DOMAIN"; }
end_vm-pause() { virsh -q -c "$LAB_URI" resume "$LAB_DOMAIN"; }

# ---- at the appliance
fault_array-slow() { sim 'fault?command=*&kind=slow&value=15000' >/dev/null; }
fault_array-reset() { sim 'fault?command=*&kind=reset&value=0' >/dev/null; }
fault_array-lost() { sim 'fault?command=createStorageSnapshot&kind=reset&value=1' >/dev/null; }
fault_array-error() { sim 'fault?command=*&kind=status&value=500' >/dev/null; }
fault_array-garbage() { sim 'fault?command=*&kind=garbage' >/dev/null; }
fault_array-endless() { sim 'fault?command=*&kind=endless&value=0' >/dev/null; }
for fault in slow reset lost error garbage endless; do
    eval "end_array-$fault() { sim 'clear?x=1' >/dev/null; }"
done

# While these last nobody could write, whatever we do.
blocks_by_nature() {
    case $1 in
    mysqld-* | vm-pause | guest-full) return 0 ;;
    *) return 1 ;;
    esac
}
