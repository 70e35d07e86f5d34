# Rights given up.
AGENT_SRC += guest-agent/confine/confine.c guest-agent/confine/filter.c
