#!/usr/bin/env bash
# acceptance.sh: what `make acceptance DATA=folder` runs: the main job on real data. Builds, starts a cluster, and hands over
# to test/acceptance/run.sh, which loads the data through the public API and prints the report.
#
# run.sh gets the data folder as its argument and finds PGHOST, PGPORT, PGUSER, PGDATABASE (empty but for the extension
# and its tables) and the server's programs in PATH. The cluster stays up afterwards: `scripts/cluster.sh destroy acceptance`.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cluster() { "$ROOT/scripts/cluster.sh" "$@"; }

main() {
	local data=${DATA:-}
	[ -n "$data" ] || die "say where the data is: make acceptance DATA=folder"
	if [ ! -d "$data" ]; then
		say "SKIPPED: there is no folder $data"
		exit 0
	fi
	data=$(cd "$data" && pwd)
	"$ROOT/scripts/provision.sh" demo check
	step "building"
	cluster build
	cluster destroy acceptance
	cluster start acceptance "shared_buffers = 1GB" "max_wal_size = 4GB" "work_mem = 64MB" "maintenance_work_mem = 256MB" \
		"cron.database_name = 'retail'"
	eval "$(cluster env acceptance)"
	cluster createdb acceptance retail
	export PGDATABASE=retail BUILD
	psql -Xq -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "CREATE EXTENSION pg_retail CASCADE" \
		-c "SELECT FROM retail.install()" >/dev/null
	step "the acceptance run"
	bash "$ROOT/test/acceptance/run.sh" "$data"
}

main "$@"
