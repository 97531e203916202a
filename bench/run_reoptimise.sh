#!/usr/bin/env bash
# run_reoptimise.sh: how many extra parcels and how much money the second look saves on a stream of orders, with a cool-down of an
# hour, of four and of twelve; by the policy as installed, and by one to which parcels are dearer than all else. Beside each, the most
# that any second look could remove. Called by scripts/bench.sh; takes some minutes. HOURS="1" for some cool-downs only.
set -euo pipefail
CHAIN_SKUS=600 CHAIN_FILL=0.05
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
HOURS=${HOURS:-1 4 12}

# Copies the database for a policy: copy_for NAME PENALTY HOURS
copy_for() {
	copy_database "$PGDATABASE" "${PGDATABASE}_$1"
	sql -d "${PGDATABASE}_$1" -c "SELECT retail.put_allocation_policy('stream', 'active', split_penalty => $2, reoptimise_minutes => $(($3 * 60)))" >&2
}

# Replays the stream in a copy of the database: replay NAME PENALTY LOOK [hours of the cool-down]
replay() {
	local name=$1
	copy_for "$name" "$2" "${4:-1}"
	sql -d "${PGDATABASE}_$name" -c "CALL bench.replay($3)" >&2
	sql -d "${PGDATABASE}_$name" -F ' ' -c "SELECT * FROM bench.outcome" >"$RATES/$name"
	[ "$(sql -d "${PGDATABASE}_$name" -c "SELECT count(*) FROM retail.check_integrity()")" = 0 ] || die "check_integrity() found something after $name"
	say "  $name: $(awk '{ printf "%s orders, %s parcels, cost %s, %s planned again", $1, $2, $3, $4 }' "$RATES/$name"), $(sql -d "${PGDATABASE}_$name" -c "SELECT extra FROM bench.mixed") extra parcels in orders of several temperatures"
}

# Quotes each order alone with what came in within the cool-down: alone NAME PENALTY HOURS
alone() {
	copy_for "$1" "$2" "$3"
	sql -d "${PGDATABASE}_$1" -c "CALL bench.quote_alone('$3 hours')" >&2
	sql -d "${PGDATABASE}_$1" -F ' ' -c "SELECT count(*), sum(parcels), 0, 0 FROM bench.alone" >"$RATES/$1"
	say "  $1: $(awk '{ printf "%s extra parcels would be left to orders without rivals", $2 - $1 }' "$RATES/$1")"
}

# share WITHOUT WITH WHAT: of the extra parcels an order, or of the cost an order, that is gone
share() {
	paste "$RATES/$1" "$RATES/$2" | awk -v what="$3" '{
		if (what == "parcels") print 1 - (($6 - $5) / $5) / (($2 - $1) / $1); else print 1 - ($7 / $5) / ($3 / $1) }'
}

# The figures of a policy: measure SUFFIX PENALTY
measure() {
	local hours
	replay "without$1" "$2" false
	for hours in $HOURS; do
		alone "alone$1$hours" "$2" "$hours"
		replay "look$1$hours" "$2" true "$hours"
		share "without$1" "look$1$hours" parcels | figure "allocation.reoptimise$1.${hours}h" share "(information: extra parcels that the second look removed, cool-down $hours h, split penalty $2)"
		share "without$1" "alone$1$hours" parcels | figure "allocation.reoptimise_most$1.${hours}h" share "(information: most that any second look could remove)"
		share "without$1" "look$1$hours" cost | figure "allocation.reoptimise_cost$1.${hours}h" share "(information: freight, handling and a split penalty of 2 that it saved)"
	done
	worst "allocation.reoptimise$1" lowest
}

make_chain
sql -v skus="$CHAIN_SKUS" -f "$BENCH/second_look.sql" >&2
measure "" 2
measure _fewest 1000
