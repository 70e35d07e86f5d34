COORD_SRC += $(addprefix host-coordinator/storage/, \
	storage.c elastistor.c calls.c going_back.c access.c words.c \
	reply.c reply_volume.c reply_snapshot.c reply_access.c \
	http.c http_loop.c query.c secret.c)
