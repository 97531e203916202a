#!/usr/bin/env bash
# cluster.sh: a private PostgreSQL installation and private clusters below the build folder, used by demo,
# check, bench and acceptance. It never writes to a system directory, and never touches a system cluster.
#
#   cluster.sh overlay                  make or refresh the private installation (build/pg)
#   cluster.sh build                    overlay, then build the extension and install it there
#   cluster.sh pgconfig                 print the path of its pg_config
#   cluster.sh start NAME [LINE...]     start cluster NAME (made on first use); LINE: postgresql.conf lines
#   cluster.sh stop NAME                stop it, keep its data
#   cluster.sh destroy NAME             stop it and remove it
#   cluster.sh status NAME              exit status 0 when it runs
#   cluster.sh env NAME                 print `export PGHOST=...` lines, for eval
#   cluster.sh createdb NAME DB         (re)create a database, whoever is connected to it
#   cluster.sh clean                    destroy all clusters and remove all that was built
#
# How the private installation works. PostgreSQL finds its share and lib directories relative to the place
# of its own binary. So build/pg holds *copies* of the programs, and links to everything else, in the same
# layout; extension/ and lib/ are real directories of links, where `make install` can add ours.
#
# A cluster is build/clusters/NAME: data/, log, sock/ (or the path of a short-named one in /tmp, because a
# socket path has 107 characters at most), port, password (for TCP, where pg_hba.conf wants one).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
	sed -n '5,14s/^# *//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

# ---- the private installation ---------------------------------------------------------------------

# The longest directory that all given paths share.
common_prefix() {
	local prefix=$1 path
	shift
	for path in "$@"; do
		while [ "${path#"$prefix"/}" = "$path" ]; do
			prefix=${prefix%/*}
		done
	done
	printf '%s\n' "$prefix"
}

# Sets SYS_* (the system's directories) and OVL_* (the same, relocated below build/pg).
locate_installation() {
	local config prefix
	config=$(system_pg_config) || die "no pg_config found; run \`make provision\`"
	SYS_BIN=$("$config" --bindir)
	SYS_LIB=$("$config" --pkglibdir)
	SYS_SHARE=$("$config" --sharedir)
	SYS_INCLUDE=$("$config" --includedir)
	SYS_LIBDIR=$("$config" --libdir)
	[ -x "$SYS_BIN/postgres" ] || die "$SYS_BIN holds no PostgreSQL server; run \`make provision\`"
	[ -f "$("$config" --pgxs)" ] || die "the PostgreSQL server headers (PGXS) are missing; run \`make provision\`"
	prefix=$(common_prefix "$SYS_BIN" "$SYS_LIB" "$SYS_SHARE" "$SYS_INCLUDE" "$SYS_LIBDIR")
	OVL_BIN=$STATE/pg${SYS_BIN#"$prefix"}
	OVL_LIB=$STATE/pg${SYS_LIB#"$prefix"}
	OVL_SHARE=$STATE/pg${SYS_SHARE#"$prefix"}
	OVL_INCLUDE=$STATE/pg${SYS_INCLUDE#"$prefix"}
	OVL_LIBDIR=$STATE/pg${SYS_LIBDIR#"$prefix"}
}

# Links every entry of a directory into another one, except ours, and drops links that lead nowhere.
link_entries() {
	local from=$1 to=$2 entry name
	mkdir -p "$to"
	find "$to" -maxdepth 1 -type l ! -exec test -e {} \; -delete
	for entry in "$from"/*; do
		name=${entry##*/}
		case $name in
			pg_retail | pg_retail.* | pg_retail--*) continue ;;
		esac
		[ -e "$to/$name" ] || ln -s "$entry" "$to/$name"
	done
}

copy_programs() {
	local program copy
	mkdir -p "$OVL_BIN"
	for program in "$SYS_BIN"/*; do
		copy=$OVL_BIN/${program##*/}
		if [ -L "$program" ]; then
			[ -L "$copy" ] || cp -P "$program" "$copy"
		elif ! cmp -s "$program" "$copy"; then
			cp "$program" "$copy.new"
			mv "$copy.new" "$copy"
		fi
	done
}

overlay() {
	copy_programs
	link_entries "$SYS_LIB" "$OVL_LIB"
	[ -L "$OVL_SHARE/extension" ] && rm "$OVL_SHARE/extension"
	mkdir -p "$OVL_SHARE/extension"
	link_entries "$SYS_SHARE" "$OVL_SHARE"
	link_entries "$SYS_SHARE/extension" "$OVL_SHARE/extension"
	mkdir -p "${OVL_INCLUDE%/*}" "${OVL_LIBDIR%/*}"
	ln -sfn "$SYS_INCLUDE" "$OVL_INCLUDE"
	[ -e "$OVL_LIBDIR" ] || ln -s "$SYS_LIBDIR" "$OVL_LIBDIR"
	[ "$("$OVL_BIN/pg_config" --sharedir)" = "$OVL_SHARE" ] ||
		die "$OVL_BIN/pg_config does not answer with its own place; this PostgreSQL cannot be relocated"
}

# The build folder as the Makefile wants to hear it.
build_arg() {
	if [ "$BUILD" = "$ROOT/build" ]; then echo build; else echo "$BUILD"; fi
}

build() {
	overlay
	# Two builds in one folder would spoil each other.
	exec 8>"$BUILD/build.lock"
	flock 8
	rm -f "$OVL_SHARE"/extension/pg_retail--*.sql
	env -u MAKEFLAGS -u MFLAGS make --no-print-directory -C "$ROOT" -j"$(nproc 2>/dev/null || echo 1)" \
		BUILD="$(build_arg)" PG_CONFIG="$OVL_BIN/pg_config" install >"$BUILD/install.log" 2>&1 8>&- || {
		grep -vE '^[^ ]*(gcc|clang|cc) ' "$BUILD/install.log" | tail -n 60 >&2
		die "the build failed; the whole log is $BUILD/install.log"
	}
	grep -E 'warning:' "$BUILD/install.log" >&2 || true
	exec 8>&-
}

# ---- clusters ---------------------------------------------------------------------------------------

pg() { as_server_user env -C / PATH="$OVL_BIN:$PATH" "$@"; }

cluster_paths() {
	NAME=$1
	case $NAME in
		"" | *[!A-Za-z0-9_-]*) die "a cluster name is made of letters, digits, _ and -, not \"$NAME\"" ;;
	esac
	DIR=$STATE/clusters/$NAME
	DATA_DIR=$DIR/data
}

# The process id of this cluster's own postmaster, or nothing. A pid file may be left over from a crash and
# its number may meanwhile belong to somebody else, so the process must also live in our data directory.
own_pid() {
	local pid
	[ -f "$DATA_DIR/postmaster.pid" ] || return 0
	pid=$(head -n 1 "$DATA_DIR/postmaster.pid" 2>/dev/null) || return 0
	[ -n "$pid" ] || return 0
	if [ -d /proc/self ]; then
		[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$DATA_DIR" ] && echo "$pid"
	else
		pg "$OVL_BIN/pg_ctl" -D "$DATA_DIR" status >/dev/null 2>&1 && echo "$pid"
	fi
	return 0
}

port_is_free() {
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A port that nobody listens on and no other cluster of ours has taken.
choose_port() {
	local port=$((54000 + $(printf '%s' "$BUILD/$NAME" | cksum | cut -d' ' -f1) % 6000)) tries=0
	while ! port_is_free "$port" || grep -qxs "$port" "$STATE"/clusters/*/port; do
		port=$((port + 1))
		tries=$((tries + 1))
		[ $tries -lt 500 ] || die "no free TCP port between 54000 and 60500"
	done
	echo "$port"
}

# The directory of the socket: inside the cluster where its path is short and plain enough.
choose_socket_dir() {
	local dir=$DIR/sock
	case $dir in
		*[!A-Za-z0-9/._-]*) dir= ;;
	esac
	# "/.s.PGSQL.65535.lock" and the final zero byte must fit into 107 too
	if [ -z "$dir" ] || [ ${#dir} -gt 85 ]; then
		dir=$(mktemp -d /tmp/pg_retail.XXXXXX)
	fi
	echo "$dir"
}

random_password() {
	od -An -N12 -tx1 /dev/urandom | tr -d ' \n'
}

make_cluster() {
	local locale=C.UTF-8
	[ "$LC_ALL" = C.UTF-8 ] || locale=C
	step "making cluster $NAME in $DIR"
	rm -rf "$DIR"
	mkdir -p "$DIR"
	choose_socket_dir >"$DIR/socketdir"
	choose_port >"$DIR/port"
	random_password >"$DIR/password"
	mkdir -p "$(cat "$DIR/socketdir")"
	chmod 700 "$(cat "$DIR/socketdir")"
	chmod 600 "$DIR/password"
	is_root && chown -R "$SERVER_USER:" "$DIR" "$(cat "$DIR/socketdir")"
	pg "$OVL_BIN/initdb" -D "$DATA_DIR" -U postgres -E UTF8 --locale="$locale" \
		--auth-local=trust --auth-host=scram-sha-256 --pwfile="$DIR/password" --no-sync \
		>"$BUILD/initdb-$NAME.log" 2>&1 || {
		cat "$BUILD/initdb-$NAME.log" >&2
		rm -rf "$DIR"
		die "initdb failed"
	}
	rm -f "$BUILD/initdb-$NAME.log"
	echo "include_if_exists 'pg_retail.conf'" | pg tee -a "$DATA_DIR/postgresql.conf" >/dev/null
	touch "$DIR/complete"
}

# Written at every start, so that new lines take effect.
write_conf() {
	{
		echo "# written by scripts/cluster.sh at every start"
		echo "port = $(cat "$DIR/port")"
		echo "unix_socket_directories = '$(cat "$DIR/socketdir")'"
		echo "listen_addresses = ''"
		echo "cluster_name = 'pg_retail $NAME'"
		echo "shared_preload_libraries = 'pg_cron,pg_retail'"
		echo "cron.database_name = 'postgres'"
		echo "cron.use_background_workers = on"
		echo "max_worker_processes = 32"
		echo "lc_messages = 'C'"
		echo "timezone = 'UTC'"
		echo "log_timezone = 'UTC'"
		echo "log_line_prefix = '%m [%p] %q%u@%d '"
		if [ $# -gt 0 ]; then
			printf '%s\n' "$@"
		fi
	} | pg tee "$DATA_DIR/pg_retail.conf" >/dev/null
}

# A superuser named like the caller, so that a plain `psql` works.
make_caller_role() {
	local caller
	caller=$(id -un)
	[ "$caller" = postgres ] && return 0
	sql postgres -v who="$caller" <<'SQL'
SELECT format('CREATE ROLE %I SUPERUSER LOGIN', :'who')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'who') \gexec
SQL
}

# Runs psql against this cluster as its superuser: sql DATABASE [psql arguments]
sql() {
	local db=$1
	shift
	PGHOST=$(cat "$DIR/socketdir") PGPORT=$(cat "$DIR/port") PGUSER=postgres PGOPTIONS='' \
		"$OVL_BIN/psql" -XqAt -v ON_ERROR_STOP=1 -d "$db" "$@"
}

start() {
	if [ -e "$DIR" ] && [ ! -w "$DIR" ]; then
		die "cluster $NAME belongs to user $(stat -c %U "$DIR"), who can remove it with \`make clean\`"
	fi
	if [ -f "$DIR/complete" ] && [ "$(pg cat "$DATA_DIR/PG_VERSION")" != "$(pg_major)" ]; then
		destroy
	fi
	[ -f "$DIR/complete" ] || make_cluster
	if [ -n "$(own_pid)" ]; then
		return 0
	fi
	rm -f "$DATA_DIR/postmaster.pid"
	# /tmp may have been swept since
	if [ ! -d "$(cat "$DIR/socketdir")" ]; then
		mkdir -m 700 "$(cat "$DIR/socketdir")"
		is_root && chown "$SERVER_USER:" "$(cat "$DIR/socketdir")"
	fi
	if ! port_is_free "$(cat "$DIR/port")"; then
		choose_port >"$DIR/port.new"
		mv "$DIR/port.new" "$DIR/port"
	fi
	write_conf "$@"
	if ! pg "$OVL_BIN/pg_ctl" -D "$DATA_DIR" -l "$DIR/log" -w -t 60 start >/dev/null 2>&1 </dev/null; then
		tail -n 20 "$DIR/log" >&2
		die "cluster $NAME does not start; its log is $DIR/log"
	fi
	make_caller_role
}

stop() {
	if [ -n "$(own_pid)" ]; then
		pg "$OVL_BIN/pg_ctl" -D "$DATA_DIR" -w -t 60 -m "${1:-fast}" stop >/dev/null 2>&1 ||
			pg "$OVL_BIN/pg_ctl" -D "$DATA_DIR" -w -t 60 -m immediate stop >/dev/null
		say "cluster $NAME stopped"
	fi
}

destroy() {
	local socketdir
	[ -d "$DIR" ] || return 0
	stop immediate
	socketdir=$(cat "$DIR/socketdir" 2>/dev/null || true)
	case $socketdir in
		/tmp/pg_retail.*) rm -rf "$socketdir" ;;
	esac
	rm -rf "$DIR"
}

print_env() {
	[ -f "$DIR/port" ] || die "there is no cluster $NAME; start it first"
	# shellcheck disable=SC2016
	printf 'export PGHOST=%q PGPORT=%q PGUSER=postgres PATH=%q:"$PATH"\n' \
		"$(cat "$DIR/socketdir")" "$(cat "$DIR/port")" "$OVL_BIN"
}

createdb() {
	sql postgres -v db="$1" <<'SQL'
SET client_min_messages = warning;
SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', :'db') \gexec
SELECT format('CREATE DATABASE %I', :'db') \gexec
SQL
}

# Stopping and removing must also work where the system's PostgreSQL is gone or was never there: the private
# copy of pg_ctl is enough.
locate_programs() {
	OVL_BIN=$(find "$STATE/pg" -name pg_ctl -print -quit 2>/dev/null || true)
	OVL_BIN=${OVL_BIN%/*}
}

clean() {
	local dir
	for dir in "$STATE"/clusters/*/; do
		[ -d "$dir" ] || continue
		cluster_paths "$(basename "$dir")"
		destroy
	done
	if [ -e "$BUILD/Makefile" ] || [ -e "$BUILD/.git" ] || [ "$BUILD" = / ] || [ "$BUILD" = "${HOME:-}" ]; then
		die "$BUILD does not look like a build folder, so it is not removed"
	fi
	if [ "$STATE" != "$BUILD" ] && [ -O "$STATE" ] && [ ! -L "$STATE" ]; then
		rm -rf "$STATE"
	fi
	rm -rf "$BUILD"
}

on_cluster() {
	local command=$1
	cluster_paths "${2:-}"
	shift 2
	case $command in
		start) start "$@" ;;
		stop) stop ;;
		destroy) destroy ;;
		status) [ -n "$(own_pid)" ] ;;
		env) print_env ;;
		createdb) createdb "$1" ;;
	esac
}

main() {
	local command=${1:-}
	case $command in
		overlay | build | pgconfig | start | env | createdb)
			prepare_state
			locate_installation
			;;
		stop | destroy | status | clean)
			STATE=$(state_dir)
			locate_programs
			;;
		*) usage ;;
	esac
	case $command in
		overlay | build | clean) "$command" ;;
		pgconfig) echo "$OVL_BIN/pg_config" ;;
		*) on_cluster "$@" ;;
	esac
}

main "$@"
