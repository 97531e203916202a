#!/usr/bin/env bash
# quotes.sh: what retail.quote_order() says against cbc, on random orders of a generated chain, whose problem plain SQL states
# from the tables (statement.sql). Needs a running server (PGHOST ...) with the extension installed; prints TAP.
#
#   quotes.sh ORDERS SOLVER_ORACLE FOLDER
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
ORDERS=$1
PROGRAM=$2
FOLDER=$3/quotes

run() { psql -Xq -v ON_ERROR_STOP=1 "$@"; }

mkdir -p "$FOLDER"
run -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS oracle_quotes WITH (FORCE)" -c "CREATE DATABASE oracle_quotes"
trap 'run -d postgres -c "DROP DATABASE oracle_quotes WITH (FORCE)"' EXIT
export PGDATABASE=oracle_quotes
run -c "SET client_min_messages = warning" -c "CREATE EXTENSION pg_retail CASCADE" -c "SELECT FROM retail.install()" >"$FOLDER/log"
# stores that pack two parcels a day
run -v skus=400 -v stores=150 -v fill=0.3 -v capacity=2 -f "$ROOT/demo/chain.sql" -f "$ROOT/bench/destinations.sql" >>"$FOLDER/log"
run -f "$HERE/statement.sql"
run -v n="$ORDERS" -f "$HERE/quotes.sql" >"$FOLDER/instances"
run -At -c "
	SELECT format('# %s quotes: %s to be shipped (%s refused), %s to be collected (%s refused), %s by the policy with prices of scarce and old stock',
		count(*), count(*) FILTER (WHERE store IS NULL), count(*) FILTER (WHERE store IS NULL AND refused), count(store),
		count(*) FILTER (WHERE store IS NOT NULL AND refused), count(*) FILTER (WHERE channel = 'pos'))
	FROM (SELECT q.*, q.cents = -9223372036854775808 AS refused FROM oracle.quoted q) q"
run -At -c "SELECT format('# %s nodes were full on %s days', count(DISTINCT node_id), count(*)) FROM (
	SELECT s.node_id FROM retail.shipment s JOIN retail.node n USING (node_id) WHERE s.status <> 'cancelled'
	GROUP BY s.node_id, n.daily_capacity, (s.ship_by AT TIME ZONE n.time_zone)::date HAVING count(*) >= n.daily_capacity) x"
"$PROGRAM" file "$FOLDER/instances" "$FOLDER"
