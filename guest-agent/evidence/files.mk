# What going back needs: manifests, certificate, data check.
AGENT_SRC += \
	guest-agent/evidence/manifest.c \
	guest-agent/evidence/setid.c
