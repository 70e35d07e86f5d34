# A coordinator's world without a VM, for test-secrets.sh and test-coordinator-user.sh: the stand-in of
# storage-sim.sh, a domain of libvirt's test driver whose disk is a volume of it, and the real agent at
# the other end of the domain's channel. Sourced from the top folder. In $dir: coord.conf, credentials,
# agent.conf, state/. The script sets $world_pids to what it has started itself.
. tests/integration/storage-sim.sh
agent=$PWD/$BUILD/cbsnap-agent
coordinator=$PWD/$BUILD/cbsnap-coord
relay_pid= agent_pid= world_pids=
chmod 755 "$dir"

world_end() {
    for pid in $world_pids $relay_pid $agent_pid $sim_pid; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$dir"
}
trap world_end EXIT
trap 'exit 1' INT TERM

drive list
iqn=$(awk '$1 == "data" { print $3 }' "$dir/out")
uuid=5d9a1c2e-0000-4000-8000-00000000000a
cat >"$dir/node.xml" <<XML
<node><domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>db1</name><uuid>$uuid</uuid><memory>1024</memory><os><type>hvm</type></os>
  <devices>
    <disk type='network' device='disk'>
      <source protocol='iscsi' name='$iqn/0'><host name='127.0.0.1' port='3260'/></source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <channel type='unix'><source mode='bind' path='$dir/qemu/port'/>
      <target type='virtio' name='org.cbsnap.agent.0'/></channel>
  </devices>
  <test:runstate>1</test:runstate>
</domain></node>
XML
mkdir "$dir/qemu" "$dir/coord" "$dir/coord/records" "$dir/coord/journal"
chmod 750 "$dir/coord" "$dir/coord/records" "$dir/coord/journal"
cat >"$dir/coord.conf" <<END_CONF
[libvirt]
uri = test://$dir/node.xml
[files]
state_dir = $dir/coord
credentials = $dir/credentials
[appliance east]
url = $url
ca = $dir/good.pem
END_CONF
credentials() { # credentials KEY
    rm -f "$dir/credentials"
    (umask 077 && printf '[appliance east]\napi_key = %s\n' "$1" >"$dir/credentials")
}
credentials "$(cat "$dir/key")"
agent_conf() { # agent_conf [MYSQL_LINE...]
    {
        echo '[mysql]'
        printf '%s\n' "$@"
        cat <<END_CONF
[freeze]
rcu_expedited = no
[sample]
interval_ms = 200
log_every_ms = 200
[manifest]
dir = $dir/instance
[agent]
run_dir = $dir/run
port = $dir/guest
END_CONF
    } >"$dir/agent.conf"
}
until_true() { # until_true COMMAND..., for at most 10 s
    for _ in $(seq $((100 * slow))); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}
# QEMU's part: whoever is at the host's end is joined with the agent, one after the other. One that ends
# late must not remove the path that the next has bound meanwhile.
socat UNIX-LISTEN:"$dir/qemu/port",fork,unlink-early UNIX-LISTEN:"$dir/guest",unlink-early,unlink-close=0 \
    2>/dev/null </dev/null &
relay_pid=$!
agent_start() {
    "$agent" -v --config "$dir/agent.conf" daemon >>"$dir/agent.log" 2>&1 </dev/null &
    agent_pid=$!
    until_true "$agent" --config "$dir/agent.conf" status ||
        { echo "Bail out! the agent does not start"; sed 's/^/# /' "$dir/agent.log"; exit 1; }
}
agent_stop() {
    kill "$agent_pid"
    wait "$agent_pid"
    agent_pid=
}
record() { # record SET: as if it had been taken
    mkdir -p -m 750 "$dir/coord/records/db1"
    rm -f "$dir/coord/records/db1/$1.json"
    (umask 027 && cat >"$dir/coord/records/db1/$1.json") <<END_RECORD
{"schema": 1, "cbsnap": "0.1.0", "set": "$1", "verdict": "application", "reasons": [],
 "started": "2026-11-24T01:36:04.020Z", "ended": "2026-11-24T01:36:08.020Z",
 "domain": {"name": "db1", "uuid": "$uuid", "uri": "test:///x"},
 "volumes": [{"target": "vda", "appliance": "east", "id": "$(awk '$1 == "data" { print $2 }' "$dir/volumes")",
   "name": "data", "iqn": "$iqn", "snapshot": {"name": "$1", "state": "kept"}}]}
END_RECORD
}
cp "$dir/out" "$dir/volumes"
