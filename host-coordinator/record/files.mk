COORD_SRC += \
	host-coordinator/record/chain.c \
	host-coordinator/record/chain_check.c \
	host-coordinator/record/chain_line.c \
	host-coordinator/record/journal.c \
	host-coordinator/record/record.c \
	host-coordinator/record/record_format.c \
	host-coordinator/record/save.c \
	host-coordinator/record/store.c \
	host-coordinator/record/timeline.c \
	host-coordinator/record/usable.c \
	host-coordinator/record/whose.c
