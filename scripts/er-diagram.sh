#!/usr/bin/env bash
# er-diagram.sh: writes docs/er-diagram.md from the live schema of a database where retail.install() has run.
#
#   er-diagram.sh            in a throw-away cluster of our own
#   er-diagram.sh --stdout   the same, to standard output
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

render() {
	psql -X -q -v ON_ERROR_STOP=1 -d er_diagram -c 'CREATE EXTENSION pg_retail' -c 'SELECT count(*) FROM retail.install()' >/dev/null
	psql -X -q -A -t -v ON_ERROR_STOP=1 -d er_diagram -f scripts/er-diagram.sql
}

scripts/cluster.sh build >&2
scripts/cluster.sh start er >&2
trap 'scripts/cluster.sh destroy er >&2' EXIT
eval "$(scripts/cluster.sh env er)"
scripts/cluster.sh createdb er er_diagram >&2
if [ "${1:-}" = --stdout ]; then
	render
else
	render > docs/er-diagram.md.tmp
	mv docs/er-diagram.md.tmp docs/er-diagram.md
	echo 'wrote docs/er-diagram.md'
fi
