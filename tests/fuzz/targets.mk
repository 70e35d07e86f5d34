# Fuzz targets (tests/fuzz/README.md): fuzz-NAME.c each, linked with replay.c for `make check` and,
# under BUILD=build/fuzz with FUZZER=1, with libFuzzer.

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_BIN   := $(addprefix $(BUILD)/replay/fuzz-,$(FUZZ_NAMES))
FUZZ_AGENT := agent agentconf errlog proc server
FUZZ_PROTO := frame
# inputs are records, and changed as such
FUZZ_RECORDS := agent certificate errlog frame guest import proc series watch

# The product's clocks and random bytes are fuzz.c's. libFuzzer must go on with the real ones, so where
# it is linked the calls are renamed as they are compiled.
FUZZ_WRAP  := clock_gettime getrandom
ifneq ($(FUZZER),)
ALL_CFLAGS += $(foreach f,$(FUZZ_WRAP),-D$(f)=__wrap_$(f))
FUZZ_LINK  := -fsanitize=fuzzer
else
FUZZ_LINK  := $(foreach f,$(FUZZ_WRAP),-Wl,--wrap=$(f))
endif

FUZZ_MAIN  := $(call objs,tests/fuzz/fuzz.c $(if $(FUZZER),,tests/fuzz/replay.c))

# a target stands in for parts of the program by defining their functions: the library's are not taken
fuzz_name = $(patsubst $(BUILD)/replay/fuzz-%,%,$(1))
fuzz_libs = $(if $(filter $(FUZZ_AGENT),$(call fuzz_name,$(1))),$(BUILD)/libagent.a,$(if \
	$(filter $(FUZZ_PROTO),$(call fuzz_name,$(1))),,$(BUILD)/libcoord.a)) $(BUILD)/libproto.a
fuzz_pc = $(PROTO_PC) $(if $(filter $(FUZZ_AGENT),$(call fuzz_name,$(1))),$(AGENT_PC),$(if \
	$(filter $(FUZZ_PROTO),$(call fuzz_name,$(1))),,$(COORD_PC)))

$(BUILD)/obj/tests/fuzz/%.o: CPPFLAGS += $(call pc_cflags,$(AGENT_PC) $(COORD_PC))
$(FUZZ_BIN): $(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $$(call fuzz_libs,$$@)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $(FUZZ_LINK) -Wl,--as-needed -o $@ $(filter %.o,$^) $(filter %.a,$^) \
	    $(call pc_libs,$(call fuzz_pc,$@)) -lpthread -lm

# the world around a run
FUZZ_WORLD := $(call objs,tests/fuzz/world.c tests/fuzz/world_estate.c)
$(addprefix $(BUILD)/replay/fuzz-,guest import journal watch): $(FUZZ_WORLD)

ifneq ($(FUZZER),)
$(addprefix $(BUILD)/replay/fuzz-,$(FUZZ_RECORDS)): $(call objs,tests/fuzz/mutate.c tests/fuzz/mutate_message.c)
endif

build-check: $(FUZZ_BIN)
