# Test targets, included by the top Makefile.

UNIT_BIN := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

# a unit test of proto/ links libproto; of a program, that program's library too
unit_libs = $(if $(findstring unit/guest-agent,$(1)),$(BUILD)/libagent.a) \
	$(if $(findstring unit/host-coordinator,$(1)),$(BUILD)/libcoord.a) $(BUILD)/libproto.a
unit_pc = cmocka $(if $(findstring unit/guest-agent,$(1)),$(AGENT_PC)) \
	$(if $(findstring unit/host-coordinator,$(1)),$(COORD_PC)) $(PROTO_PC)

# the documentation against the programs' tables and the sources
DOCS_TESTS := $(addprefix tests/docs/,pages completion messages steps)

.SECONDEXPANSION:
$(UNIT_BIN): $(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $$(call unit_libs,$$@)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
	    $(call pc_libs,$(call unit_pc,$@)) -lpthread -lm

.PHONY: build-check check check-asan check-tsan check-under-tsan check-valgrind fuzz \
	check-integration check-system test demo prove faults faults-random soak bench overhead
build-check: all $(UNIT_BIN) man completion

check: build-check
	BUILD=$(BUILD) tests/run $(UNIT_BIN) $(FUZZ_BIN) tests/schema/check $(DOCS_TESTS)

# the pages are the same with it
ASAN = BUILD=$(BUILD)/asan SANITIZE=address,undefined CFLAGS='-O1 -g' DOCS_TESTS=

check-asan:
	$(MAKE) $(ASAN) check

include tests/fuzz/targets.mk
include tests/el7/targets.mk

# looks for inputs that break a reader, FUZZ_SECONDS for each target (all, or those in FUZZ)
fuzz:
	tests/fuzz/run $(FUZZ)

# what the scripts run besides the two programs: they find all of it by $BUILD
INTEGRATION_BIN := $(addprefix $(BUILD)/,elastistor-sim storage-drive mysql-drive metrics-drive fs-drive \
	confine-drive domain-drive agent-host)
INTEGRATION := $(wildcard tests/integration/test-*.sh)

export BUILD
check-integration: all $(INTEGRATION_BIN)
	tests/run $(INTEGRATION)

# the same scripts, and the unit tests that can start a thread, with each data race reported; and with
# each leak, each byte that is not ours and each that nobody has written
check-tsan:
	$(MAKE) BUILD=$(BUILD)/tsan SANITIZE=thread CFLAGS='-O1 -g' check-under-tsan

check-under-tsan: all $(INTEGRATION_BIN) $(UNIT_BIN)
	tests/sanitize/run thread $(UNIT_BIN) $(INTEGRATION)

check-valgrind: all $(INTEGRATION_BIN) $(UNIT_BIN) $(FUZZ_BIN)
	tests/deps valgrind
	tests/sanitize/run memcheck $(UNIT_BIN) $(FUZZ_BIN) $(INTEGRATION)

LAB_TOOLS := $(BUILD)/elastistor-sim $(BUILD)/stall-meter $(BUILD)/sample-tap $(BUILD)/floor

check-system: all $(LAB_TOOLS) lab-packages
	tests/run tests/system/test-*.sh tests/schema/check

test: deps
	tests/run-all

demo: deps
	$(MAKE) all $(LAB_TOOLS)
	tests/demo

# the long form of the proof on clones: about half an hour
prove: all $(LAB_TOOLS)
	COUNT=10 PROVE=10 ROLES='data log root' tests/run tests/system/test-verify.sh

# every fault at every step: on fakes, drawn at random on fakes, and in the lab's VM; about an hour. The
# matrix is left in build/faults.tsv, what each real run said in build/faults/
FAULT_BIN := $(addprefix $(BUILD)/unit/host-coordinator/,test-faults test-faults-killed test-random)

faults: all $(LAB_TOOLS) $(FAULT_BIN)
	tests/faults/all $(FAULT_BIN) tests/system/test-faults.sh

# faults at random moments in the VM, RUNS=200 of SEED; and two hours or COUNT=1000 sets, whether anything grows
faults-random: all $(LAB_TOOLS)
	tests/run tests/system/random-faults.sh

soak: all $(LAB_TOOLS)
	tests/run tests/system/soak.sh

bench: all $(LAB_TOOLS)
	tests/bench/stall
	tests/bench/cost

# an hour or two, of a guest that counts instructions
overhead: all
	tests/bench/overhead

# ---- storage drivers: the fake array, the contract of all drivers, their integration test -----

STORAGE_MEMORY_OBJ := $(call objs,tests/fake/storage_memory.c tests/fake/memory_state.c)
STORAGE_TEST_OBJ := $(STORAGE_MEMORY_OBJ) $(call objs,$(addprefix tests/contract/, \
	storage_contract.c storage_contract_back.c storage_contract_clone.c storage_contract_util.c))

STORAGE_DRIVE_OBJ := $(call objs,$(addprefix tests/integration/,storage-drive.c storage-drive-back.c))

$(STORAGE_TEST_OBJ) $(STORAGE_DRIVE_OBJ): \
	CPPFLAGS += $(call pc_cflags,cmocka libuv)
$(BUILD)/unit/host-coordinator/test-storage: $(STORAGE_TEST_OBJ)

$(BUILD)/storage-drive: $(STORAGE_DRIVE_OBJ) $(STORAGE_TEST_OBJ) $(BUILD)/libcoord.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,cmocka $(COORD_PC)) -lpthread

# ---- tools of the lab -----------------------------------------------------------------------

$(BUILD)/stall-meter: $(call objs,tests/lab/stall-meter.c)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(MYSQL_PC))

$(BUILD)/obj/tests/lab/sample-tap.o: CPPFLAGS += $(call pc_cflags,$(PROTO_PC) jansson)
$(BUILD)/sample-tap: $(call objs,tests/lab/sample-tap.c) $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(PROTO_PC) jansson)

$(BUILD)/floor: $(call objs,tests/bench/floor.c)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(MYSQL_PC))

# ---- the database lock against a real server --------------------------------------------------

MYSQL_DRIVE_OBJ := $(call objs,$(addprefix tests/integration/, \
	mysql-drive.c mysql-drive-refused.c mysql-drive-lost.c mysql-drive-server.c mysql-proxy.c mysql-sessions.c \
	lateness.c))

$(MYSQL_DRIVE_OBJ): CPPFLAGS += $(call pc_cflags,$(MYSQL_PC))
$(BUILD)/mysql-drive: $(MYSQL_DRIVE_OBJ) $(BUILD)/libagent.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(AGENT_PC)) -lpthread

METRICS_DRIVE_OBJ := $(call objs,$(addprefix tests/integration/, \
	metrics-drive.c metrics-drive-slow.c mysql-sessions.c))

$(METRICS_DRIVE_OBJ): CPPFLAGS += $(call pc_cflags,$(MYSQL_PC))
$(BUILD)/metrics-drive: $(METRICS_DRIVE_OBJ) $(BUILD)/libagent.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(AGENT_PC)) -lpthread

$(BUILD)/fs-drive: $(call objs,tests/integration/fs-drive.c) $(BUILD)/libagent.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lpthread

$(BUILD)/confine-drive: $(call objs,tests/integration/confine-drive.c) $(BUILD)/libagent.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(AGENT_PC)) -lpthread

# a server that is played, for what no real one does when it is asked to
$(BUILD)/unit/guest-agent/test-server: $(call objs,tests/fake/mysql_server.c)

# ---- the freeze session: all that is outside it, scripted; the world of its unit tests ----------

SESSION_OUTSIDE_OBJ := $(call objs,tests/fake/session_outside.c)
SESSION_WORLD_OBJ := $(call objs,tests/unit/guest-agent/session_world.c) $(SESSION_OUTSIDE_OBJ)

$(SESSION_OUTSIDE_OBJ): CPPFLAGS += $(call pc_cflags,$(AGENT_PC))
$(filter $(BUILD)/unit/guest-agent/test-session-%,$(UNIT_BIN)): $(SESSION_WORLD_OBJ)
$(BUILD)/replay/fuzz-agent: $(SESSION_OUTSIDE_OBJ)

# ---- libvirt and the guest's end of the port: scripted stand-ins, a driver --------------------

COORD_FAKE_OBJ := $(call objs,tests/fake/peer.c tests/fake/domain_fake.c tests/fake/domain_fake_calls.c \
	tests/fake/domain_fake_estate.c tests/fake/domain_fake_life.c)

$(COORD_FAKE_OBJ): CPPFLAGS += $(call pc_cflags,$(COORD_PC))
$(addprefix $(BUILD)/unit/host-coordinator/,test-follow test-domain-fake): $(COORD_FAKE_OBJ)
$(BUILD)/unit/host-coordinator/test-volumes-watch: $(STORAGE_MEMORY_OBJ)

# the world of the tests of the link to the agent
$(filter $(BUILD)/unit/host-coordinator/test-guest-%,$(UNIT_BIN)): \
	$(call objs,tests/unit/host-coordinator/guest_world.c) $(COORD_FAKE_OBJ)

# the world of the tests of a whole snapshot
$(filter $(BUILD)/unit/host-coordinator/test-snapshot-%,$(UNIT_BIN)): \
	$(call objs,$(addprefix tests/unit/host-coordinator/take_,world.c agent.c swell.c)) \
	$(COORD_FAKE_OBJ) $(STORAGE_MEMORY_OBJ)

# the world of the tests of going back
BACK_WORLD_OBJ := $(call objs,$(addprefix tests/unit/host-coordinator/back_,world.c agent.c look.c)) \
	$(COORD_FAKE_OBJ) $(STORAGE_MEMORY_OBJ)

$(call objs,$(wildcard tests/unit/host-coordinator/back_*.c)): \
	CPPFLAGS += $(call pc_cflags,cmocka $(COORD_PC))
$(addprefix $(BUILD)/unit/host-coordinator/,test-restore test-restore-broken test-restore-killed \
	test-restore-refused test-restore-definition test-restore-late test-restore-stop test-verify \
	test-recover test-recover-clones test-recover-set test-inventory test-orphans): \
	$(BACK_WORLD_OBJ)
$(addprefix $(BUILD)/unit/host-coordinator/,test-recover test-recover-clones): \
	$(call objs,tests/unit/host-coordinator/back_late.c)

# the world of the tests that break a snapshot
SNAP_WORLD_OBJ := $(call objs,$(addprefix tests/unit/host-coordinator/snap_,world.c fault.c model.c \
	agent.c look.c)) $(COORD_FAKE_OBJ) $(STORAGE_MEMORY_OBJ)

$(call objs,$(wildcard tests/unit/host-coordinator/snap_*.c)): \
	CPPFLAGS += $(call pc_cflags,cmocka $(COORD_PC))
$(addprefix $(BUILD)/unit/host-coordinator/,test-faults test-faults-killed test-random): \
	$(SNAP_WORLD_OBJ)

# what an ElastiStor answers
$(filter $(BUILD)/unit/host-coordinator/test-elastistor-%,$(UNIT_BIN)): \
	$(call objs,tests/unit/host-coordinator/elastistor_answer.c)

# of a coordinator that dies
DEAD_OBJ := $(call objs,tests/unit/host-coordinator/dead.c)
$(addprefix $(BUILD)/unit/host-coordinator/,test-restore-killed test-faults-killed test-faults): \
	$(DEAD_OBJ)

DOMAIN_DRIVE_OBJ := $(call objs,tests/integration/domain-drive.c)

$(DOMAIN_DRIVE_OBJ): CPPFLAGS += $(call pc_cflags,$(COORD_PC))
$(BUILD)/domain-drive: $(DOMAIN_DRIVE_OBJ) $(BUILD)/libcoord.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(COORD_PC)) -lpthread -lm

# ---- the host's end of the agent's port, for test-agent.sh ------------------------------------

AGENT_HOST_OBJ := $(call objs,tests/integration/agent-host.c tests/integration/agent-host-evidence.c)

$(AGENT_HOST_OBJ): CPPFLAGS += $(call pc_cflags,$(PROTO_PC))
$(BUILD)/agent-host: $(AGENT_HOST_OBJ) $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(PROTO_PC))

# ---- libvirt as old as 1.2.2 -------------------------------------------------------------------

# The program once more, with the folder that calls libvirt compiled where all that came later is hidden.
OLD := $(BUILD)/old-libvirt
OLD_DOMAIN := $(filter host-coordinator/domain/%,$(COORD_SRC))
old_objs = $(patsubst %.c,$(BUILD)/obj/old-libvirt/%.o,$(1))

.PHONY: check-old-libvirt
check-old-libvirt: $(addprefix $(OLD)/,cbsnap-coord domain-drive test-fallback test-domain) \
		$(BUILD)/cbsnap-coord
	BUILD=$(BUILD) tests/run tests/old-libvirt/test-old-libvirt.sh

$(OLD)/libvirt-as.h: tests/old-libvirt/hide
	@mkdir -p $(@D)
	$< 1.2.2 >$@.new
	mv $@.new $@

$(BUILD)/obj/old-libvirt/%.o: %.c $(OLD)/libvirt-as.h | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(call pc_cflags,cmocka $(COORD_PC)) -include $(OLD)/libvirt-as.h -c -o $@ $<

$(OLD)/libcoord.a: $(call objs,$(filter-out $(OLD_DOMAIN),$(COORD_SRC))) $(call old_objs,$(OLD_DOMAIN))
	@rm -f $@
	$(AR) rcs $@ $^

$(OLD)/cbsnap-coord: $(call objs,host-coordinator/main.c)
$(OLD)/domain-drive: $(DOMAIN_DRIVE_OBJ)
$(OLD)/test-fallback: $(call old_objs,tests/old-libvirt/test-fallback.c)
$(OLD)/test-domain: $(call old_objs,tests/unit/host-coordinator/test-domain.c)
$(addprefix $(OLD)/,cbsnap-coord domain-drive test-fallback test-domain): $(OLD)/libcoord.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(OLD)/libcoord.a $(BUILD)/libproto.a \
	    -Wl,--as-needed $(call pc_libs,cmocka $(COORD_PC)) -lpthread -lm

# ---- packages ----------------------------------------------------------------------------------

# somebody new, with the documentation and nothing else; a quarter of an hour for each suite, not in CI
.PHONY: try-new-user
try-new-user:
	BUILD=$(BUILD) tests/packaging/new-user $(SUITES)

.PHONY: check-packages
check-packages: deb $(LAB_TOOLS)
	BUILD=$(BUILD) tests/run tests/packaging/test-deb.sh tests/packaging/test-deb-running.sh \
	    tests/system/packages.sh tests/system/qemu-ga-of-host.sh

.PHONY: check-mariadb
check-mariadb: all $(LAB_TOOLS)
	tests/run tests/system/mariadb.sh
