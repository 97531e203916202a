#!/usr/bin/env bash
# docs.sh: writes what the documentation takes from elsewhere: docs/er-diagram.md and docs/reference.md from the live
# schema, and the first SQL of README.md and README.zh-CN.md from expected/example.out, which `make check` proves.
#
#   docs.sh            writes them
#   docs.sh --check    compares instead, speaking TAP; fails when a page is not current
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

# make check names the private installation; cluster.sh makes that itself, from the system's.
cluster() { env -u PG_CONFIG "$ROOT/scripts/cluster.sh" "$@"; }

MODE=${1:-write}
NUMBER=0
STATUS=0

# Replaces a page by standard input, or compares it with that.
put() {
	local page=$1 made
	made=$(mktemp)
	cat > "$made"
	NUMBER=$((NUMBER + 1))
	if [ "$MODE" != --check ]; then
		cmp -s "$made" "$page" || { cp "$made" "$page"; echo "wrote $page"; }
	elif diff -u "$page" "$made" > "$made.diff"; then
		echo "ok $NUMBER - $page is current"
	else
		echo "not ok $NUMBER - $page is not current: run make docs"
		sed 's/^/# /' "$made.diff" | head -n 40
		STATUS=1
	fi
	rm -f "$made" "$made.diff"
}

from_schema() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -d docs -f "scripts/$1.sql"
}

# The page with the text between its example marks replaced.
with_example() {
	awk '
		/^<!-- example end -->$/ { skipping = 0 }
		!skipping { print }
		/^<!-- example -->$/ {
			skipping = 1
			print "```sql"
			while ((getline line < "expected/example.out") > 0) if (line !~ /^-- example\.sql:/) print line
			print "```"
		}' "$1"
}

cluster build >&2
cluster start docs >&2
trap 'cluster destroy docs >&2' EXIT
eval "$(cluster env docs)"
cluster createdb docs docs >&2
psql -X -q -v ON_ERROR_STOP=1 -d docs -c 'CREATE EXTENSION pg_retail' -c 'SELECT count(*) FROM retail.install()' >/dev/null

for name in er-diagram reference; do
	from_schema $name | put docs/$name.md
done
for page in README.md README.zh-CN.md; do
	with_example $page | put $page
done
[ "$MODE" != --check ] || echo "1..$NUMBER"
exit $STATUS
