#!/bin/sh
# qemu-ga's hook directory runs this with freeze or thaw; hooks/README.md has the contract.
exec @SBINDIR@/cbsnap-agent hook "$1"
