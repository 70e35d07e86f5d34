# Streams that carry frames: the port and the socket.
AGENT_SRC += \
	guest-agent/channel/listener.c \
	guest-agent/channel/peer.c \
	guest-agent/channel/port.c
