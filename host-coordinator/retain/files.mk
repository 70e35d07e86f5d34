COORD_SRC += \
	host-coordinator/retain/retain.c \
	host-coordinator/retain/bucket.c \
	host-coordinator/retain/words.c
