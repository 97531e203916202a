#!/usr/bin/env bash
# run.sh: the main job on real data. Loads the Olist marketplace through the public API, fits a rate card from one half
# of the orders, places, pays, ships and delivers the other half, and prints the report: a table for people on stderr,
# tab-separated (name, value, unit, note) on stdout. Fails when a count does not add up or an invariant is violated.
#
#   run.sh DATA          DATA: the folder that holds olist/; called by scripts/acceptance.sh
#
# Works in the database of PGDATABASE, which has the extension and its tables and is otherwise empty. Each step is a
# file of test/acceptance/olist/; staging tables and results stay in schema olist, to look around in afterwards.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SLICES=8
BEGAN=$SECONDS
export PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning"

step() { printf '==> [%3d s] %s\n' $((SECONDS - BEGAN)) "$*" >&2; }

run() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

# Fills a staging table from a file of the data folder.
stage() {
	zcat "$OLIST/olist_$2.csv.gz" | run -c "COPY olist.$1 FROM STDIN (FORMAT csv, HEADER)"
}

load() {
	step "staging the files"
	run -f "$HERE/olist/1_stage.sql"
	stage customer customers
	stage item order_items
	stage "order" orders
	stage product products
	stage seller sellers
	stage zip zip_centroid
	run -v slices=$SLICES -f "$HERE/olist/2_prepare.sql"
	step "catalogue: regions, categories, SKUs, nodes"
	run -f "$HERE/olist/3_catalog.sql" >&2
	step "stock, generated"
	run -f "$HERE/olist/4_stock.sql" >&2
	step "rate card, fitted from one half of the orders"
	run -f "$HERE/olist/5_rate_card.sql" >&2
	run -f "$HERE/olist/6_replay.sql"
}

# What quote_order() says that an order costs, against cbc on the same rows.
ask_oracle() {
	local folder=${BUILD:-$HERE/../../build}/oracle/olist
	if ! command -v cbc >/dev/null; then
		step "SKIPPED: quote_order() against cbc (coinor-cbc is not installed)"
		return
	fi
	make -s -C "$HERE/../oracle" all
	mkdir -p "$folder"
	run -f "$HERE/../oracle/statement.sql"
	run -v n=2000 -f "$HERE/olist/oracle.sql" >"$folder/instances"
	step "2000 orders against cbc: $("${BUILD:-$HERE/../../build}/oracle/solver_oracle" file "$folder/instances" "$folder")"
	run -c "SET client_min_messages = warning" -c "DROP SCHEMA oracle CASCADE"
}

# The second look: the orders in time order in two copies of the database, with it and without. Their outcome is kept for the report.
second_look() {
	local look copy
	run -f "$HERE/olist/second_look.sql"
	run -c "CREATE TABLE olist.second_look (look text, orders bigint, parcels bigint, freight numeric, replanned bigint, violations bigint)" \
		-c "INSERT INTO olist.second_look SELECT 'alone', orders, parcels FROM olist.alone"
	for look in false true; do
		copy=${PGDATABASE}_look_$look
		run -d postgres <<-SQL >/dev/null
			ALTER DATABASE "$PGDATABASE" ALLOW_CONNECTIONS false;
			SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '$PGDATABASE';
			CREATE DATABASE "$copy" TEMPLATE "$PGDATABASE" STRATEGY file_copy;
			ALTER DATABASE "$PGDATABASE" ALLOW_CONNECTIONS true;
		SQL
		run -d "$copy" -c "CALL olist.replay_in_time($look)"
		run -d "$copy" -c "COPY (SELECT '$look', * FROM olist.outcome) TO STDOUT" | run -c "COPY olist.second_look FROM STDIN"
		step "second look $look: $(run -F ' ' -c "SELECT orders, 'orders,', parcels, 'parcels, freight', freight || ',', replanned, 'planned again' FROM olist.second_look WHERE look = '$look'")"
		run -d postgres -c "DROP DATABASE \"$copy\" WITH (FORCE)"
	done
}

# Calls a procedure of the replay for a slice, in one session or in several at once.
in_sessions() {
	local procedure=$1 slice=$2 sessions=$3 session pid pids=()
	for ((session = 0; session < sessions; session++)); do
		run -c "CALL olist.$procedure($slice, $session, $sessions)" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

# Slices with one session and slices with two take turns, so that both are measured on the same growing tables.
replay() {
	local slice
	for ((slice = 1; slice <= SLICES; slice++)); do
		in_sessions place $slice $((2 - slice % 2))
		run -c "CALL olist.plan_events($slice)"
		in_sessions follow $slice 2
		step "$(run -c "SELECT olist.progress($slice)")"
	done
}

report() {
	step "checking and reporting"
	run -f "$HERE/olist/7_report.sql"
	{
		echo
		psql -Xq -P pager=off -P footer=off -P null= -c "SELECT name, value, unit, note FROM olist.report ORDER BY seq"
		psql -Xq -P pager=off -P footer=off -c "SELECT what AS check, left_side, right_side, CASE WHEN left_side = right_side THEN 'ok' ELSE 'WRONG' END AS result FROM olist.sum_check ORDER BY seq"
		psql -Xq -P pager=off -c "SELECT * FROM olist.violation LIMIT 20"
	} >&2
	printf 'name\tvalue\tunit\tnote\n'
	run -F "$(printf '\t')" -c "SELECT name, value, unit, note FROM olist.report ORDER BY seq"
}

main() {
	local data=${1:-${DATA:-}} wrong
	OLIST=$data/olist
	if [ -z "$data" ] || [ ! -r "$OLIST/olist_orders.csv.gz" ]; then
		echo "SKIPPED: acceptance: the Olist files are not in \"$OLIST\"" >&2
		exit 0
	fi
	load
	ask_oracle
	second_look
	replay
	report
	wrong=$(run -c "SELECT count(*) FROM olist.sum_check WHERE left_side IS DISTINCT FROM right_side")
	[ "$wrong" = 0 ] || {
		step "FAILED: $wrong of the sums above are wrong"
		exit 1
	}
	step "done: every sum adds up, check_integrity() is clean"
}

main "$@"
