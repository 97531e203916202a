#!/usr/bin/env bash
# bench.sh: what `make bench` runs. Starts a cluster for measuring (fsync on, real memory) and runs bench/run_<room>.sh, one
# room after the other, each in a database of its own in which the extension is installed.
#
# Environment: ONLY=<room>     that room only
#
# A run_<room>.sh finds PGHOST, PGPORT, PGUSER, PGDATABASE, PG_CONFIG and the server's programs in PATH. It prints its figures on
# standard output, tab-separated: name, value, unit, against, runs, spread; and its progress on standard error.
# The figures are also kept in build/bench/<room>.tsv.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cluster() { "$ROOT/scripts/cluster.sh" "$@"; }

# 2 GB, or a quarter of the memory where there is less than 8 GB.
shared_buffers() {
	awk '/^MemTotal:/ { mb = int($2 / 4096); print (mb < 2048 ? mb : 2048) "MB" }' /proc/meminfo
}

rooms() {
	local script
	for script in "$ROOT"/bench/run_*.sh; do
		[ -f "$script" ] || continue
		script=${script##*/run_}
		script=${script%.sh}
		if [ -z "${ONLY:-}" ] || [ "$ONLY" = "$script" ]; then
			echo "$script"
		fi
	done
}

run_room() {
	local room=$1 out=$BUILD/bench/$1.tsv
	export PGDATABASE=bench_$room
	cluster createdb bench "$PGDATABASE"
	psql -Xq -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "CREATE EXTENSION pg_retail CASCADE" \
		-c "SELECT FROM retail.install()" >/dev/null
	step "bench $room"
	bash "$ROOT/bench/run_$room.sh" </dev/null | tee "$out"
	[ -s "$out" ] || die "bench/run_$room.sh printed no figure"
}

main() {
	local room list failed=0
	list=$(rooms)
	[ -n "$list" ] || die "there is no bench/run_${ONLY:-*}.sh"
	"$ROOT/scripts/provision.sh" demo
	mkdir -p "$BUILD/bench"
	step "building"
	cluster build
	PG_CONFIG=$(cluster pgconfig)
	export PG_CONFIG BUILD
	cluster destroy bench
	trap 'cluster destroy bench >/dev/null 2>&1' EXIT
	cluster start bench "shared_buffers = $(shared_buffers)" "max_connections = 200" "max_wal_size = 8GB" \
		"checkpoint_timeout = 30min" "work_mem = 32MB" "maintenance_work_mem = 256MB"
	eval "$(cluster env bench)"
	printf '# name\tvalue\tunit\tagainst\truns\tspread\n'
	for room in $list; do
		# its own shell, so that one failing room does not hide the others
		(run_room "$room") || { say "bench $room failed"; failed=1; }
	done
	return $failed
}

main "$@"
