COORD_SRC += \
	host-coordinator/record/journal.c \
	host-coordinator/record/record.c \
	host-coordinator/record/store.c \
	host-coordinator/record/timeline.c
