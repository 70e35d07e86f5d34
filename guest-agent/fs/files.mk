AGENT_SRC += guest-agent/fs/freeze.c guest-agent/fs/mounts.c guest-agent/fs/rcu.c guest-agent/fs/thaw.c
