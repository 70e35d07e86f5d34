# cbsnap: one non-recursive makefile. A folder lists its sources in files.mk; everything that is
# made goes to build/. `make help` lists the targets.

VERSION   := 0.1.0
PREFIX    ?= /usr/local
DESTDIR   ?=
SYSCONFDIR ?= /etc
BUILD     ?= build
PKG_CONFIG ?= pkg-config

# what `sudo make ...` has made is root's: said here, and not by each program that cannot write there
OURS := $(addprefix $(BUILD)/,gen obj unit man completion deb)
SHUT := $(shell for f in $(BUILD) $(BUILD)/places $(OURS); do [ ! -e $$f ] || [ -w $$f ] || echo $$f; done)
ifneq ($(SHUT),)
$(error not ours to write: $(SHUT), as after `sudo make'. Have it back with: sudo chown -R $$USER $(BUILD))
endif

SBINDIR    ?= $(PREFIX)/sbin
BINDIR     := $(PREFIX)/bin
LIBEXECDIR := $(PREFIX)/libexec/cbsnap
UNITDIR    ?= $(PREFIX)/lib/systemd/system
GENERATORDIR ?= $(PREFIX)/lib/systemd/system-generators
# where qemu-ga's stock runner looks for hooks: Debian's place; /etc/qemu-ga/... on Enterprise Linux
HOOKDIR    ?= $(SYSCONFDIR)/qemu/fsfreeze-hook.d

WARN    := -Wall -Wextra -Wshadow -Wconversion -Werror
HARDEN  := -fstack-protector-strong -fstack-clash-protection -fPIE
# x86's own; elsewhere it is an error, not a warning
HARDEN  += $(shell $(CC) -fcf-protection -x c -c -o /dev/null /dev/null 2>/dev/null && echo -fcf-protection)
ifeq ($(SANITIZE),)
HARDEN  += -D_FORTIFY_SOURCE=2
else
SANFLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
CFLAGS  ?= -O2 -g
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(HARDEN) $(SANFLAGS) -MMD -MP \
	-I. -I$(BUILD)/gen -DCBSNAP_VERSION='"$(VERSION)"' -DCBSNAP_SYSCONFDIR='"$(SYSCONFDIR)"'
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)

include proto/files.mk
include guest-agent/files.mk
include host-coordinator/files.mk
include tests/files.mk

# The server's own client library, or MariaDB's connector under its name.
MYSQL_PC := $(shell $(PKG_CONFIG) --exists mysqlclient 2>/dev/null && echo mysqlclient || echo libmariadb)
PROTO_PC := libprotobuf-c inih
AGENT_PC := $(PROTO_PC) libuv $(MYSQL_PC)
COORD_PC := $(PROTO_PC) ncursesw libuv libvirt libvirt-qemu libcurl jansson libxml-2.0 sqlite3 gnutls
SIM_PC   := libmicrohttpd jansson inih zlib gnutls
pc_cflags = $(shell $(PKG_CONFIG) --cflags $(1))
# INIH=static links that small library in: its soname is another one on Debian than elsewhere
pc_libs   = $(if $(filter static,$(INIH)),$(subst -linih,-l:libinih.a,$(pc_libs_so)),$(pc_libs_so))
pc_libs_so = $(shell $(PKG_CONFIG) --libs $(1))

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all
all: $(BUILD)/cbsnap-agent $(BUILD)/cbsnap-coord

# ---- generated code -------------------------------------------------------------------------

# protoc with the generator for C, where both are; alone that is called protoc-c, and deprecated since 1.5
PROTOC := $(shell command -v protoc >/dev/null && command -v protoc-gen-c >/dev/null && echo protoc || echo protoc-c)

# One command makes both; make before 4.3 (Enterprise Linux 7 and 8) knows no grouped targets.
GEN := $(BUILD)/gen/proto/cbsnap.pb-c.h
$(BUILD)/gen/proto/cbsnap.pb-c.c: proto/cbsnap.proto
	@mkdir -p $(BUILD)/gen
	$(PROTOC) --c_out=$(BUILD)/gen $<
$(GEN): $(BUILD)/gen/proto/cbsnap.pb-c.c
	@touch $@

$(BUILD)/obj/cbsnap.pb-c.o: $(BUILD)/gen/proto/cbsnap.pb-c.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Wno-conversion -c -o $@ $<

# ---- compiling ------------------------------------------------------------------------------

$(BUILD)/obj/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -c -o $@ $<

$(BUILD)/obj/proto/%.o: CPPFLAGS += $(call pc_cflags,$(PROTO_PC))
$(BUILD)/obj/guest-agent/%.o: CPPFLAGS += $(call pc_cflags,$(AGENT_PC))
$(BUILD)/obj/host-coordinator/%.o: CPPFLAGS += $(call pc_cflags,$(COORD_PC))
$(BUILD)/obj/tests/elastistor-sim/%.o: CPPFLAGS += $(call pc_cflags,$(SIM_PC))
$(BUILD)/obj/tests/unit/%.o: CPPFLAGS += $(call pc_cflags,cmocka $(AGENT_PC) $(COORD_PC))
$(BUILD)/obj/tests/lab/%.o: CPPFLAGS += $(call pc_cflags,$(MYSQL_PC))
$(BUILD)/obj/tests/bench/%.o: CPPFLAGS += $(call pc_cflags,$(MYSQL_PC))

# Everything but the two main.c, so that tests link the code that ships.
$(BUILD)/libproto.a: $(call objs,$(PROTO_SRC)) $(BUILD)/obj/cbsnap.pb-c.o
$(BUILD)/libagent.a: $(call objs,$(AGENT_SRC))
$(BUILD)/libcoord.a: $(call objs,$(COORD_SRC))
$(BUILD)/lib%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/cbsnap-agent: $(call objs,guest-agent/main.c) $(BUILD)/libagent.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(AGENT_PC)) -lpthread

$(BUILD)/cbsnap-coord: $(call objs,host-coordinator/main.c) $(BUILD)/libcoord.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(COORD_PC)) -lpthread -lm

$(BUILD)/elastistor-sim: $(call objs,$(ELASTISTOR_SIM_SRC))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(SIM_PC)) -lpthread

include docs/files.mk
include tests/targets.mk

# ---- installing -----------------------------------------------------------------------------

.PHONY: install install-agent install-coord
install: install-agent install-coord

INSTALL := install -D
# An installation is root's, but not what it makes on the way in somebody's clone.
define give_back
@[ "$$(id -u)" -ne 0 ] || { find $(BUILD) -maxdepth 1 ! -type d -exec chown -h --reference=Makefile {} + && \
    chown --reference=Makefile $(BUILD) && \
    for d in $(OURS); do [ ! -d $$d ] || chown -hR --reference=Makefile $$d || exit 1; done; }
endef
define fill
sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' \
    -e 's|@HOOKDIR@|$(HOOKDIR)|g' $(1) > $(BUILD)/$(notdir $(1)).out
endef

install-agent: $(BUILD)/cbsnap-agent $(AGENT_PAGES) $(filter %agent,$(COMPLETIONS))
	$(INSTALL) -m 0755 $(BUILD)/cbsnap-agent $(DESTDIR)$(SBINDIR)/cbsnap-agent
	$(call fill,hooks/cbsnap.sh)
	$(INSTALL) -m 0755 $(BUILD)/cbsnap.sh.out $(DESTDIR)$(HOOKDIR)/cbsnap
	$(call fill,hooks/fsfreeze-hook.sh)
	$(INSTALL) -m 0755 $(BUILD)/fsfreeze-hook.sh.out $(DESTDIR)$(LIBEXECDIR)/fsfreeze-hook
	$(call fill,hooks/qemu-ga-hook.sh)
	$(INSTALL) -m 0755 $(BUILD)/qemu-ga-hook.sh.out $(DESTDIR)$(LIBEXECDIR)/qemu-ga-hook
	$(call fill,hooks/when-idle.sh)
	$(INSTALL) -m 0755 $(BUILD)/when-idle.sh.out $(DESTDIR)$(LIBEXECDIR)/when-idle
	$(call fill,guest-agent/cbsnap-agent.service)
	$(INSTALL) -m 0644 $(BUILD)/cbsnap-agent.service.out $(DESTDIR)$(UNITDIR)/cbsnap-agent.service
	$(INSTALL) -m 0755 guest-agent/cbsnap-verify-generator \
	    $(DESTDIR)$(GENERATORDIR)/cbsnap-verify-generator
	$(call install_pages,$(AGENT_PAGES),cbsnap-agent)
	install -d -m 0700 $(DESTDIR)/var/lib/cbsnap/instance
	test -e $(DESTDIR)$(SYSCONFDIR)/cbsnap/agent.conf || \
	    $(INSTALL) -m 0644 guest-agent/agent.conf.example $(DESTDIR)$(SYSCONFDIR)/cbsnap/agent.conf
	$(give_back)

install-coord: $(BUILD)/cbsnap-coord $(COORD_PAGES) $(filter %coord,$(COMPLETIONS))
	$(INSTALL) -m 0755 $(BUILD)/cbsnap-coord $(DESTDIR)$(BINDIR)/cbsnap-coord
	$(call install_pages,$(COORD_PAGES),cbsnap-coord)
	install -d -m 0750 $(DESTDIR)/var/lib/cbsnap/records $(DESTDIR)/var/lib/cbsnap/journal
	test -e $(DESTDIR)$(SYSCONFDIR)/cbsnap/coord.conf || \
	    $(INSTALL) -m 0644 host-coordinator/coord.conf.example \
	    $(DESTDIR)$(SYSCONFDIR)/cbsnap/coord.conf
	$(give_back)

# ---- packages -------------------------------------------------------------------------------

.PHONY: rpm
rpm:
	packaging/rpm/build $(VERSION)

.PHONY: selinux
selinux:
	packaging/rpm/selinux/check $(BUILD)

.PHONY: deb
deb:
	packaging/deb/build $(VERSION) $(BUILD)/deb

# what the lab installs: the same, built without what proves it, once for each state of the tree
.PHONY: lab-packages
lab-packages:
	tests/lab/packages $(VERSION) $(BUILD)/lab-packages

# ---- care -----------------------------------------------------------------------------------

C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

.PHONY: format lint clean help deps docs
format:
	clang-format -i $(C_FILES)

lint: $(GEN)
	@clang-format --dry-run --Werror $(C_FILES)
	tests/lint/includes
	@! grep -n '\<assert_in_range(' $(filter-out tests/in_range.h,$(C_FILES)) # cmocka 2 warns of it
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,portability \
	    --suppress=missingIncludeSystem --suppress='*:$(BUILD)/gen/*' -I. -I$(BUILD)/gen -D_GNU_SOURCE \
	    proto guest-agent host-coordinator tests/elastistor-sim

# pages made from tables in the code; `make check` compares them
docs: $(BUILD)/cbsnap-agent
	$(BUILD)/cbsnap-agent metrics --markdown > $(BUILD)/metrics.md
	mv $(BUILD)/metrics.md docs/metrics.md

deps:
	tests/deps

clean:
	rm -rf $(BUILD)/obj $(BUILD)/gen $(BUILD)/man $(BUILD)/completion $(BUILD)/*tables* $(BUILD)/places \
	    $(BUILD)/*.a $(BUILD)/cbsnap-* $(BUILD)/elastistor-sim $(BUILD)/*-drive $(BUILD)/agent-host $(BUILD)/unit \
	    $(BUILD)/replay $(BUILD)/asan $(BUILD)/tsan $(BUILD)/memcheck $(BUILD)/old-libvirt $(BUILD)/fuzz

help:
	@echo 'all (default)        both programs, in $(BUILD)/'
	@echo 'deps                 install what is needed to build and test (Debian, Ubuntu; root)'
	@echo 'demo                 a real VM, a real set, and the proof of it (root; lab in $(BUILD)/lab)'
	@echo 'check                unit tests: no root, no VM, some minutes'
	@echo 'check-integration    real mysqld, real sockets, the stand-in appliance'
	@echo 'check-system         the real VM (root)'
	@echo 'test                 deps, lint, all three, and unit tests with the sanitizers'
	@echo 'check-old-libvirt    the coordinator built as against libvirt 1.2.2, and tested'
	@echo 'check-asan           unit tests under address and undefined-behaviour sanitizers'
	@echo 'check-tsan           integration and threaded unit tests under ThreadSanitizer (root)'
	@echo 'check-valgrind       the same under memcheck: leaks, invalid accesses, open descriptors (root)'
	@echo 'fuzz                 looks for inputs that break a reader, FUZZ_SECONDS (600) each (clang)'
	@echo 'docs                 docs/metrics.md from the catalogue of metrics'
	@echo 'man, completion      manual pages and completions, in $(BUILD)/man and $(BUILD)/completion'
	@echo 'lint, format         formatter, cppcheck, direction of includes'
	@echo 'prove                ten sets under load, each proven on clones, and tampered ones found (root)'
	@echo 'faults               every fault at every step, on fakes and in the VM: build/faults.tsv (root)'
	@echo 'faults-random        faults at random moments in the VM: SEED=, RUNS=200, RUN= (root)'
	@echo 'soak                 sets for two hours, COUNT=1000 at most: does anything grow or leak? (root)'
	@echo 'bench                write stall of a real set beside its floor; cost of measuring (root)'
	@echo 'check-packages       installs, upgrades, removes them in Debians of their own; qemu-ga of this release (root)'
	@echo 'check-mariadb        metrics, packages, sets, restore and verify in a VM with MariaDB (root)'
	@echo 'overhead             what ten readings a second take from a busy server with 10,000 tables (root)'
	@echo 'try-new-user         follows the documentation to the letter in a fresh Debian 12 and a sid (root)'
	@echo 'deb                  packages for Debian and Ubuntu, looked over, in $(BUILD)/deb'
	@echo 'rpm                  the RPMs of cbsnap-agent in $(BUILD)/rpm, and what proves them (Debian)'
	@echo 'selinux              compiles the policy module, and shows what it gives to the hook'
	@echo 'check-el7            builds the agent without what Enterprise Linux 7 lacks'
	@echo 'lab-packages         what the lab installs: both, without what proves them, if anything has changed'
	@echo 'install              with DESTDIR, PREFIX; install-agent and install-coord for one side'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
