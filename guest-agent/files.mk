# Sources of cbsnap-agent, all but main.c.
AGENT_SRC := \
	guest-agent/answers.c \
	guest-agent/catalogue.c \
	guest-agent/check.c \
	guest-agent/client.c \
	guest-agent/commands.c \
	guest-agent/daemon.c \
	guest-agent/evidence.c \
	guest-agent/evidence_check.c \
	guest-agent/evidence_server.c \
	guest-agent/facts.c \
	guest-agent/heldlog.c \
	guest-agent/hook.c \
	guest-agent/hookfacts.c \
	guest-agent/json.c \
	guest-agent/lane.c \
	guest-agent/notify.c \
	guest-agent/options.c \
	guest-agent/pin.c \
	guest-agent/prepare.c \
	guest-agent/requests.c \
	guest-agent/sampler.c \
	guest-agent/serversource.c \
	guest-agent/status.c \
	guest-agent/stream.c

include guest-agent/channel/files.mk
include guest-agent/confine/files.mk
include guest-agent/evidence/files.mk
include guest-agent/fs/files.mk
include guest-agent/mysql/files.mk
include guest-agent/sample/files.mk
include guest-agent/session/files.mk
