AGENT_SRC += \
	guest-agent/mysql/conn.c \
	guest-agent/mysql/lock.c \
	guest-agent/mysql/position.c \
	guest-agent/mysql/rights.c \
	guest-agent/mysql/server.c \
	guest-agent/mysql/status.c \
	guest-agent/mysql/try.c \
	guest-agent/mysql/watch.c
