#!/usr/bin/env bash
# docs.sh: writes the pages of docs/ that are made from the live schema: docs/er-diagram.md and docs/reference.md.
#
#   docs.sh            into docs/
#   docs.sh --check    compares instead; fails when a page is not what the schema says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

page() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -f "scripts/$2.sql"
}

scripts/cluster.sh build >&2
scripts/cluster.sh start docs >&2
trap 'scripts/cluster.sh destroy docs >&2' EXIT
eval "$(scripts/cluster.sh env docs)"
scripts/cluster.sh createdb docs docs >&2
psql -X -q -v ON_ERROR_STOP=1 -d docs -c 'CREATE EXTENSION pg_retail' -c 'SELECT count(*) FROM retail.install()' >/dev/null

status=0
for name in er-diagram reference; do
	if [ "${1:-}" = --check ]; then
		page docs $name | diff -u "docs/$name.md" - || { echo "docs/$name.md is not current: run make docs"; status=1; }
	else
		page docs $name > "docs/$name.md.tmp"
		mv "docs/$name.md.tmp" "docs/$name.md"
		echo "wrote docs/$name.md"
	fi
done
exit $status
