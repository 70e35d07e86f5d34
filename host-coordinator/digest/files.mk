COORD_SRC += host-coordinator/digest/digest.c
