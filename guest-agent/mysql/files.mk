AGENT_SRC += \
	guest-agent/mysql/absent.c \
	guest-agent/mysql/computed.c \
	guest-agent/mysql/conn.c \
	guest-agent/mysql/digest.c \
	guest-agent/mysql/errlog_table.c \
	guest-agent/mysql/gtidhead.c \
	guest-agent/mysql/holding.c \
	guest-agent/mysql/identity.c \
	guest-agent/mysql/lock.c \
	guest-agent/mysql/mark.c \
	guest-agent/mysql/needs.c \
	guest-agent/mysql/patience.c \
	guest-agent/mysql/places.c \
	guest-agent/mysql/plan.c \
	guest-agent/mysql/position.c \
	guest-agent/mysql/replication.c \
	guest-agent/mysql/rights.c \
	guest-agent/mysql/server.c \
	guest-agent/mysql/sight.c \
	guest-agent/mysql/socket.c \
	guest-agent/mysql/status.c \
	guest-agent/mysql/tables.c \
	guest-agent/mysql/transactions.c \
	guest-agent/mysql/try.c \
	guest-agent/mysql/watch.c
