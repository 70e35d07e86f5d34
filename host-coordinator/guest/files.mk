COORD_SRC += host-coordinator/guest/guest.c host-coordinator/guest/hello.c \
	host-coordinator/guest/request.c host-coordinator/guest/link.c host-coordinator/guest/port.c
