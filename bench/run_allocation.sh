#!/usr/bin/env bash
# run_allocation.sh: place_order() under load against a function written by hand and against its own floor, one hot SKU, and
# the solver against cbc, what a stream of orders costs, growth with the chain. Called by scripts/bench.sh; takes about a
# quarter of an hour.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=bench/allocation_cost.sh
. "$BENCH/allocation_cost.sh"

# Orders of three lines on the whole chain: ours, the function written by hand, and a transaction that knows the answer.
measure_orders() {
	local clients answers
	say "filling the tables of the peers"
	sql -f "$BENCH/peers/nearest_node.sql" >&2
	# warms everybody up, and decides the orders whose rows the floor writes
	say "warming up: $(pgb place_order 16) orders/s, by hand $(pgb peer_place_order 16)"
	sql -f "$BENCH/peers/same_rows.sql" >&2
	answers=$(sql -c "SELECT count(*) FROM floor.answer")
	sql -c "ANALYZE" >&2
	PGB_ARGS=(-D answers="$answers")
	for clients in 2 16 64; do
		alternate "$clients" place_order peer_place_order same_rows
	done
	for clients in 2 16 64; do
		ratios place_order peer_place_order "$clients" |
			figure "allocation.sync.$clients" ratio "hand-written PL/pgSQL, nearest node with stock, orders/s"
	done
	worst allocation.sync lowest
	for clients in 2 16 64; do
		ratios place_order same_rows "$clients" |
			figure "allocation.floor.$clients" ratio "a transaction that is told the answer and writes the same rows, orders/s"
	done
	worst allocation.floor lowest
	for clients in 2 16 64; do
		figure "allocation.sync_rate.$clients" orders/s "(information: ours)" <"$RATES/place_order.$clients"
		figure "allocation.peer_rate.$clients" orders/s "(information: the hand-written one)" <"$RATES/peer_place_order.$clients"
		figure "allocation.floor_rate.$clients" orders/s "(information: the floor)" <"$RATES/same_rows.$clients"
	done
	# what it costs to hold a daily limit exactly
	for clients in 2 64; do
		: >"$RATES/limited.$clients"
		: >"$RATES/unlimited.$clients"
		for _ in $(seq "$RUNS"); do
			sql -c "UPDATE retail.node SET daily_capacity = 1000000" >&2
			pgb place_order "$clients" "${PGB_ARGS[@]}" >>"$RATES/limited.$clients"
			sql -c "UPDATE retail.node SET daily_capacity = NULL" >&2
			pgb place_order "$clients" "${PGB_ARGS[@]}" >>"$RATES/unlimited.$clients"
		done
		ratios limited unlimited "$clients" | figure "allocation.limited.$clients" ratio "the same without a daily limit, orders/s"
	done
	worst allocation.limited lowest
}

# Orders of the intake queue that are decided, submission included: two clients submit a hundred orders in a call and decide a
# batch, for there are no more processors than that to use; the function written by hand runs with 16.
measure_batch() {
	local run before
	say "the intake queue"
	: >"$RATES/batch"
	: >"$RATES/batch_peer"
	: >"$RATES/batch_floor"
	for run in $(seq "$RUNS"); do
		before=$(sql -c "SELECT count(*) FROM retail.order_intake WHERE state = 'placed'")
		pgb submit_orders 2 >&2
		sql -c "SELECT (count(*) - $before) * 3.0 / $SECONDS_A_RUN FROM retail.order_intake WHERE state = 'placed'" >>"$RATES/batch"
		awk '{ print $1 * 3 }' <<<"$(pgb peer_place_order 16)" >>"$RATES/batch_peer"
		awk '{ print $1 * 300 }' <<<"$(pgb same_rows_batch 2 "${PGB_ARGS[@]}")" >>"$RATES/batch_floor"
		say "  $(printf 'lines/s: ours %.0f, by hand %.0f, the rows alone %.0f' "$(tail -n 1 "$RATES/batch")" "$(tail -n 1 "$RATES/batch_peer")" "$(tail -n 1 "$RATES/batch_floor")")"
	done
	paste "$RATES/batch" "$RATES/batch_peer" | awk '{ print $1 / $2 }' |
		figure allocation.batch ratio "hand-written PL/pgSQL, 16 clients, lines/s"
	figure allocation.batch_rate lines/s "(information: ours, through the intake queue)" <"$RATES/batch"
	# what the rows of decided orders cost alone, a hundred orders a transaction: no queue, no decision
	paste "$RATES/batch_floor" "$RATES/batch_peer" | awk '{ print $1 / $2 }' |
		figure allocation.batch_floor ratio "(information: rows alone, told the answers, in batches of a hundred, against the same function)"
	paste "$RATES/batch" "$RATES/batch_floor" | awk '{ print $1 / $2 }' |
		figure allocation.batch_of_floor ratio "(information: ours against the rows alone)"
}

# A flash sale through the queue: 64 clients submit one order a transaction and one decides batches beside them. What counts
# is what was decided in that time.
flash_sale() {
	local before
	before=$(sql -c "SELECT count(*) FROM retail.order_intake WHERE state = 'placed'")
	pgb submit_hot_order 64 >"$RATES/submitted" &
	pgb run_allocation 1 >&2
	wait $!
	sql -c "SELECT (count(*) - $before) / $SECONDS_A_RUN::float8 FROM retail.order_intake WHERE state = 'placed'" >>"$RATES/flash_sale.64"
	sql -c "DELETE FROM retail.order_intake WHERE state = 'queued'" >&2
	say "  $(printf 'submitted %.0f/s, decided %.0f/s' "$(cat "$RATES/submitted")" "$(tail -n 1 "$RATES/flash_sale.64")")"
}

# One SKU that lies at one node, which no parcel limit stops.
measure_hot() {
	local oversold
	say "one hot SKU"
	sql <<'SQL' >&2
SELECT retail.put_node('WH-FLASH', 'Flash sale', 'warehouse', '420100', 30.6, 114.3), retail.put_sku('FLASH', 'Flash sale', 500, 700, list_price => 9.90) \g /dev/null
SELECT retail.receive_stock('FLASH', 'WH-FLASH', '[{"sku": "FLASH", "qty": 1000000000}]') \g /dev/null
INSERT INTO peer.sku SELECT sku_id, code, list_price FROM retail.sku WHERE code = 'FLASH';
INSERT INTO peer.node SELECT node_id, code, point(longitude * cosd(33), latitude), true FROM retail.node WHERE code = 'WH-FLASH';
INSERT INTO peer.stock SELECT sku_id, node_id, on_hand FROM retail.stock JOIN retail.sku USING (sku_id) WHERE code = 'FLASH';
SQL
	alternate 64 hot_order peer_hot_order
	: >"$RATES/flash_sale.64"
	for _ in $(seq "$RUNS"); do
		flash_sale
	done
	ratios flash_sale peer_hot_order 64 | figure allocation.hot.64 ratio "the same PL/pgSQL with FOR UPDATE, orders/s"
	worst allocation.hot lowest
	figure allocation.hot_rate.64 orders/s "(information: ours, submitted and decided)" <"$RATES/flash_sale.64"
	ratios hot_order peer_hot_order 64 | figure allocation.hot_sync.64 ratio "(information: place_order() against the same)"
	figure allocation.hot_sync_rate.64 orders/s "(information: place_order())" <"$RATES/hot_order.64"
	oversold=$(sql -c "SELECT count(*) FROM retail.stock s JOIN retail.sku k USING (sku_id) WHERE k.code = 'FLASH'
		AND (s.reserved > s.on_hand OR s.reserved <> (SELECT sum(r.open_quantity) FROM retail.reservation r WHERE r.sku_id = s.sku_id))")
	[ "$oversold" = 0 ] || die "the hot SKU was oversold"
}

# One decision, against cbc on the same instance.
measure_solver() {
	local lines out
	mkdir -p "$BUILD/bench"
	${CC:-gcc} -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -o "$BUILD/bench/solver_bench" "$BENCH/solver_bench.c" "$ROOT"/src/allocation/solver*.c -lm
	for lines in 3 8 12; do
		out=$("$BUILD/bench/solver_bench" "$lines" "$RUNS" 1 "$BUILD/bench") || die "the solver and cbc disagree on $lines lines: $out"
		say "$(printf '  %s lines (ours in us, cbc in s, ratio, costs):\n%s' "$lines" "$out")"
		cut -f 1 <<<"$out" | figure "allocation.solver_us.$lines" us "(information: ours, 320 nodes)"
		if grep -q -- '-' <<<"$(cut -f 2 <<<"$out")"; then
			say "cbc (coinor-cbc) is not installed: allocation.solver.$lines is not measured"
		else
			cut -f 3 <<<"$out" | figure "allocation.solver.$lines" ratio "cbc on the same instance, time, 320 nodes"
		fi
	done
	worst allocation.solver highest
}

make_chain
measure_orders
measure_batch
measure_hot
measure_solver
measure_cost
measure_scale
