#!/usr/bin/env bash
# run_inventory.sh: hold_stock() against the same written by hand. Called by scripts/bench.sh.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_chain
# one node with plenty of everything, so that no hold is refused
sql -v skus="$CHAIN_SKUS" >&2 <<'SQL'
SELECT retail.put_node('BENCH', 'Benchmark', 'warehouse', '420100', 30.7, 114.2, temperature_classes => '{ambient,chilled,frozen}') \g /dev/null
SELECT retail.receive_stock('BENCH', 'BENCH', (SELECT jsonb_agg(jsonb_build_object('sku', code, 'qty', 1000000)) FROM retail.sku)) \g /dev/null
SQL
sql -f "$BENCH/peers/nearest_node.sql" >&2
say "warming up: $(pgb hold_stock 32) holds/s, by hand $(pgb peer_hold_stock 32)"
sql -c "ANALYZE" >&2
alternate 32 hold_stock peer_hold_stock
ratios hold_stock peer_hold_stock 32 | figure inventory.hold.32 ratio "hand-written PL/pgSQL, holds of two lines a second"
worst inventory.hold lowest
figure inventory.hold_rate.32 holds/s "(information: ours)" <"$RATES/hold_stock.32"
[ "$(sql -c "SELECT count(*) FROM retail.check_inventory_integrity()")" = 0 ] || die "check_inventory_integrity() found violations"
