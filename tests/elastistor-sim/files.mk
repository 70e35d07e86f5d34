# The stand-in for the appliance: a test tool. It shares libc-only helpers with the programs.
ELASTISTOR_SIM_SRC := $(addprefix tests/elastistor-sim/,main.c options.c params.c pause.c \
	http.c answer.c reply.c control.c reqlog.c fault.c \
	model.c store.c sim.c backing.c iscsi.c qos.c jobs.c \
	command.c cmd_estate.c cmd_volume.c cmd_iscsi.c cmd_snapshot.c view.c view_estate.c) \
	proto/base/err.c proto/base/buf.c proto/base/log.c
