AGENT_SRC += guest-agent/sample/names.c guest-agent/sample/os.c guest-agent/sample/ring.c guest-agent/sample/sample.c guest-agent/sample/server_facts.c
