# `make check-el7`: the agent as Enterprise Linux 7 would have to build it: with headers that lack what
# is younger than glibc 2.17 and Linux 3.10 (hide.h), and of libc only what was there then.
EL7 := $(BUILD)/el7

.PHONY: check-el7
check-el7:
	$(MAKE) BUILD=$(EL7) INIH=static \
	    CFLAGS='-O2 -Itests/el7/include -include tests/el7/hide.h' $(EL7)/cbsnap-agent
	packaging/rpm/check-binary el7 $(EL7)/cbsnap-agent
