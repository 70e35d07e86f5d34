COORD_SRC += \
	host-coordinator/back/back.c \
	host-coordinator/back/certificate.c \
	host-coordinator/back/clones.c \
	host-coordinator/back/define.c \
	host-coordinator/back/inventory.c \
	host-coordinator/back/proof.c \
	host-coordinator/back/recover.c \
	host-coordinator/back/recover_set.c \
	host-coordinator/back/recover_uses.c \
	host-coordinator/back/report.c \
	host-coordinator/back/restore.c \
	host-coordinator/back/rollback.c \
	host-coordinator/back/safety.c \
	host-coordinator/back/stop.c \
	host-coordinator/back/throwaway.c \
	host-coordinator/back/tidy.c \
	host-coordinator/back/verify.c \
	host-coordinator/back/vm.c \
	host-coordinator/back/volumes.c
