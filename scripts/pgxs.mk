# pgxs.mk: builds and installs the extension with PGXS. Run by the root Makefile inside the build folder
# (a VPATH build), so nothing is ever written beside the sources.
#
# In:   src/*.c src/*/*.c               -> pg_retail.so
#       control/pg_retail.control       -> version
#       control/NN_<room>.sql           -> pg_retail--<version>.sql, joined in name order
#       control/releases/*.sql          frozen install scripts of older versions, installed as they are
#                                       -> pg_retail--<older>--<version>.sql: first control/upgrade/<older>.sql, where
#                                       it exists (drops what changed its signature), then every function replaced
#       control/schema/**.sql           what retail.install() applies -> <sharedir>/extension/pg_retail/schema/

root := $(VPATH)
here  = $(patsubst $(root)/%,%,$(wildcard $(addprefix $(root)/,$(1))))

EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" $(root)/control/pg_retail.control)
ifeq ($(EXTVERSION),)
$(error control/pg_retail.control does not state a default_version)
endif

SCRIPT_PARTS := $(sort $(wildcard $(root)/control/[0-9][0-9]_*.sql))
SCHEMA_TOP   := $(sort $(call here,control/schema/*.sql))
MIGRATIONS   := $(sort $(call here,control/schema/migrations/*/*.sql))

MODULE_big = pg_retail
OBJS       = $(patsubst %.c,%.o,$(sort $(call here,src/*.c src/*/*.c)))
EXTENSION  = control/pg_retail
# override: the DATA= of `make acceptance` is inherited by every make below it.
override DATA = $(filter-out %--$(EXTVERSION).sql,$(sort $(call here,control/releases/*.sql)))
RELEASES   = $(patsubst control/releases/pg_retail--%.sql,%,$(DATA))
UPGRADES   = $(RELEASES:%=pg_retail--%--$(EXTVERSION).sql)
DATA_built = pg_retail--$(EXTVERSION).sql $(UPGRADES)

# ICU folds the names of people; Debian's PostgreSQL itself is linked to the same one.
ICU = icu-i18n icu-uc
ifneq ($(shell pkg-config --exists $(ICU) 2>/dev/null && echo yes),yes)
$(error ICU is not there to build with. Install libicu-dev and pkg-config, or run `make provision`)
endif

PG_CPPFLAGS = -I$(root)/src -MMD -MP -DPG_RETAIL_VERSION=\"$(EXTVERSION)\" $(shell pkg-config --cflags $(ICU))
SHLIB_LINK += $(shell pkg-config --libs $(ICU)) -lm

# The suites run through scripts/regress.sh, which gives every script a database of its own.
NO_INSTALLCHECK = 1

# No bitcode: our functions are long, inlining them into JIT expressions gains nothing, and clang is not needed.
override with_llvm = no

# Make exports an empty PG_CONFIG when the user gave none.
ifeq ($(PG_CONFIG),)
override PG_CONFIG = pg_config
endif
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifeq ($(PGXS),)
$(error $(PG_CONFIG) does not lead to the PostgreSQL server headers. Say PG_CONFIG=/path/to/pg_config, or run `make provision`)
endif
include $(PGXS)

PG_MAJOR := $(firstword $(subst ., ,$(MAJORVERSION)))
ifneq ($(filter $(PG_MAJOR),15 16 17 18),$(PG_MAJOR))
$(error pg_retail needs PostgreSQL 15 to 18, and $(PG_CONFIG) is of $(MAJORVERSION))
endif

# Objects depend on the server version and the flags they were made with: another PG_CONFIG rebuilds them.
FLAGS := $(VERSION_NUM) $(CC) $(subst $(pkgincludedir),$(realpath $(pkgincludedir)),$(CPPFLAGS) $(CFLAGS))
ifneq ($(strip $(file <flags.stamp)),$(strip $(FLAGS)))
$(file >flags.stamp,$(FLAGS))
endif
$(OBJS): flags.stamp
# By the shell, not by a rule: VPATH would find the folders of the sources instead.
$(shell mkdir -p $(sort $(dir $(OBJS))))
-include $(OBJS:.o=.d)

# A source file that was removed must leave the module and the install script too.
$(file >objects.now,$(OBJS) $(SCRIPT_PARTS))
objects.stamp: FORCE
	@cmp -s objects.now $@ || cp objects.now $@
$(MODULE_big)$(DLSUFFIX): objects.stamp

pg_retail--$(EXTVERSION).sql: $(SCRIPT_PARTS) $(root)/control/pg_retail.control $(root)/scripts/pgxs.mk objects.stamp
	@echo 'joining $(notdir $(SCRIPT_PARTS)) -> $@'
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION pg_retail" to load this file. \quit'; \
	   for part in $(SCRIPT_PARTS); do echo; awk 1 "$$part"; done; } > $@.tmp
	@mv $@.tmp $@

# Replacing is safe in an upgrade: the server refuses to replace a function that is not the extension's own.
$(UPGRADES): pg_retail--%--$(EXTVERSION).sql: pg_retail--$(EXTVERSION).sql $(wildcard $(root)/control/upgrade/*.sql)
	@{ printf '%s\n' '\echo Use "ALTER EXTENSION pg_retail UPDATE" to load this file. \quit'; \
	   first='$(root)/control/upgrade/$*.sql'; if [ -e "$$first" ]; then awk 1 "$$first"; fi; \
	   sed -e 1d -e 's/^CREATE FUNCTION /CREATE OR REPLACE FUNCTION /' pg_retail--$(EXTVERSION).sql; } > $@.tmp
	@mv $@.tmp $@

schemadir = $(DESTDIR)$(datadir)/extension/pg_retail/schema

.PHONY: FORCE install-schema uninstall-schema installcheck
FORCE:

install: install-schema
install-schema: installdirs
	rm -rf '$(schemadir)'
	$(MKDIR_P) '$(schemadir)' $(foreach d,$(sort $(dir $(MIGRATIONS))),'$(schemadir)/$(d:control/schema/%=%)')
	@set -e; for f in $(SCHEMA_TOP:control/schema/%=%) $(MIGRATIONS:control/schema/%=%); do \
		$(INSTALL_DATA) "$(root)/control/schema/$$f" '$(schemadir)'/"$$f"; done
	@echo 'installed $(words $(SCHEMA_TOP) $(MIGRATIONS)) schema files'

uninstall: uninstall-schema
uninstall-schema:
	rm -rf '$(DESTDIR)$(datadir)/extension/pg_retail'

installcheck:
	PG_CONFIG='$(PG_CONFIG)' $(root)/scripts/regress.sh regress
	PG_CONFIG='$(PG_CONFIG)' $(root)/scripts/regress.sh isolation
