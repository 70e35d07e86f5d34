COORD_SRC += host-coordinator/loop/job.c host-coordinator/loop/loop.c
