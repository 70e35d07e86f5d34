COORD_SRC += \
	host-coordinator/rank/rank.c \
	host-coordinator/rank/parts.c \
	host-coordinator/rank/when.c
