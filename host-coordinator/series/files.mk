COORD_SRC += \
	host-coordinator/series/forget.c \
	host-coordinator/series/series.c \
	host-coordinator/series/series_file.c \
	host-coordinator/series/series_log.c \
	host-coordinator/series/take.c
