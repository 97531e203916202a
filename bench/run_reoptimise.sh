#!/usr/bin/env bash
# run_reoptimise.sh: how many extra parcels and how much money the second look saves on a stream of orders, with a cool-down of an
# hour, of four and of twelve. Called by scripts/bench.sh; takes some minutes.
set -euo pipefail
CHAIN_SKUS=600 CHAIN_FILL=0.05
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Replays the stream in a copy of the database: replay NAME CONDITION [minutes of the cool-down]
replay() {
	local name=$1 look=$2 minutes=${3:-60}
	copy_database "$PGDATABASE" "${PGDATABASE}_$name"
	sql -d "${PGDATABASE}_$name" -c "UPDATE retail.allocation_policy SET reoptimise_minutes = $minutes" -c "CALL bench.replay($look)" >&2
	sql -d "${PGDATABASE}_$name" -F ' ' -c "SELECT * FROM bench.outcome" >"$RATES/$name"
	[ "$(sql -d "${PGDATABASE}_$name" -c "SELECT count(*) FROM retail.check_integrity()")" = 0 ] || die "check_integrity() found something after $name"
	say "  $name: $(awk '{ printf "%s orders, %s parcels, cost %s, %s planned again", $1, $2, $3, $4 }' "$RATES/$name")"
}

# share NAME: of the extra parcels an order, and of the cost an order, that is gone with NAME
share() {
	paste "$RATES/without" "$RATES/$1" | awk -v what="$2" '{
		if (what == "parcels") print 1 - (($6 - $5) / $5) / (($2 - $1) / $1); else print 1 - ($7 / $5) / ($3 / $1) }'
}

make_chain
sql -v skus="$CHAIN_SKUS" -f "$BENCH/second_look.sql" >&2
replay without false
for hours in 1 4 12; do
	replay "look$hours" true $((hours * 60))
	share "look$hours" parcels | figure "allocation.reoptimise.${hours}h" share "(information: extra parcels that the second look removed, cool-down $hours h)"
	share "look$hours" cost | figure "allocation.reoptimise_cost.${hours}h" share "(information: freight, handling and split penalty that it saved)"
done
worst allocation.reoptimise lowest
