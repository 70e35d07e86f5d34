# Sources of cbsnap-coord, all but main.c.
COORD_SRC :=
include host-coordinator/loop/files.mk
