# Rights given up; the filter needs libseccomp.
AGENT_SRC += guest-agent/confine/confine.c guest-agent/confine/filter.c
