COORD_SRC += host-coordinator/storage/elastistor.c host-coordinator/storage/http.c \
	host-coordinator/storage/http_loop.c host-coordinator/storage/query.c \
	host-coordinator/storage/reply.c host-coordinator/storage/secret.c \
	host-coordinator/storage/storage.c
