# shellcheck shell=bash
# lib.sh: what the bench/run_<room>.sh scripts share: the chain that they measure on, pgbench, alternating runs, medians.
# Sourced, never run. Figures go to standard output, everything else to standard error (see scripts/bench.sh).
#
# Environment, for trying things out: SECONDS_A_RUN (8), RUNS (3), CHAIN_SKUS (10000), CHAIN_FILL (0.4)

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

BENCH=$ROOT/bench
SECONDS_A_RUN=${SECONDS_A_RUN:-8}
RUNS=${RUNS:-3}
CHAIN_SKUS=${CHAIN_SKUS:-10000}
CHAIN_FILL=${CHAIN_FILL:-0.4}
# The chain is generated once a cluster and copied for each room.
CHAIN_TEMPLATE=bench_chain_${CHAIN_SKUS}_${CHAIN_FILL/./}

sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

# ---- the chain --------------------------------------------------------------------------------------

# Copies one database to another; nobody may be connected to the first, background workers included.
copy_database() {
	sql -d postgres <<SQL >&2
SET client_min_messages = warning;
ALTER DATABASE "$1" ALLOW_CONNECTIONS false;
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '$1' \g /dev/null
DROP DATABASE IF EXISTS "$2" WITH (FORCE);
CREATE DATABASE "$2" TEMPLATE "$1" STRATEGY file_copy;
ALTER DATABASE "$1" ALLOW_CONNECTIONS true;
SQL
}

# Fills PGDATABASE, in which the extension is installed, with the chain of issue 3: 320 nodes, 10,000 SKUs, 40 % of the pairs stocked.
# Where orders go is drawn beforehand, so that every contender reads it in the same way.
make_chain() {
	local begin=$SECONDS
	if [ "$(sql -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = '$CHAIN_TEMPLATE'")" = 0 ]; then
		say "generating the chain: 320 nodes x $CHAIN_SKUS SKUs, fill $CHAIN_FILL"
		# nodes without a daily limit: a benchmark packs the parcels of a month in minutes
		sql -v skus="$CHAIN_SKUS" -v fill="$CHAIN_FILL" -v capacity=NULL -f "$ROOT/demo/chain.sql" -f "$BENCH/destinations.sql" >&2
		say "generated in $((SECONDS - begin)) s"
		copy_database "$PGDATABASE" "$CHAIN_TEMPLATE"
		sql -d postgres -c "ALTER DATABASE \"$CHAIN_TEMPLATE\" ALLOW_CONNECTIONS false"
	else
		copy_database "$CHAIN_TEMPLATE" "$PGDATABASE"
		sql -d postgres -c "ALTER DATABASE \"$CHAIN_TEMPLATE\" ALLOW_CONNECTIONS false"
	fi
}

# ---- pgbench ----------------------------------------------------------------------------------------

# Runs a script (bench/<name>.pgbench) with some clients for some seconds and prints its transactions a second:
# pgb NAME CLIENTS [pgbench arguments]. Fails if a transaction failed.
pgb() {
	local name=$1 clients=$2 out
	shift 2
	sql -c CHECKPOINT >&2
	if ! out=$(pgbench -n -M prepared -c "$clients" -j 2 -T "$SECONDS_A_RUN" -D skus="$CHAIN_SKUS" "$@" -f "$BENCH/$name.pgbench" 2>&1) ||
		! grep -q '^number of failed transactions: 0 ' <<<"$out"; then
		say "$(head -n 20 <<<"$out")"
		die "pgbench $name with $clients clients failed"
	fi
	sed -n 's/^tps = \([0-9.]*\) .*/\1/p' <<<"$out"
}

# ---- figures ----------------------------------------------------------------------------------------

# Reads numbers, one a line; prints median, lowest and highest, tab-separated, with four significant digits.
summarise() {
	sort -g | awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.4g\t%.4g\t%.4g\n", m, v[1], v[NR] }'
}

# Prints a figure: figure NAME UNIT AGAINST, with the values of its runs on standard input. Kept for `worst`.
figure() {
	local name=$1 unit=$2 against=$3 values runs median low high
	values=$(cat)
	runs=$(wc -l <<<"$values")
	IFS=$'\t' read -r median low high < <(summarise <<<"$values")
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$median" "$unit" "$against" "$runs" "$low to $high" | tee -a "$FIGURES"
}

# Repeats the worst of the cases NAME.*, the lowest (or highest) median, as NAME: worst NAME lowest|highest
worst() {
	awk -F '\t' -v OFS='\t' -v name="$1." -v want="$2" '
		index($1, name) == 1 && (best == "" || (want == "lowest" ? $2 + 0 < best + 0 : $2 + 0 > best + 0)) { best = $2; row = $0 }
		END { if (row != "") { $0 = row; $1 = substr(name, 1, length(name) - 1); print } }' "$FIGURES"
}

# Runs scripts in turn, RUNS times, beginning with another one each time; their rates go to $RATES/SCRIPT.CLIENTS:
# alternate CLIENTS SCRIPT... (with the pgbench arguments in PGB_ARGS)
alternate() {
	local clients=$1 run i name
	shift
	for name in "$@"; do
		: >"$RATES/$name.$clients"
	done
	for run in $(seq "$RUNS"); do
		for i in $(seq $#); do
			name=$(((run + i) % $# + 1))
			name=${!name}
			pgb "$name" "$clients" "${PGB_ARGS[@]}" >>"$RATES/$name.$clients"
		done
		say "  $clients clients: $(for name in "$@"; do printf '%s %.0f/s  ' "$name" "$(tail -n 1 "$RATES/$name.$clients")"; done)"
	done
}

# The ratios of two scripts that were alternated, run by run: ratios A B CLIENTS
ratios() { paste "$RATES/$1.$3" "$RATES/$2.$3" | awk '{ print $1 / $2 }'; }

PGB_ARGS=()
RATES=$(mktemp -d)
trap 'rm -rf "$RATES"' EXIT
FIGURES=$RATES/figures
: >"$FIGURES"
