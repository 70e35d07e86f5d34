# Sources of cbsnap-coord, all but main.c.
COORD_SRC :=
include host-coordinator/loop/files.mk
include host-coordinator/command/files.mk
include host-coordinator/config/files.mk
include host-coordinator/index/files.mk
include host-coordinator/plan/files.mk
include host-coordinator/policy/files.mk
include host-coordinator/rank/files.mk
include host-coordinator/record/files.mk
include host-coordinator/retain/files.mk
include host-coordinator/series/files.mk
include host-coordinator/storage/files.mk
include host-coordinator/xml/files.mk
include host-coordinator/domain/files.mk
include host-coordinator/guest/files.mk
include host-coordinator/screen/files.mk
include host-coordinator/watch/files.mk
