#!/usr/bin/env bash
# tap.sh: runs test/tap/*.pl (PostgreSQL::Test::Cluster) with prove. These tests start servers of their own, so as root
# they run as the server's user, and their data lives where that user may write. Speaks TAP.
#
#   tap.sh [NAME...]        test/tap/<name>.pl; default: all
#
# A test finds: PG_CONFIG (the private installation), its programs in PATH, and the repository in RETAIL_ROOT.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The tests themselves must be readable by the server's user; a copy where they are not.
readable_root() {
	local copy=$STATE/source name
	if server_user_reads "$ROOT"; then
		echo "$ROOT"
		return
	fi
	rm -rf "$copy"
	mkdir -p "$copy"
	for name in bench control demo expected scripts sql test; do
		[ -e "$ROOT/$name" ] && cp -r "$ROOT/$name" "$copy/"
	done
	echo "$copy"
}

# Servers that a killed test left behind: those whose data is in our folder, and no others.
reap_servers() {
	local file data pid
	while IFS= read -r file; do
		data=${file%/postmaster.pid}
		pid=$(head -n 1 "$file")
		if [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$data" ]; then
			as_server_user "$BINDIR/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true
		fi
	done < <(find "$1" -name postmaster.pid 2>/dev/null)
}

# What a test wrote while it ran: the end of its own log, and of its servers' logs.
show_logs() {
	local log
	for log in "$1"/*; do
		[ -s "$log" ] || continue
		echo "# ---- ${log##*/}"
		tail -n 25 "$log" | sed 's/^/# /'
	done
}

main() {
	local work source pgxs name files=() status=0
	prepare_state
	BINDIR=$("$PG_CONFIG" --bindir)
	pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/..
	source=$(readable_root)
	work=$STATE/tap
	reap_servers "$work"
	rm -rf "$work"
	mkdir -p "$work/tmp_check/log"
	! is_root || chown -R "$SERVER_USER:" "$work"
	for name in "${@:-}"; do
		if [ -n "$name" ]; then
			files+=("$source/test/tap/$name.pl")
		else
			files+=("$source"/test/tap/*.pl)
		fi
	done
	# shellcheck disable=SC2064
	trap "reap_servers '$work'" EXIT
	as_server_user env -C "$work" -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE \
		PATH="$BINDIR:$PATH" PERL5LIB="$pgxs/src/test/perl:$pgxs/test/perl" \
		TESTDIR="$work" TESTDATADIR="$work/tmp_check" TESTLOGDIR="$work/tmp_check/log" \
		PG_REGRESS="$pgxs/test/regress/pg_regress" PG_CONFIG="$PG_CONFIG" RETAIL_ROOT="$source" \
		LONG="${LONG:-}" prove --verbose "${files[@]}" || status=$?
	[ $status = 0 ] || show_logs "$work/tmp_check/log"
	return $status
}

main "$@"
