#!/usr/bin/env bash
# provision.sh: installs the Debian packages that are missing, and only those.
#
#   provision.sh [demo] [check] [lint] [oracle]      the sets wanted; no argument means demo
#
# Root installs directly, everybody else through sudo; where that is not possible it says which line to run.
# On other systems it says what is needed. It never makes or starts a PostgreSQL cluster: Debian's package would
# make one named "main", which is switched off for the time of the installation.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# ---- the one place where packages are listed (N stands for the PostgreSQL version) ------------------
packages_of() {
	case $1 in
		demo) echo "build-essential pkg-config libicu-dev postgresql-N postgresql-server-dev-N postgresql-N-cron postgresql-N-pgtap" ;;
		check) echo "postgresql-N-plpgsql-check libtap-parser-sourcehandler-pgtap-perl" \
			"libipc-run-perl libcmocka-dev coinor-cbc clang libclang-rt-dev" ;;
		lint) echo "clang-format-14 clang-tidy-14 cppcheck shellcheck" ;;
		oracle) echo "r-cran-forecast" ;;
		*) die "unknown package set \"$1\"; known are demo, check, lint and oracle" ;;
	esac
}

# What the packages are for, said where there is no apt.
needs_of() {
	case $1 in
		demo) echo "GNU make, a C compiler, pkg-config, ICU with its headers, PostgreSQL 15 to 18 with its server headers (PGXS), pg_cron" ;;
		check) echo "pgTAP and pg_prove, plpgsql_check, Perl's IPC::Run, cmocka, cbc (COIN-OR), clang with its fuzzer runtime" ;;
		lint) echo "clang-format and clang-tidy 14, cppcheck, shellcheck" ;;
		oracle) echo "R with the package forecast (for the long check only)" ;;
	esac
}

# clang 14 left Debian after bookworm; its later versions format differently, so lint does without there.
wanted_packages() {
	local set package major
	major=$(pg_major)
	for set in "$@"; do
		for package in $(packages_of "$set"); do
			case $package in
				clang-*-14) [ "$major" = 15 ] || continue ;;
			esac
			echo "${package/-N/-$major}"
		done
	done
}

missing_packages() {
	local package
	for package in $(wanted_packages "$@"); do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

is_debian() {
	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

# Away from Debian we can only look whether the demo's own needs are met.
check_elsewhere() {
	local config set
	if config=$(system_pg_config) && [ -f "$("$config" --pgxs)" ] && command -v cc >/dev/null &&
		[ -f "$("$config" --sharedir)/extension/pg_cron.control" ]; then
		return 0
	fi
	say "This is not Debian or Ubuntu, so nothing can be installed for you. Please install:"
	for set in "$@"; do say "  - $(needs_of "$set")"; done
	say "and say PG_CONFIG=/path/to/pg_config if it is not in PATH."
	exit 1
}

# Prints the words to put before a command so that root runs it; fails when there are none.
become_root() {
	if is_root; then
		return 0
	elif ! command -v sudo >/dev/null; then
		return 1
	elif sudo -n true 2>/dev/null; then
		echo "sudo -n"
	elif [ -t 0 ] && sudo -v; then
		echo "sudo"
	else
		return 1
	fi
}

# The shell that root runs: the main cluster is switched off while the packages are unpacked, unless somebody
# already has a word of his own there.
install_script() {
	cat <<'SH'
set -e
export DEBIAN_FRONTEND=noninteractive
dir=/etc/postgresql-common/createcluster.d
conf=$dir/zz_pg_retail.conf
if [ ! -e "$conf" ]; then
	mkdir -p "$dir"
	echo "create_main_cluster = false" >"$conf"
	trap 'rm -f "$conf"; rmdir "$dir" 2>/dev/null || true' EXIT
fi
apt="apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
candidate() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }
fresh=no
for package in "$@"; do
	if [ $fresh = no ] && ! candidate "$package"; then
		$apt update
		fresh=yes
	fi
done
if ! $apt install --no-install-recommends "$@"; then
	[ $fresh = no ] || exit 1
	$apt update
	$apt install --no-install-recommends "$@"
fi
SH
}

main() {
	local missing prefix log
	[ $# -gt 0 ] || set -- demo
	if ! is_debian; then
		check_elsewhere "$@"
		return
	fi
	missing=$(missing_packages "$@" | tr '\n' ' ')
	missing=${missing% }
	[ -n "$missing" ] || return 0
	if ! prefix=$(become_root); then
		say "These packages are missing, and only root can install them. Please run (or ask your administrator to):"
		say ""
		say "    apt-get install --no-install-recommends $missing"
		say ""
		die "packages missing"
	fi
	step "installing $missing"
	mkdir -p "$BUILD"
	log=$BUILD/provision.log
	# shellcheck disable=SC2086
	if ! $prefix bash -c "$(install_script)" provision $missing >"$log" 2>&1 </dev/null; then
		tail -n 30 "$log" >&2
		die "the installation failed; its whole log is $log. By hand: apt-get install --no-install-recommends $missing"
	fi
}

main "$@"
