#!/usr/bin/env bash
# run.sh: what `make acceptance-forecast DATA=folder` runs: the method auto on every set of series below the folder, the
# last periods held out. A set is either <set>_long.csv.gz (id, period, freq, set, t, y), or daily.csv.gz (series_id,
# day_no, sale, ...; the last 7 days are held out). No server is needed: the pure core is called.
#
# METHOD=theta measures another method, as a yardstick.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$HERE/../../../scripts/common.sh"

# The rows of a set after its header, series by series, train before test, oldest first.
rows() {
	local file=$1
	shift
	gzip -dc "$file" | {
		IFS= read -r header
		printf '%s\n' "$header"
		LC_ALL=C sort -s -t, "$@"
	}
}

main() {
	local data=${DATA:-} file set program=$BUILD/acceptance/score
	[ -n "$data" ] || die "say where the sets are: make acceptance-forecast DATA=folder"
	if [ ! -d "$data" ]; then
		say "SKIPPED: there is no folder $data"
		exit 0
	fi
	mkdir -p "$BUILD/acceptance"
	# as PGXS builds the extension
	"${CC:-gcc}" -std=c11 -O2 -g -Wall -Wextra -Werror -pedantic -o "$program" "$HERE/score.c" \
		"$ROOT"/src/forecast/forecaster*.c -lm
	printf 'set\tperiod\tseries\tsMAPE\tMASE\tRMSSE\tweighted RMSSE\tWAPE\tbias\tcpu s per 1000\tcover 50%%\tcover 90%%\n'
	while IFS= read -r file; do
		set=$(basename "$file" .csv.gz)
		if [ "$set" = daily ]; then
			set=$(basename "$(dirname "$file")")
			rows "$file" -k1,1 -k2,2n | "$program" daily "$set" ${METHOD:+"$METHOD"}
		else
			rows "$file" -k1,1 -k2,2 -k4,4r -k5,5n | "$program" long "${set%_long}" ${METHOD:+"$METHOD"}
		fi
	done < <(find "$data" \( -name '*_long.csv.gz' -o -name daily.csv.gz \) | sort)
}

main "$@"
