#!/usr/bin/env bash
# demo.sh: what `make demo` runs. From a machine with git and make to a retail chain at work: packages, build, a private
# cluster, demo/demo.sql in the database `retail`, and the line to connect and look around. Can be run again at any time:
# the database is made anew.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cluster() { "$ROOT/scripts/cluster.sh" "$@"; }

# The TCP address has a password, because everybody on this machine can reach it; the socket is ours alone.
tell_how_to_connect() {
	local dir
	dir=$(state_dir)/clusters/demo
	cat >&2 <<MSG

Connect and look around with

    $PSQL -h $PGHOST -p $PGPORT -U postgres retail

or, from a BI tool on this machine,

    postgresql://postgres:$(cat "$dir/password")@127.0.0.1:$PGPORT/retail

\`make demo\` starts over, \`make demo-stop\` stops the server, \`make clean\` removes everything.
MSG
}

main() {
	local begin
	"$ROOT/scripts/provision.sh" demo
	begin=$SECONDS
	step "building pg_retail"
	cluster build
	step "starting a private PostgreSQL cluster"
	# a module that was built anew is only loaded at the start
	cluster stop demo
	cluster start demo "listen_addresses = '127.0.0.1'" "cron.database_name = 'retail'" "shared_buffers = 256MB" \
		"max_wal_size = 2GB"
	# the system's psql, if it is in PATH, is shorter to type than ours
	PSQL=
	if command -v psql >/dev/null; then PSQL=psql; fi
	eval "$(cluster env demo)"
	PSQL=${PSQL:-$(command -v psql)}
	cluster createdb demo retail
	step "running demo/demo.sql"
	psql -XqP pager=off -v ON_ERROR_STOP=1 -d retail -f "$ROOT/demo/demo.sql" ||
		die "the demo failed; the server's log is $(state_dir)/clusters/demo/log"
	step "done in $((SECONDS - begin)) s"
	tell_how_to_connect
}

main "$@"
