# shellcheck shell=bash disable=SC2034
# What sets this guest apart; sourced by lib/common.sh.
KIND_TITLE='Debian sid, MySQL 9.7'
# appended to the lab's directory and the domain's name; added to its ports
KIND_SUFFIX= KIND_PORTS=0
SUITE=sid
SERVER_UNIT=mysql.service
KEPT_UNIT=
# The exporters are what the agent's cost is measured against; nothing starts them.
SERVER_PACKAGES=mysql-server,mysql-client,libuv1t64,libprotobuf-c1,rpm,\
prometheus-node-exporter,prometheus-mysqld-exporter
# The layout of CentOS, the agent from its RPM, and the client library of this machine.
AGENT_PACKAGE=rpm
HOOK_DIR=/etc/qemu-ga/fsfreeze-hook.d
SERVER_INIT='mysqld --initialize-insecure --user=mysql'
# The agent's account logs in by its system user (accounts.sql).
AGENT_PASSWORD=
PROOF_OPTIONS='--super-read-only=ON --skip-replica-start --log-error-verbosity=3'
PROOF_GTID='SELECT @@GLOBAL.gtid_executed'
PROOF_UUID='SELECT @@server_uuid'
PROOF_LSN="SELECT storage_engines->>'\$.InnoDB.LSN' FROM performance_schema.log_status"
PROOF_SCANNED='s/.*scanned up to log sequence number \([0-9]*\).*/\1/p'
