COORD_SRC += host-coordinator/screen/screen.c
