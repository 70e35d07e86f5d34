COORD_SRC += \
	host-coordinator/watch/document.c \
	host-coordinator/watch/draw.c \
	host-coordinator/watch/follow.c \
	host-coordinator/watch/heard.c \
	host-coordinator/watch/panels.c \
	host-coordinator/watch/view.c \
	host-coordinator/watch/words.c
