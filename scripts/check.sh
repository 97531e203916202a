#!/usr/bin/env bash
# check.sh: what `make check` runs. Installs what is missing, builds, runs every suite in a throw-away cluster and counts
# what the suites themselves report. Its last line is `N passed, N failed, N skipped`; the exit status is not zero when
# anything failed, crashed, ran out of time or reported nothing.
#
# Environment: SUITE   run one suite only                     ONLY   one script of it (regress, isolation, pgtap, tap)
#              LONG=1  the long form (make check-long)
#
# Every suite speaks TAP (cmocka is told to); its whole output is build/results/<suite>.log.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SUITES="unit regress isolation pgtap tap oracle fuzz docs"
RESULTS=$BUILD/results
export LONG=${LONG:-}

PASSED=0
FAILED=0
SKIPPED=0
TABLE=()

# Seconds that a suite may take.
time_limit() {
	local limit
	case $1 in
		unit) limit=300 ;;
		tap) limit=1800 ;;
		*) limit=900 ;;
	esac
	[ -z "$LONG" ] || limit=$((limit * 6))
	echo $limit
}

has_files() {
	local file
	for file in "$@"; do
		[ -e "$file" ] && return 0
	done
	return 1
}

# ---- the suites: each prints TAP and ends with its own status --------------------------------------

suite_files() {
	case $1 in
		unit | oracle | fuzz) has_files "$ROOT/test/$1/Makefile" ;;
		regress) has_files "$ROOT"/sql/*.sql ;;
		isolation) has_files "$ROOT"/test/isolation/specs/*.spec ;;
		pgtap) has_files "$ROOT"/test/pgtap/*.sql ;;
		tap) has_files "$ROOT"/test/tap/*.pl ;;
		docs) has_files "$ROOT"/docs/*.md ;;
	esac
}

suite_command() {
	case $1 in
		unit | oracle | fuzz)
			COMMAND=(env -u MAKEFLAGS -u MFLAGS CMOCKA_MESSAGE_OUTPUT=TAP make -k --no-print-directory -C "$ROOT/test/$1" check)
			;;
		tap) COMMAND=("$ROOT/scripts/tap.sh") ;;
		docs) COMMAND=("$ROOT/scripts/docs.sh" --check) ;;
		*) COMMAND=("$ROOT/scripts/regress.sh" "$1") ;;
	esac
	case $1 in
		tap | regress | isolation | pgtap) [ -z "${ONLY:-}" ] || COMMAND+=("$ONLY") ;;
	esac
}

# ---- counting ---------------------------------------------------------------------------------------

# Reads TAP; prints "passed failed skipped". Results that a plan promised and that never came are failures.
# Indented lines are subtests, whose parent counts; a result has a number, unlike the verdicts of prove itself.
count_tap() {
	awk '
		/^1\.\.0[ \t]*#[ \t]*[Ss][Kk][Ii][Pp]/ { skipped++; next }
		/^1\.\.[0-9]+/ { sub(/^1\.\./, ""); planned += $1 + 0; next }
		/^(not )?ok [0-9]+([ \t]|$)/ {
			seen++
			if ($0 ~ /#[ \t]*([Ss][Kk][Ii][Pp]|[Tt][Oo][Dd][Oo])/) skipped++
			else if ($0 ~ /^not/) failed++
			else passed++
			next
		}
		/^Bail out!/ { failed++ }
		END {
			if (planned > seen) failed += planned - seen
			print passed + 0, failed + 0, skipped + 0
		}' "$1"
}

show_failure() {
	local suite=$1 log=$2
	say "---- $suite failed; the whole output is $log"
	if grep -qE '^not ok' "$log"; then
		grep -E -A 30 '^not ok' "$log" | grep -vE '^ok ' | head -n 200 >&2
	else
		tail -n 60 "$log" >&2
	fi
	say "----"
}

add_result() {
	local suite=$1 passed=$2 failed=$3 skipped=$4 seconds=$5 word=$6
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	SKIPPED=$((SKIPPED + skipped))
	TABLE+=("$(printf '%-10s %7d %7d %8d %6ss  %s' "$suite" "$passed" "$failed" "$skipped" "$seconds" "$word")")
}

run_suite() {
	local suite=$1 log=$RESULTS/$1.log limit status=0 begin=$SECONDS passed failed skipped word=
	if ! suite_files "$suite"; then
		say "    $suite: no files"
		add_result "$suite" 0 0 0 0 "no files"
		return
	fi
	limit=$(time_limit "$suite")
	suite_command "$suite"
	step "$suite"
	timeout -k 30 "$limit" "${COMMAND[@]}" >"$log" 2>&1 </dev/null || status=$?
	read -r passed failed skipped < <(count_tap "$log")
	if [ $status = 124 ] || [ $status = 137 ]; then
		word="stopped after $limit s"
		failed=$((failed + 1))
	elif [ $status != 0 ] && [ "$failed" = 0 ]; then
		word="ended with status $status"
		failed=1
	elif [ $((passed + failed + skipped)) = 0 ]; then
		word="reported nothing"
		failed=1
	fi
	add_result "$suite" "$passed" "$failed" "$skipped" $((SECONDS - begin)) "$word"
	say "    $suite: $passed passed, $failed failed, $skipped skipped ($((SECONDS - begin)) s)${word:+, $word}"
	[ "$failed" = 0 ] || show_failure "$suite" "$log"
}

# A server process that crashed restarts by itself, and a test may not notice.
check_server_log() {
	local log=$STATE/clusters/check/log
	if grep -E 'PANIC:|TRAP:|was terminated by signal' "$log" >"$RESULTS/server.log" 2>/dev/null; then
		cp "$log" "$RESULTS/server.log"
		say "---- the server crashed; its log is $RESULTS/server.log"
		grep -E -A 3 'PANIC:|TRAP:|was terminated by signal' "$log" | head -n 40 >&2
		add_result server 0 1 0 0 "crashed"
	else
		add_result server 1 0 0 0 "no crash in the server's log"
	fi
}

# ---- the whole ----------------------------------------------------------------------------------------

needs_server() {
	case " $* " in
		*" regress "* | *" isolation "* | *" pgtap "* | *" oracle "*) return 0 ;;
	esac
	return 1
}

one_at_a_time() {
	mkdir -p "$BUILD"
	exec 9>"$BUILD/check.lock"
	if ! flock -n 9; then
		say "another check runs in this folder; waiting for it"
		flock 9
	fi
}

finish() {
	"$ROOT/scripts/cluster.sh" destroy check >/dev/null 2>&1 || true
}

main() {
	local suite suites=${SUITE:-$SUITES} line
	for suite in $suites; do
		case " $SUITES " in
			*" $suite "*) ;;
			*) die "there is no suite \"$suite\"; there are: $SUITES" ;;
		esac
	done
	"$ROOT/scripts/provision.sh" demo check
	[ -z "$LONG" ] || "$ROOT/scripts/provision.sh" oracle || say "forecasts are not compared with R's"
	one_at_a_time
	rm -rf "$RESULTS"
	mkdir -p "$RESULTS"
	step "building"
	if ! "$ROOT/scripts/cluster.sh" build 9>&-; then
		printf '\n0 passed, 1 failed, 0 skipped\n'
		exit 1
	fi
	STATE=$(state_dir)
	PG_CONFIG=$("$ROOT/scripts/cluster.sh" pgconfig)
	export PG_CONFIG BUILD
	if needs_server "$suites"; then
		"$ROOT/scripts/cluster.sh" destroy check
		trap finish EXIT
		"$ROOT/scripts/cluster.sh" start check "fsync = off" "synchronous_commit = off" "full_page_writes = off" \
			"max_connections = 100" "max_prepared_transactions = 10" 9>&-
		eval "$("$ROOT/scripts/cluster.sh" env check)"
	fi
	for suite in $suites; do
		run_suite "$suite" 9>&-
	done
	if needs_server "$suites"; then
		check_server_log
	fi
	printf '\n%-10s %7s %7s %8s %7s\n' suite passed failed skipped time
	for line in "${TABLE[@]}"; do
		printf '%s\n' "$line"
	done
	printf '\n%d passed, %d failed, %d skipped\n' $PASSED $FAILED $SKIPPED
	[ $FAILED = 0 ]
}

main "$@"
