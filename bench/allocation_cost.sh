# shellcheck shell=bash
# allocation_cost.sh: what one stream of orders costs by three ways of allocating it, and how the time of a decision grows with
# the number of nodes. Sourced by run_allocation.sh; two to four minutes.

# A database of its own, so that the stream changes nothing for the other lines: in_database NAME COMMAND...
in_database() {
	local name=$1 status=0
	shift
	(export PGDATABASE=$name; "$@") || status=$?
	sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS \"$name\" WITH (FORCE)" >&2
	return $status
}

# Prints the cost of the stream, ours / the better of the peers, and both.
cost_of_stream() {
	local out peer
	sql -f "$ROOT/test/oracle/statement.sql" >&2 || return
	out=$(sql -v orders="${STREAM_ORDERS:-4000}" -f "$BENCH/peers/cost_stream.sql") || return
	say "$(printf '  contender, cost, parcels, orders compared, orders served:\n%s' "$out")"
	grep -qP '^differ\t0$' <<<"$out" || die "our decisions do not cost what the cost model of the benchmark says"
	for peer in nearest fewest; do
		awk -F '\t' -v peer=$peer '{ cost[$1] = $2 } END { print cost["ours"] / cost[peer] }' <<<"$out" |
			figure "allocation.cost.$peer" ratio "cost of the same stream of orders by $peer-$([ $peer = nearest ] && echo node || echo splits) greedy"
	done
	worst allocation.cost highest
}

measure_cost() {
	say "cost of a stream of orders"
	copy_database "$CHAIN_TEMPLATE" bench_cost
	sql -d postgres -c "ALTER DATABASE \"$CHAIN_TEMPLATE\" ALLOW_CONNECTIONS false" >&2
	in_database bench_cost cost_of_stream
}

# Prints microseconds of the solver for an order of so many lines on so many nodes, one line an instance.
solver_us() { "$BUILD/bench/solver_bench" "$1" 7 1 - "$2" | cut -f 1; }

# Prints microseconds of quote_order() for an order of three lines on a chain of so many nodes; a run each line.
quote_us() {
	sql -c "CREATE EXTENSION pg_retail CASCADE" -c "SELECT FROM retail.install()" >&2
	sql -v skus=120 -v stores="$(($1 - 10))" -v fill=0.4 -v capacity=1000000 -f "$ROOT/demo/chain.sql" -f "$BENCH/destinations.sql" >&2
	for _ in 1 2 3; do
		sql <<SQL
SELECT FROM (SELECT count(q.cost) FROM bench.destination d, LATERAL (SELECT * FROM retail.quote_order('app', format('[{"sku": "SKU%s", "qty": 1}, {"sku": "SKU%s", "qty": 2}, {"sku": "SKU%s", "qty": 1}]', 100001 + d.id % 40, 100041 + d.id % 40, 100081 + d.id % 40)::jsonb, d.destination)) q WHERE d.id <= 20) warm;
SELECT clock_timestamp() AS began \gset
SELECT count(q.cost) FROM bench.destination d, LATERAL (SELECT * FROM retail.quote_order('app', format('[{"sku": "SKU%s", "qty": 1}, {"sku": "SKU%s", "qty": 2}, {"sku": "SKU%s", "qty": 1}]', 100001 + d.id % 40, 100041 + d.id % 40, 100081 + d.id % 40)::jsonb, d.destination)) q WHERE d.id BETWEEN 101 AND 300 \g /dev/null
SELECT extract(epoch FROM clock_timestamp() - :'began'::timestamptz) * 1e6 / 200;
SQL
	done
}

# Time a node at the larger of two numbers of nodes / that at the smaller: 1 is linear, less is better.
growth() { awk -v small="$1" -v us_small="$2" -v large="$3" -v us_large="$4" 'BEGIN { print (us_large / large) / (us_small / small) }'; }

measure_scale() {
	local lines nodes us database
	declare -A solver quote
	say "growth with the number of nodes"
	mkdir -p "$BUILD/bench"
	${CC:-gcc} -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -o "$BUILD/bench/solver_bench" "$BENCH/solver_bench.c" "$ROOT"/src/allocation/solver*.c -lm
	for lines in 3 12; do
		for nodes in 10 100 1000 5000; do
			us=$(solver_us "$lines" "$nodes")
			figure "allocation.scale_us.$lines.$nodes" us "(information: the solver, $lines lines, $nodes nodes)" <<<"$us"
			solver[$nodes]=$(summarise <<<"$us" | cut -f 1)
		done
		growth 100 "${solver[100]}" 5000 "${solver[5000]}" |
			figure "allocation.scale.$lines" ratio "itself: time a node of a decision, 5,000 nodes / 100 nodes, $lines lines"
	done
	for nodes in 100 1000 5000; do
		database=bench_scale_$nodes
		sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "CREATE DATABASE $database" >&2
		us=$(in_database $database quote_us $nodes)
		figure "allocation.scale_quote_us.$nodes" us "(information: quote_order(), 3 lines, $nodes nodes)" <<<"$us"
		quote[$nodes]=$(summarise <<<"$us" | cut -f 1)
	done
	growth 100 "${quote[100]}" 5000 "${quote[5000]}" |
		figure "allocation.scale.quote" ratio "itself: time a node of quote_order(), 5,000 nodes / 100 nodes, 3 lines"
	worst allocation.scale highest
}
