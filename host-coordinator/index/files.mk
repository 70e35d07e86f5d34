COORD_SRC += \
	host-coordinator/index/facts.c \
	host-coordinator/index/file.c \
	host-coordinator/index/index.c
