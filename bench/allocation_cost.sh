# shellcheck shell=bash
# allocation_cost.sh: what one stream of orders costs by three ways of allocating it, and how the time of a decision grows with
# the number of nodes. Sourced by run_allocation.sh; some minutes on an idle machine.

# A database of its own, so that the stream changes nothing for the other lines: in_database NAME COMMAND...
in_database() {
	local name=$1 status=0
	shift
	(export PGDATABASE=$name; "$@") || status=$?
	sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS \"$name\" WITH (FORCE)" >&2
	return $status
}

# Gives the chain of PGDATABASE the stock of the reference case: 60 days of a revenue of CNY 2 billion, CNY 328 million at list prices,
# instead of the 9.8 billion that the generated chain holds. Every pair that is stocked keeps a unit. Written past the ledger, which nobody
# asks here: by adjust_stock() it takes longer than the streams.
cut_stock() {
	sql -c "UPDATE retail.stock SET on_hand = greatest(round(on_hand * 0.022), 1) WHERE on_hand > 1" -c "VACUUM (ANALYZE) retail.stock" >&2
}

# Plays a stream of orders in a copy of the world and prints what cost_of_plans.sql says: cost_of_stream WORLD ORDERS
cost_of_stream() {
	local world=$1 orders=$2 database=$1_$2 out peers
	copy_database "$world" "$database"
	out=$(sql -d "$database" -v orders="$orders" -f "$BENCH/peers/cost_stream.sql") || return
	say "  orders, lines, SKUs, units: ${out//$'\t'/ }"
	# not the same few SKUs over and over
	awk -F '\t' -v skus="$CHAIN_SKUS" '{ exit $4 < ($3 < skus ? $3 : skus) / 10 }' <<<"$out" || die "the stream sells too few SKUs to be a stream"
	sql -d "$database" -c "CALL bench.place_by_peer('nearest')" -c "CALL bench.place_by_peer('fewest')" >&2 &
	peers=$!
	sql -d "$database" -c "CALL bench.decide_alone()" -c "CALL bench.place_stream()" >&2 || return
	wait $peers || return
	out=$(sql -d "$database" -f "$BENCH/peers/cost_of_plans.sql") || return
	say "$(printf '  contender, cost, parcels, orders compared, orders served:\n%s' "$out")"
	grep -qP '^differ\t0$' <<<"$out" || die "our decisions do not cost what the cost model of the benchmark says"
	sql -d postgres -c "DROP DATABASE \"$database\" WITH (FORCE)" >&2
	printf '%s\n' "$out"
}

# Prints the figures of a stream, given what cost_of_stream printed: cost_figures STOCK ORDERS HEADLINE(0|1)
cost_figures() {
	local stock=$1 orders=$2 headline=$3 out peer contender
	out=$(cat)
	awk -F '\t' '{ served[$1] = $5 } END { exit served["ours"] < served["nearest"] || served["ours"] < served["fewest"] }' <<<"$out" ||
		die "place_order() serves fewer orders than a peer: their costs cannot be compared"
	for peer in nearest fewest; do
		for contender in ours alone; do
			awk -F '\t' -v ours=$contender -v peer=$peer '{ cost[$1] = $2 } END { print cost[ours] / cost[peer] }' <<<"$out" >"$RATES/cost"
			if [ $contender = alone ]; then
				figure "allocation.cost_bound.$stock.$orders.$peer" ratio "(information: the least that any plans cost, by the same peer)"
			elif [ "$headline" = 1 ]; then
				figure "allocation.cost.$peer" ratio "cost of the same stream of orders by $peer-$([ $peer = nearest ] && echo node || echo splits) greedy"
			else
				figure "allocation.cost_of.$stock.$orders.$peer" ratio "(information: stock $stock, $orders orders, by the same peer)"
			fi <"$RATES/cost"
		done
	done
}

# Our own cost of a stream with scarcity prices, computed every midnight, by that without: a chain of 1,000 SKUs with the stock of the
# reference case, of which a week sells as much of each as 50,000 orders do of 10,000.
cost_of_prices() {
	local priced out stream=bench_cost_prices_stream
	sql -c "SET client_min_messages = warning" -c "CREATE EXTENSION pg_retail CASCADE" -c "SELECT FROM retail.install()" >&2
	sql -v skus=1000 -v fill=0.4 -v capacity=NULL -f "$ROOT/demo/chain.sql" -f "$BENCH/destinations.sql" -f "$ROOT/test/oracle/statement.sql" -f "$BENCH/peers/cost_world.sql" >&2
	cut_stock
	sql -v orders=5000 -f "$BENCH/peers/cost_stream.sql" >&2
	for priced in false true; do
		copy_database bench_cost_prices "$stream"
		sql -d "$stream" -c "CALL bench.place_stream($priced)" >&2 || return
		out=$(sql -d "$stream" -f "$BENCH/peers/cost_of_plans.sql") || return
		sql -d postgres -c "DROP DATABASE \"$stream\" WITH (FORCE)" >&2
		say "$(printf '  scarcity prices %s: cost, parcels, orders compared, orders served:\n%s' $priced "$out")"
		grep -qP '^differ\t0$' <<<"$out" || die "our decisions do not cost what the cost model of the benchmark says"
		sed -n 's/^ours\t//p' <<<"$out" >>"$RATES/priced"
	done
	awk -F '\t' 'NR == 1 { cost = $1 / $4; served = $4 } NR == 2 { print $1 / $4 / cost; exit $4 < served }' "$RATES/priced" >"$RATES/price_ratio" ||
		die "with scarcity prices fewer orders are served: their costs cannot be compared"
	figure allocation.cost_prices ratio "(information: with run_scarcity_prices() every midnight, by the same without; 1,000 SKUs, stock reference, 5,000 orders)" <"$RATES/price_ratio"
}

# The line is 4,000 orders on the chain as it is generated. For information: a longer stream, the same with the stock of the reference
# case, and the lower bound of each. STREAM_ORDERS: lengths, the first is that of the line.
measure_cost() {
	local world stock orders out headline=1
	say "cost of a stream of orders"
	copy_database "$CHAIN_TEMPLATE" bench_cost
	sql -d postgres -c "ALTER DATABASE \"$CHAIN_TEMPLATE\" ALLOW_CONNECTIONS false" >&2
	sql -d bench_cost -f "$ROOT/test/oracle/statement.sql" -f "$BENCH/peers/cost_world.sql" >&2
	copy_database bench_cost bench_cost_cut
	PGDATABASE=bench_cost_cut cut_stock
	for world in bench_cost bench_cost_cut; do
		stock=$([ $world = bench_cost ] && echo generated || echo reference)
		for orders in ${STREAM_ORDERS:-4000 12000}; do
			say "  $orders orders, stock $stock"
			out=$(cost_of_stream $world "$orders") || return
			cost_figures "$stock" "$orders" $headline <<<"$out"
			headline=0
		done
	done
	worst allocation.cost highest
	sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE bench_cost WITH (FORCE)" -c "DROP DATABASE bench_cost_cut WITH (FORCE)" \
		-c "DROP DATABASE IF EXISTS bench_cost_prices WITH (FORCE)" -c "CREATE DATABASE bench_cost_prices" >&2
	in_database bench_cost_prices cost_of_prices
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
