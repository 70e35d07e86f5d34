COORD_SRC += host-coordinator/domain/domain.c host-coordinator/domain/agent.c \
	host-coordinator/domain/writes.c host-coordinator/domain/errors.c \
	host-coordinator/domain/channel.c host-coordinator/domain/life.c \
	host-coordinator/domain/definition.c
