COORD_SRC += host-coordinator/policy/describe.c host-coordinator/policy/evaluate.c \
	host-coordinator/policy/nearest.c host-coordinator/policy/parse.c \
	host-coordinator/policy/policy.c
