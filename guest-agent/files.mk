# Sources of cbsnap-agent, all but main.c.
AGENT_SRC :=
include guest-agent/mysql/files.mk
include guest-agent/fs/files.mk
include guest-agent/sample/files.mk
