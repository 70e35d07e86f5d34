# shellcheck shell=bash disable=SC2034
# What sets this guest apart; sourced by lib/common.sh.
KIND_TITLE='Debian bookworm, MariaDB 10.11'
KIND_SUFFIX=-mariadb KIND_PORTS=5
SUITE=bookworm
SERVER_UNIT=mariadb.service
# shutdown(8) of systemd 252, which qemu-ga calls, asks it
KEPT_UNIT=systemd-logind.service
# with what the agent's package depends on
SERVER_PACKAGES=mariadb-server,mariadb-client,libmariadb3,libuv1,libprotobuf-c1,libinih1
AGENT_PACKAGE=deb
HOOK_DIR=/etc/qemu/fsfreeze-hook.d
SERVER_INIT='mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db'
# This one logs in with a password, from the file that agent.conf names.
AGENT_PASSWORD=cbsnap-lab
PROOF_OPTIONS='--read-only=ON --skip-slave-start --log-warnings=3'
PROOF_GTID='SELECT @@GLOBAL.gtid_binlog_pos'
# MariaDB has none
PROOF_UUID="SELECT ''"
PROOF_LSN="SELECT variable_value FROM information_schema.global_status
    WHERE variable_name = 'Innodb_lsn_current'"
PROOF_SCANNED='s/.*InnoDB: End of log at LSN=\([0-9]*\).*/\1/p'
