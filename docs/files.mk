# Manual pages and completions: text from docs/man and docs/completion, tables from the programs
# (docs/tables). Included by the top Makefile.

MANDIR      ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
# where zsh of Enterprise Linux looks; Debian's packages belong into .../zsh/vendor-completions
ZSHCOMPDIR  ?= $(PREFIX)/share/zsh/site-functions
# the day on which the pages were last read through
MAN_DATE    := November 27, 2026

MAN_PAGES    := $(patsubst docs/man/%.in,$(BUILD)/man/%,$(wildcard docs/man/*.in))
COMPLETIONS  := $(patsubst docs/completion/%.in,$(BUILD)/completion/%,$(wildcard docs/completion/*/*.in))
AGENT_PAGES  := $(filter $(BUILD)/man/cbsnap-agent% %/cbsnap-hook.7,$(MAN_PAGES))
COORD_PAGES  := $(filter-out $(AGENT_PAGES),$(MAN_PAGES))

.PHONY: man completion
man: $(MAN_PAGES)
completion: $(COMPLETIONS)

$(BUILD)/obj/docs/tables/agent.o: CPPFLAGS += $(call pc_cflags,$(AGENT_PC))
$(BUILD)/obj/docs/tables/coord.o: CPPFLAGS += $(call pc_cflags,$(COORD_PC))
$(BUILD)/tables-agent: $(call objs,docs/tables/agent.c) $(BUILD)/libagent.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(AGENT_PC)) -lpthread
$(BUILD)/tables-coord: $(call objs,docs/tables/coord.c) $(BUILD)/libcoord.a $(BUILD)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pc_libs,$(COORD_PC)) -lpthread -lm

# Each side is built where the other's libraries are missing, so each has its own file.
$(BUILD)/%.tables: $(BUILD)/tables-%
	$< > $@.new && mv $@.new $@

# what stands in a page as @NAME@
PLACES := SYSCONFDIR=$(SYSCONFDIR) SBINDIR=$(SBINDIR) LIBEXECDIR=$(LIBEXECDIR) HOOKDIR=$(HOOKDIR) \
	VERSION=$(VERSION) DATE='$(MAN_DATE)'
PAGE_NEEDS := docs/tables/read.awk $(BUILD)/places

# an installation with another PREFIX makes the pages anew
.PHONY: FORCE
$(BUILD)/places: FORCE
	@mkdir -p $(@D)
	@echo "$(PLACES)" | cmp -s - $@ || echo "$(PLACES)" > $@

$(AGENT_PAGES) $(filter %agent,$(COMPLETIONS)): $(BUILD)/agent.tables
$(COORD_PAGES) $(filter %coord,$(COMPLETIONS)): $(BUILD)/coord.tables
$(BUILD)/man/cbsnap-record.5: docs/record.md

$(BUILD)/man/%: docs/man/%.in $(PAGE_NEEDS) docs/tables/man.awk
	@mkdir -p $(@D)
	awk -f docs/tables/read.awk -f docs/tables/man.awk $(filter %.tables %.md,$^) $(PLACES) $< > $@.new
	mv $@.new $@

$(BUILD)/completion/%: docs/completion/%.in $(PAGE_NEEDS) docs/tables/completion.awk
	@mkdir -p $(@D)
	awk -f docs/tables/read.awk -f docs/tables/completion.awk $(filter %.tables,$^) $(PLACES) $< > $@.new
	mv $@.new $@

# $(1): pages, $(2): program
define install_pages
for page in $(1); do $(INSTALL) -m 0644 "$$page" \
    "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}" || exit 1; done
$(INSTALL) -m 0644 $(BUILD)/completion/bash/$(2) $(DESTDIR)$(BASHCOMPDIR)/$(2)
$(INSTALL) -m 0644 $(BUILD)/completion/zsh/_$(2) $(DESTDIR)$(ZSHCOMPDIR)/_$(2)
endef
