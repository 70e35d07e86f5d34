# What both programs share.
PROTO_SRC := \
	proto/base/buf.c \
	proto/base/clock.c \
	proto/base/compat.c \
	proto/base/duration.c \
	proto/base/err.c \
	proto/base/log.c \
	proto/base/nodump.c \
	proto/base/output.c \
	proto/base/owner.c \
	proto/base/plain.c \
	proto/base/replace.c \
	proto/base/thread.c \
	proto/base/usage.c \
	proto/conf/conf.c \
	proto/message.c \
	proto/metrics.c \
	proto/wire.c
