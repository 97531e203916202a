# Makefile: the one entry for everything. `make` builds, `make help` lists the rest.
#
# The targets that need a PostgreSQL installation (all, install, uninstall, installcheck) go to
# scripts/pgxs.mk, which is an ordinary PGXS makefile; the others are shell scripts in scripts/, so they
# also work on a machine where PostgreSQL is not installed yet.
#
# Variables:  PG_CONFIG=   the server to build for (default: the pg_config in PATH)
#             BUILD=       where everything that is made goes (default: build)
#             SUITE=       one suite of `make check`     ONLY=  one room of `make bench`
#             DATA=        the data directory of `make acceptance` and `make acceptance-identity`

# The Bourne shell of every recipe; scripts themselves ask for bash.
SHELL = /bin/sh

BUILD ?= build

# Seen from the build folder, where the sources are. Relative when it can be, so that a blank in the
# path of the clone does no harm.
SRCDIR = $(if $(filter build,$(BUILD)),..,$(CURDIR))

EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" control/pg_retail.control 2>/dev/null)

export BUILD PG_CONFIG SUITE ONLY DATA

.DEFAULT_GOAL := all

PGXS_TARGETS = all install uninstall installcheck

.PHONY: $(PGXS_TARGETS) help provision demo demo-stop check check-long bench acceptance acceptance-identity acceptance-forecast format lint docs dist clean

all: ## build the module and the install script into build/
install: ## build, then install into the server of PG_CONFIG
uninstall: ## remove what `make install` put there
installcheck: ## run pg_regress and the isolation specs against a running server where it is installed

$(PGXS_TARGETS):
	@mkdir -p '$(BUILD)'
	@$(MAKE) --no-print-directory -C '$(BUILD)' -f '$(SRCDIR)/scripts/pgxs.mk' 'VPATH=$(SRCDIR)' $@

provision: ## install the packages that are missing for demo, check, lint and bench
	@scripts/provision.sh demo check lint

demo: ## the whole thing in small: packages, build, a private cluster, a retail chain at work
	@scripts/demo.sh

demo-stop: ## stop the cluster of `make demo` (its data stays)
	@scripts/cluster.sh stop demo

check: ## run every suite in a throw-away cluster (SUITE=unit|regress|isolation|pgtap|tap|oracle|fuzz|docs: one)
	@scripts/check.sh

check-long: ## the same with more oracle cases and longer fuzzing
	@LONG=1 scripts/check.sh

bench: ## measure (ONLY=allocation: one room)
	@scripts/bench.sh

acceptance: ## the main job on real data (DATA=folder)
	@scripts/acceptance.sh

acceptance-identity: ## how well people are found again, on labelled data (DATA=folder of <set>/records.csv, truth.csv)
	@scripts/acceptance_identity.sh

acceptance-forecast: ## accuracy of forecasts on real series (DATA=folder)
	@test/acceptance/forecast/run.sh

format: ## format our C files
	@scripts/lint.sh format

lint: ## warnings as errors, static analysis, format and shell checks
	@scripts/lint.sh

dist: ## the zip for PGXN, of what is committed
	@mkdir -p '$(BUILD)'
	@git archive --format=zip --prefix='pg_retail-$(EXTVERSION)/' -o '$(BUILD)/pg_retail-$(EXTVERSION).zip' HEAD
	@echo '$(BUILD)/pg_retail-$(EXTVERSION).zip'

docs: ## write the pages of docs/ that come from the live schema
	@scripts/docs.sh

clean: ## stop our clusters and remove everything that was made
	@scripts/cluster.sh clean

help: ## this list
	@echo 'make [target] [PG_CONFIG=...] [BUILD=...]'
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r name what; do \
		printf '  %-20s %s\n' "$$name" "$$what"; done
