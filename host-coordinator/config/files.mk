COORD_SRC += host-coordinator/config/config.c
