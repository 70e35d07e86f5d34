# Sources of cbsnap-agent, all but main.c.
AGENT_SRC :=
