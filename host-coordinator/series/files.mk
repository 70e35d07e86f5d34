COORD_SRC += host-coordinator/series/series.c host-coordinator/series/take.c
