# Sources of cbsnap-coord, all but main.c.
COORD_SRC :=
