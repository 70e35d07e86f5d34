COORD_SRC += \
	host-coordinator/command/best.c \
	host-coordinator/command/catalogue.c \
	host-coordinator/command/check.c \
	host-coordinator/command/commands.c \
	host-coordinator/command/import.c \
	host-coordinator/command/list.c \
	host-coordinator/command/progress.c \
	host-coordinator/command/prune.c \
	host-coordinator/command/restore.c \
	host-coordinator/command/show.c \
	host-coordinator/command/show_around.c \
	host-coordinator/command/show_check.c \
	host-coordinator/command/show_series.c \
	host-coordinator/command/snapshot.c \
	host-coordinator/command/thaw.c \
	host-coordinator/command/watch.c
