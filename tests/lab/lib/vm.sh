# shellcheck shell=bash disable=SC2154,SC2034
# The VM as libvirt sees it: its definition, its life, and when it counts as ready.

# panic=1: an emulated kernel on a busy machine now and then dies in its first seconds; it boots again.
VM_CMDLINE='panic=1 console=ttyS0 loglevel=5 systemd.show_status=0 net.ifnames=0 mitigations=off '\
'apparmor=0 audit=0'
VM_NETDEV="user,id=lab,restrict=on,hostfwd=tcp:127.0.0.1:$PORT_MYSQL-10.0.2.15:3306,"\
"hostfwd=tcp:127.0.0.1:$PORT_SHELL-10.0.2.15:10022"

vm() {
    virsh -q -c "$URI" "$@"
}

vm_state() {
    vm domstate "$DOMAIN" 2>/dev/null || echo absent
}

vm_disk() { # ROLE TARGET
    local id iqn
    id=$(volume_fact "$1" id)
    iqn=$(volume_fact "$1" iqn)
    # the serial as Cinder and Nova give it, cut to what virtio can carry
    cat <<EOT
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='none' discard='unmap'/>
      <source protocol='iscsi' name='$iqn/1'>
        <host name='127.0.0.1' port='$PORT_ISCSI'/>
      </source>
      <target dev='$2' bus='virtio'/>
      <serial>$(printf '%.20s' "${id//-/}")</serial>
    </disk>
EOT
}

# No acceleration: /dev/kvm may be there and still not run a stock kernel. The network is QEMU's
# own user-mode one: nothing but two forwarded ports on loopback. libvirt 9 cannot forward ports of
# such an interface, so it is given to QEMU directly, at a PCI address that libvirt does not use.
vm_xml() {
    local seclabel="<seclabel type='static' model='dac' relabel='no'>
    <label>+0:+0</label></seclabel>"
    ! vm capabilities | grep -q '<model>apparmor</model>' ||
        seclabel="$seclabel<seclabel type='none' model='apparmor'/>"
    cat <<EOT
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$DOMAIN</name>
  <description>test VM of the lab in $LAB</description>
  <memory unit='MiB'>1536</memory>
  <vcpu>${LAB_VCPUS:-2}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>$BOOT/vmlinuz</kernel>
    <initrd>$BOOT/initrd</initrd>
    <cmdline>$VM_CMDLINE</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
$(vm_disk root vda)
$(vm_disk log vdb)
$(vm_disk data vdc)
    <controller type='usb' model='none'/>
    <controller type='virtio-serial' index='0'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='unix'><target type='virtio' name='org.cbsnap.agent.0'/></channel>
    <serial type='file'><source path='$LOG/console.log' append='on'/><target port='0'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
  $seclabel
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='$VM_NETDEV'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=lab,addr=0x1e'/>
  </qemu:commandline>
</domain>
EOT
}

# The name may be taken: by another checkout's lab, or by a real VM. Neither is ours to touch.
vm_check_ours() {
    local description
    description=$(vm desc "$DOMAIN" 2>/dev/null) || return 0
    case $description in
    "test VM of the lab in $LAB") ;;
    *) fail "VM $DOMAIN exists and is not this lab's ($description); remove it first" ;;
    esac
}

vm_define() {
    vm_check_ours
    install -D -m 644 -t "$BOOT" "$(image_dir)/vmlinuz" "$(image_dir)/initrd"
    [ "$(vm_state)" = absent ] || vm undefine "$DOMAIN" >/dev/null
    vm_xml >"$CONF/domain.xml"
    vm define "$CONF/domain.xml" >/dev/null
}

# Also when QEMU hangs: libvirt would wait 15 s for it.
vm_destroy() {
    local pid_file=/run/libvirt/qemu/$DOMAIN.pid
    vm_check_ours
    ! vm_is_off || return 0
    timeout 30 virsh -q -c "$URI" destroy "$DOMAIN" >/dev/null 2>&1 9>&- &
    until_ok 3 "QEMU of VM $DOMAIN to end by itself" vm_is_off && return
    [ ! -e "$pid_file" ] || kill -KILL "$(<"$pid_file")" || true
    until_ok 20 "the end of VM $DOMAIN" vm_is_off
}

vm_is_off() {
    case $(vm_state) in absent | 'shut off') ;; *) return 1 ;; esac
}

vm_remove() {
    vm_destroy
    [ "$(vm_state)" = absent ] || vm undefine "$DOMAIN" >/dev/null
    rm -rf "$BOOT"
}

qemu_ga_answers() {
    timeout 10 virsh -q -c "$URI" qemu-agent-command --timeout 5 "$DOMAIN" \
        '{"execute":"guest-ping"}'
}

mysql_answers() {
    host_mysql -e 'SELECT 1'
}

host_mysql() {
    MYSQL_PWD=$MYSQL_PASSWORD timeout 20 mysql --no-defaults --connect-timeout=5 -h 127.0.0.1 \
        -P "$PORT_MYSQL" -u "$MYSQL_USER" "$@"
}

vm_ready() { # SECONDS
    until_ok "$1" "MySQL in the guest (console: $LOG/console.log)" mysql_answers
    until_ok 60 "qemu-ga in the guest" qemu_ga_answers
    [ ! -e "$RUN/agent-stamp" ] || until_ok 60 "cbsnap-agent in the guest" guest_agent_active
}

vm_boot() {
    say "booting the VM, under emulation about half a minute"
    : >"$LOG/console.log"
    vm_define
    vm start "$DOMAIN" >/dev/null
    vm_ready 300
}
