AGENT_SRC += $(addprefix guest-agent/sample/, \
	absent.c agent.c cpu.c deleted.c disk.c errline.c errlog.c follow.c fs.c keyed.c loadavg.c meminfo.c \
	names.c net.c pace.c process.c procfile.c procinfo.c ring.c sample.c server_facts.c sources.c \
	startlog.c)
