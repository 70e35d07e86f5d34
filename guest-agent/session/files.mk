# The freeze session.
AGENT_SRC += \
	guest-agent/session/describe.c \
	guest-agent/session/live.c \
	guest-agent/session/login.c \
	guest-agent/session/marker.c \
	guest-agent/session/prepared.c \
	guest-agent/session/session.c \
	guest-agent/session/sweep.c \
	guest-agent/session/verdict.c \
	guest-agent/session/view.c \
	guest-agent/session/waiters.c \
	guest-agent/session/watchdog.c \
	guest-agent/session/work.c \
	guest-agent/session/worker.c
