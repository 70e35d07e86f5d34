AGENT_SRC += guest-agent/sample/os.c guest-agent/sample/ring.c guest-agent/sample/sample.c
