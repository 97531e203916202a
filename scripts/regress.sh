#!/usr/bin/env bash
# regress.sh: runs the suites that are scripts against a running server (PGHOST, PGPORT... as for psql) in which
# the extension is installed. `make installcheck` and `make check` both use it.
#
#   regress.sh regress   [NAME...]     sql/<name>.sql against expected/<name>.out
#   regress.sh isolation [NAME...]     test/isolation/specs/<name>.spec against test/isolation/expected/<name>.out
#   regress.sh pgtap     [NAME...]     test/pgtap/<name>.sql with pg_prove
#
# Every script has a database of its own, <suite>_<name>, dropped after success. A pg_regress script finds it empty and
# says CREATE EXTENSION itself; the others find the extension and its tables installed already.
# Speaks TAP on standard output; the files of a run are in build/results/<suite>/<name>.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

CONFIG=${PG_CONFIG:-pg_config}
BINDIR=$("$CONFIG" --bindir)
PGXS_TEST=$(dirname "$("$CONFIG" --pgxs)")/../test
TEMPLATE=retail_check_template

sql() { "$BINDIR/psql" -XqAt -v ON_ERROR_STOP=1 -d "${1}" -c "SET client_min_messages = warning" "${@:2}"; }

drop_database() {
	sql postgres -c "DROP DATABASE IF EXISTS \"$1\" WITH (FORCE)"
}

# A database with everything installed, which others are copied from. Nobody may connect to it, so that no
# background worker holds it while it is copied.
make_template() {
	drop_database $TEMPLATE
	sql postgres -c "CREATE DATABASE $TEMPLATE TEMPLATE template0"
	if [ "$1" = pgtap ]; then
		sql $TEMPLATE -c "CREATE EXTENSION pgtap"
	fi
	sql $TEMPLATE -c "CREATE EXTENSION pg_retail CASCADE" -c "SELECT FROM retail.install()" >/dev/null
	case $1 in
		isolation) sql $TEMPLATE -f "$ROOT/test/isolation/fixture.sql" ;;
		pgtap) sql $TEMPLATE -f "$ROOT/test/pgtap/include/helpers.sql" ;;
	esac
	sql postgres -c "ALTER DATABASE $TEMPLATE ALLOW_CONNECTIONS false" -c "
		SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '$TEMPLATE'" >/dev/null
}

names_in() {
	local file
	for file in "$1"/*"$2"; do
		[ -f "$file" ] && basename "$file" "$2"
	done
	return 0
}

names_of() {
	case $1 in
		regress) names_in "$ROOT/sql" .sql ;;
		isolation) names_in "$ROOT/test/isolation/specs" .spec ;;
		pgtap) names_in "$ROOT/test/pgtap" .sql ;;
	esac
}

run_regress() {
	drop_database "regress_$1"
	"$PGXS_TEST/regress/pg_regress" --bindir="$BINDIR" --inputdir="$ROOT" --outputdir="$2" \
		--dbname="regress_$1" --host="${PGHOST:-}" --port="${PGPORT:-5432}" "$1" >"$2/output" 2>&1
}

copy_template() {
	drop_database "$1"
	sql postgres -c "CREATE DATABASE \"$1\" TEMPLATE $TEMPLATE"
}

run_isolation() {
	copy_template "isolation_$1"
	"$PGXS_TEST/isolation/pg_isolation_regress" --bindir="$BINDIR" --inputdir="$ROOT/test/isolation" \
		--outputdir="$2" --dbname="isolation_$1" --use-existing \
		--host="${PGHOST:-}" --port="${PGPORT:-5432}" "$1" >"$2/output" 2>&1
}

run_pgtap() {
	copy_template "pgtap_$1"
	pg_prove --psql-bin "$BINDIR/psql" --verbose --dbname "pgtap_$1" "$ROOT/test/pgtap/$1.sql" >"$2/output" 2>&1
}

# pg_regress and pg_isolation_regress judge one script; say their verdict in TAP.
report_script() {
	local number=$1 name=$2 out=$3 status=$4
	if [ "$status" = 0 ] && grep -qE "^ok |\.\.\. +ok" "$out/output"; then
		echo "ok $number - $name"
		return 0
	fi
	echo "not ok $number - $name"
	if [ -s "$out/regression.diffs" ]; then
		head -n 150 "$out/regression.diffs" | sed 's/^/# /'
	else
		tail -n 30 "$out/output" | sed 's/^/# /'
	fi
	return 1
}

# pg_prove has TAP of its own, one plan a file; a file that ends early counts as one failure more.
report_pgtap() {
	local name=$2 out=$3 status=$4
	echo "# $name"
	cat "$out/output"
	[ "$status" != 0 ] || return 0
	grep -qE '^not ok [0-9]+' "$out/output" || echo "not ok 0 - $name: ended with status $status"
	return 1
}

run_suite() {
	local suite=$1 name out status number=0 failed=0
	shift
	rm -rf "$BUILD/results/$suite"
	[ "$suite" = regress ] || make_template "$suite"
	[ "$suite" = pgtap ] || echo "1..$#"
	for name in "$@"; do
		out=$BUILD/results/$suite/$name
		mkdir -p "$out"
		number=$((number + 1))
		status=0
		"run_$suite" "$name" "$out" || status=$?
		if [ "$suite" = pgtap ]; then
			report_pgtap $number "$name" "$out" $status || failed=1
		else
			report_script $number "$name" "$out" $status || failed=1
		fi
		# a failed one stays, to be looked at
		[ $status != 0 ] || drop_database "${suite}_$name"
	done
	[ "$suite" = regress ] || drop_database $TEMPLATE
	return $failed
}

main() {
	local suite=${1:-} names
	case $suite in
		regress | isolation | pgtap) shift ;;
		*) die "usage: regress.sh regress|isolation|pgtap [NAME...]" ;;
	esac
	names=("$@")
	[ $# -gt 0 ] || mapfile -t names < <(names_of "$suite")
	if [ ${#names[@]} -eq 0 ]; then
		echo "1..0 # SKIP no $suite scripts"
		return 0
	fi
	[ -x "$PGXS_TEST/regress/pg_regress" ] || die "$CONFIG leads to no pg_regress"
	export PGUSER=${PGUSER:-postgres}
	run_suite "$suite" "${names[@]}"
}

main "$@"
