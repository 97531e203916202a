#!/usr/bin/env bash
# lint.sh: what `make lint` and `make format` run, on our own files only.
#
#   lint.sh           C: warnings as errors (gcc), cppcheck, clang-tidy, format; shell: syntax and shellcheck
#   lint.sh format    formats the C files in place
#
# PostgreSQL's headers are system headers here: their warnings are not ours.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Left out of -Wextra: callbacks with fixed signatures have parameters they do not need, and PostgreSQL's tables end with a
# short initializer.
WARNINGS="-std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wmissing-prototypes
	-Wpointer-arith -Wdeclaration-after-statement -Wvla -Wendif-labels -Wimplicit-fallthrough=3 -Wcast-function-type
	-Wformat-security -Wundef -Wstrict-prototypes -fno-strict-aliasing -fwrapv"

TIDY="-*,clang-analyzer-*,bugprone-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
TIDY="$TIDY,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-macro-parentheses"
TIDY="$TIDY,-bugprone-narrowing-conversions,-bugprone-assignment-in-if-condition,-bugprone-sizeof-expression"
TIDY="$TIDY,-bugprone-implicit-widening-of-multiplication-result,-bugprone-branch-clone"

FAILED=0

fail() {
	say "lint: $*"
	FAILED=1
}

# Our C files below the given folders, in name order.
c_files() { { find "$@" \( -name '*.c' -o -name '*.h' \) 2>/dev/null || true; } | sort; }

sources() { { find "$@" -name '*.c' 2>/dev/null || true; } | sort; }

shell_files() {
	{ find scripts bench test demo .ci -type f \( -name '*.sh' -o -path '.ci/run' \) 2>/dev/null || true; } | sort
}

formatter() {
	command -v clang-format-14 || die "clang-format-14 is missing; run \`make provision\` (later versions format differently)"
}

format() {
	local tool
	tool=$(formatter)
	c_files src test | xargs -r "$tool" -i
}

lint_compiler() {
	local file
	step "gcc, warnings as errors"
	while IFS= read -r file; do
		# shellcheck disable=SC2086
		gcc $WARNINGS $INCLUDES -c -o /dev/null "$file" || fail "$file"
	done < <(sources src test)
}

lint_cppcheck() {
	step "cppcheck"
	# shellcheck disable=SC2046
	cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 --enable=warning,performance,portability \
		--suppress=unknownMacro --suppress=missingInclude -Isrc \
		-DPG_VERSION_NUM="$(pg_major)0000" -DPG_FUNCTION_ARGS='FunctionCallInfo fcinfo' -D'PG_FUNCTION_INFO_V1(f)=' -DPG_MODULE_MAGIC= \
		$(sources src) || fail "cppcheck"
}

lint_tidy() {
	local file
	step "clang-tidy"
	while IFS= read -r file; do
		# shellcheck disable=SC2086
		clang-tidy-14 --quiet --checks="$TIDY" --warnings-as-errors='*' "$file" -- -std=gnu11 $INCLUDES \
			2>"$BUILD/tidy.err" || { grep -E 'error:' "$BUILD/tidy.err" >&2 || true; fail "$file"; }
	done < <(sources src)
}

lint_format() {
	local file
	step "format"
	while IFS= read -r file; do
		"$(formatter)" --dry-run --Werror "$file" 2>/dev/null || fail "$file is not formatted; \`make format\` mends it"
	done < <(c_files src test)
}

lint_shell() {
	local file
	step "shell scripts"
	while IFS= read -r file; do
		bash -n "$file" || fail "$file"
	done < <(shell_files)
	# shellcheck disable=SC2046
	shellcheck -x $(shell_files) || fail "shellcheck"
}

# Every file begins by saying what it is for; here only the kinds whose comment is easy to see.
lint_headers() {
	local file
	step "opening comments"
	while IFS= read -r file; do
		head -n 3 "$file" | grep -qE '^(#[^!]|--|/\*|//| \*|\\echo)' || fail "$file does not begin by saying what it is for"
	done < <({ find src control sql scripts bench test demo .ci Makefile -type f \
		\( -name '*.c' -o -name '*.h' -o -name '*.sql' -o -name '*.sh' -o -name '*.pl' -o -name '*.spec' -o -name '*.mk' \
		-o -name Makefile -o -path .ci/run \) 2>/dev/null || true; } | sort)
}

lint() {
	local config tool
	config=$(system_pg_config) || die "no pg_config found; run \`make provision\`"
	INCLUDES="-Isrc -isystem $("$config" --includedir-server) -isystem $("$config" --includedir)"
	mkdir -p "$BUILD"
	lint_compiler
	for tool in cppcheck shellcheck clang-tidy-14 clang-format-14; do
		if ! command -v $tool >/dev/null; then
			say "lint: no $tool here, its checks are left out"
			continue
		fi
		case $tool in
			cppcheck) lint_cppcheck ;;
			shellcheck) lint_shell ;;
			clang-tidy-14) lint_tidy ;;
			clang-format-14) lint_format ;;
		esac
	done
	lint_headers
	[ $FAILED = 0 ] && say "lint: clean"
}

main() {
	cd "$ROOT"
	scripts/provision.sh demo check lint
	case ${1:-} in
		format) format ;;
		"") lint ;;
		*) die "usage: lint.sh [format]" ;;
	esac
}

main "$@"
