# What going back needs: manifests, certificate, data check.
AGENT_SRC += \
	guest-agent/evidence/answer.c \
	guest-agent/evidence/asset.c \
	guest-agent/evidence/certificate.c \
	guest-agent/evidence/child.c \
	guest-agent/evidence/datacheck.c \
	guest-agent/evidence/datafiles.c \
	guest-agent/evidence/freezes.c \
	guest-agent/evidence/journal.c \
	guest-agent/evidence/manifest.c \
	guest-agent/evidence/service.c \
	guest-agent/evidence/setid.c
