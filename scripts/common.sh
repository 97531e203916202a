# shellcheck shell=bash
# common.sh: what every script here shares: where things are, how to speak, how to become the user that
# may run a PostgreSQL server. Sourced, never run. Needs bash and Debian's base system only.

umask 022
unset CDPATH GREP_OPTIONS
export LC_ALL=C.UTF-8
[ "$(locale charmap 2>/dev/null)" = UTF-8 ] || export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=${BUILD:-build}
case $BUILD in
	/*) ;;
	*) BUILD=$ROOT/$BUILD ;;
esac

# The unprivileged user a server runs as when we are root.
SERVER_USER=postgres

say()  { printf '%s\n' "$*" >&2; }
step() { printf '==> %s\n' "$*" >&2; }
die()  { printf 'pg_retail: %s\n' "$*" >&2; exit 1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# The major version of PostgreSQL we work with: PG_MAJOR if said, else that of PG_CONFIG if said, else the
# one this release of Debian or Ubuntu ships.
pg_major() {
	if [ -n "${PG_MAJOR:-}" ]; then
		echo "$PG_MAJOR"
		return
	fi
	if [ -n "${PG_CONFIG:-}" ]; then
		"$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'
		return
	fi
	# shellcheck disable=SC1091
	case $(. /etc/os-release 2>/dev/null; echo "${VERSION_CODENAME:-}") in
		bookworm) echo 15 ;;
		noble) echo 16 ;;
		trixie | plucky | questing) echo 17 ;;
		forky | sid | resolute) echo 18 ;;
		*) newest_installed_major ;;
	esac
}

newest_installed_major() {
	local dir best=15
	for dir in /usr/lib/postgresql/*/bin/pg_config; do
		[ -x "$dir" ] || continue
		dir=${dir%/bin/pg_config}
		dir=${dir##*/}
		[ "$dir" -gt "$best" ] && [ "$dir" -le 18 ] && best=$dir
	done
	echo "$best"
}

# The pg_config of the installation that the system has (never the private one below build/).
system_pg_config() {
	local found
	if [ -n "${PG_CONFIG:-}" ]; then
		echo "$PG_CONFIG"
		return
	fi
	found=/usr/lib/postgresql/$(pg_major)/bin/pg_config
	[ -x "$found" ] || found=$(command -v pg_config) || return 1
	echo "$found"
}

# Runs a command as the user that owns the servers: ourselves, or SERVER_USER when we are root.
as_server_user() {
	if is_root; then
		setpriv --reuid="$SERVER_USER" --regid="$SERVER_USER" --init-groups \
			env HOME=/tmp USER="$SERVER_USER" LOGNAME="$SERVER_USER" "$@"
	else
		"$@"
	fi
}

# Can the server's user read this path?
server_user_reads() {
	(cd / && as_server_user test -r "$1" -a -x "$1")
}

# Short, stable name for this build folder; used where its own path cannot be.
build_hash() {
	printf '%s' "$BUILD" | cksum | cut -d' ' -f1
}

# Where the private installation and the clusters really live. Normally the build folder; a folder below
# /var/tmp when the server's user cannot reach the build folder, or when its path holds a character
# that PGXS does not bear (a blank).
state_dir() {
	local plain=1
	case $BUILD in
		*[!A-Za-z0-9/._+@,-]*) plain=0 ;;
	esac
	mkdir -p "$BUILD"
	if [ $plain = 1 ] && server_user_reads "$BUILD"; then
		echo "$BUILD"
	else
		echo "/var/tmp/pg_retail-$(id -u)-$(build_hash)"
	fi
}

# Makes the state folder, with links from the build folder when it lies elsewhere.
prepare_state() {
	local name
	STATE=$(state_dir)
	if [ "$STATE" != "$BUILD" ]; then
		if [ ! -e "$STATE" ]; then
			say "The server cannot use $BUILD; the cluster and its programs go to $STATE."
			mkdir -m 755 "$STATE"
		fi
		if [ -L "$STATE" ] || [ ! -O "$STATE" ]; then
			die "$STATE exists and is not ours; remove it and try again."
		fi
		for name in pg clusters; do
			if [ ! -L "$BUILD/$name" ]; then
				rm -rf "${BUILD:?}/$name"
				ln -s "$STATE/$name" "$BUILD/$name"
			fi
		done
	fi
	mkdir -p "$STATE/pg" "$STATE/clusters"
}
