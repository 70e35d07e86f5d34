# shellcheck shell=bash disable=SC2154,SC2034
# The checkpoint: the booted guest's memory, and the appliance's whole state with all its volumes,
# as reflinks. `reset` goes back there, from whatever state a test left behind.
#   $POOL/appliance     what the stand-in and tgtd work on
#   $POOL/checkpoint/   appliance/ (the copy), agent-stamp, key
#   $MEMORY             not in the pool, whose mount a libvirtd in another namespace need not see
MEMORY=$LAB/memory.save

# A checkpoint holds only for the same image, VM, stand-in and QEMU. `up` makes a new one when this
# differs; `reset` takes the one that is there, so that sources may be edited meanwhile.
checkpoint_key() {
    {
        image_key
        qemu-system-x86_64 --version
        echo "$PORT $LAB ${LAB_VCPUS:-2}"
        cat "$here"/lib/{vm,volumes}.sh "$TOP"/tests/elastistor-sim/{model,store}.c
    } | sha256sum | cut -c1-16
}

checkpoint_valid() {
    [ "$(cat "$POOL/checkpoint/key" 2>/dev/null)" = "$(checkpoint_key)" ]
}

lab_checkpoint() {
    local dir=$POOL/checkpoint
    clients_stop
    rm -rf "$dir" "$MEMORY"
    mkdir -p "$dir"
    # with its UUID, by which libvirt knows that memory and definition belong together
    vm dumpxml --inactive "$DOMAIN" >"$CONF/domain.xml"
    vm save "$DOMAIN" "$MEMORY" >/dev/null
    cp -a --reflink=always "$POOL/appliance" "$dir/appliance"
    cp "$RUN/agent-stamp" "$dir/agent-stamp"
    checkpoint_key >"$dir/key"
    checkpoint_restore
}

# Both services are started anew, so that no fault, latency, target or session of a test is left.
checkpoint_restore() {
    local dir=$POOL/checkpoint
    vm_destroy
    appliance_down
    rm -rf "$POOL/appliance" "$LAB/state" "$RUN"/proof.*
    cp -a --reflink=always "$dir/appliance" "$POOL/appliance"
    cp "$dir/agent-stamp" "$RUN/agent-stamp"
    install -D -m 644 -t "$BOOT" "$(image_dir)/vmlinuz" "$(image_dir)/initrd"
    services_up
    # a restore may have moved it to other volumes
    vm define "$CONF/domain.xml" >/dev/null
    vm restore --running "$MEMORY"
    until_ok 30 "the restored guest" guest_set_clock
    vm_ready 60
}

lab_reset() {
    local t0
    t0=$(now_ms)
    pool_up
    [ -e "$POOL/checkpoint/key" ] ||
        fail "there is no checkpoint to go back to; run 'tests/lab/lab up'"
    clients_stop
    checkpoint_restore
    say "reset in $(($(now_ms) - t0)) ms"
}

lab_push() {
    packages_up
    lab_reset
    agent_into_guest
    agent_stamp >"$RUN/agent-stamp"
    vm_ready 60
    lab_checkpoint
    say "the agent as built now is in the guest and in the checkpoint"
}

lab_up() {
    local t0
    t0=$(now_ms)
    need_tools
    packages_up
    vm_check_ours_if_libvirt
    image_up
    pool_up
    services_up
    if ! checkpoint_valid; then
        lab_from_nothing
    elif [ "$(cat "$POOL/checkpoint/agent-stamp")" != "$(agent_stamp)" ]; then
        lab_push
    elif [ "$(vm_state)" != running ] || ! guest_answers 2>/dev/null ||
        ! mysql_answers >/dev/null 2>&1; then
        lab_reset
    fi
    coord_configure
    say "up after $((($(now_ms) - t0) / 1000)) s"
}

vm_check_ours_if_libvirt() {
    ! libvirt_answers >/dev/null 2>&1 || vm_check_ours
}

lab_from_nothing() {
    vm_destroy
    appliance_down
    rm -rf "$POOL/appliance" "$POOL/checkpoint" "$MEMORY" "$POOL/images" "$CONF"/volume-*.json "$RUN/agent-stamp"
    services_up
    volumes_up
    volumes_fill
    vm_boot
    agent_into_guest
    agent_stamp >"$RUN/agent-stamp"
    lab_checkpoint
}

lab_down() {
    clients_stop
    if libvirt_answers >/dev/null 2>&1; then
        vm_remove
    fi
    services_down
    pool_down
}

lab_clean() {
    lab_down
    rm -rf "$MEMORY" "$LAB/pool.img" "$POOL" "$RUN" "$CONF" "$LOG" "$LAB/state"
}

# ---- what tests ask -------------------------------------------------------------------------

coord_configure() {
    cat >"$CONF/coord.conf" <<EOT
# written by the lab
[libvirt]
uri = $URI

[files]
state_dir = $LAB/state
credentials = $CONF/credentials

[snapshot]
# short: most tests look at what happens between the two
before_ms = 500
after_ms = 500

[appliance lab]
driver = elastistor
url = $SIM_URL
ca = $CONF/appliance.pem
EOT
    rm -f "$CONF/credentials"
    (umask 077 &&
        printf '[appliance lab]\napi_key = %s\n' "$(<"$CONF/api-key")" >"$CONF/credentials")
}

lab_env() {
    local role upper
    [ -e "$CONF/volume-data.json" ] || fail "the lab is not up; run 'tests/lab/lab up'"
    cat <<EOT
LAB_GUEST='$KIND'
LAB_DOMAIN='$DOMAIN'
LAB_URI='$URI'
LAB_MYSQL_HOST='127.0.0.1'
LAB_MYSQL_PORT='$PORT_MYSQL'
LAB_MYSQL_USER='$MYSQL_USER'
LAB_MYSQL_PASSWORD='$MYSQL_PASSWORD'
LAB_SIM_URL='$SIM_URL'
LAB_SIM_CA='$CONF/appliance.pem'
LAB_SIM_KEY='$(<"$CONF/api-key")'
LAB_COORD='$COORD'
LAB_COORD_CONF='$CONF/coord.conf'
LAB_STATE_DIR='$LAB/state'
LAB_PACKAGES='$PACKAGES'
LAB_AGENT_PACKAGE='$AGENT_PACKAGE'
LAB_HOOK_DIR='$HOOK_DIR'
LAB_POOL='$POOL'
EOT
    for role in $ROLES; do
        upper=${role^^}
        echo "LAB_VOLUME_${upper}_NAME='$(volume_name "$role")'"
        echo "LAB_VOLUME_${upper}_ID='$(volume_fact "$role" id)'"
        echo "LAB_VOLUME_${upper}_IQN='$(volume_fact "$role" iqn)'"
        echo "LAB_VOLUME_${upper}_PATH='$(volume_fact "$role" path)'"
    done
    echo "LAB_VOLUME_IDS='$(for role in $ROLES; do volume_fact "$role" id; done | tr '\n' ' ')'"
}

lab_status() {
    local name
    for name in virtlogd libvirtd tgtd sim load meter; do
        status_line "$name" "$(pid_of "$name" | sed 's/^/pid /' | grep . ||
            echo 'not started by the lab')"
    done
    status_line VM "$(timeout 10 virsh -q -c "$URI" domstate "$DOMAIN" 2>/dev/null || echo absent)"
    status_line image "$([ -e "$(image_dir)/complete" ] && echo built || echo 'not built')"
    status_line pool "$(mountpoint -q "$POOL" && df -h --output=used "$POOL" | tail -n 1 ||
        echo 'not mounted')"
    status_line checkpoint "$(checkpoint_valid && echo valid || echo none)"
    status_line agent "$([ "$(cat "$RUN/agent-stamp" 2>/dev/null)" = "$(agent_stamp)" ] &&
        echo 'as last built' || echo 'not as last built: lab push')"
}

status_line() {
    printf '%-10s %s\n' "$1" "$2"
}
