#!/usr/bin/env bash
# run_sales.sh: quotes a second. Called by scripts/bench.sh.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_chain
say "warming up: $(pgb quote_order 2) quotes/s"
alternate 2 quote_order
figure sales.quote.2 quotes/s "itself (absolute), orders of three lines" <"$RATES/quote_order.2"
worst sales.quote lowest
