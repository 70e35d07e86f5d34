COORD_SRC += \
	host-coordinator/plan/coverage.c \
	host-coordinator/plan/critical.c \
	host-coordinator/plan/events.c \
	host-coordinator/plan/inbound.c \
	host-coordinator/plan/instance.c \
	host-coordinator/plan/notes.c \
	host-coordinator/plan/observe.c \
	host-coordinator/plan/plan.c \
	host-coordinator/plan/readings.c \
	host-coordinator/plan/reach.c \
	host-coordinator/plan/recheck.c \
	host-coordinator/plan/report.c \
	host-coordinator/plan/run.c \
	host-coordinator/plan/snapshot.c \
	host-coordinator/plan/volumes_watch.c \
	host-coordinator/plan/windows.c
