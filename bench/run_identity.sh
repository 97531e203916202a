#!/usr/bin/env bash
# run_identity.sh: people found again among the accounts of two systems that do not know of each other: how fast, how well, with how
# much memory; one by one against all the others; and how it grows. Called by scripts/bench.sh. The people are invented by
# bench/identity_people.c, the same at each run; who they are is in schema bench, which the resolution never reads.
#
# Environment: IDENTITY_ACCOUNTS (1300000), IDENTITY_SIZES ("100000 300000 1300000 3000000"), IDENTITY_ONLY (batch, online, scale, profile)
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
IDENTITY_ACCOUNTS=${IDENTITY_ACCOUNTS:-1300000}
IDENTITY_SIZES=${IDENTITY_SIZES:-100000 300000 1300000 3000000}
IDENTITY_ONLY=${IDENTITY_ONLY:-batch online scale profile}

# ---- people -----------------------------------------------------------------------------------------

LOADED=0

# Fills the tables with so many accounts, in place of those that are there.
load_people() {
	local n=$1 begin=$SECONDS folder=$RATES/people
	if [ "$LOADED" = "$n" ]; then
		forget
		return
	fi
	mkdir -p "$folder"
	"$BUILD/bench/identity_people" "$n" 1 "$folder"
	sql <<-SQL >&2
		SET client_min_messages = warning;
		TRUNCATE retail.account, retail.identifier, retail.match_key;
		DROP SCHEMA IF EXISTS bench CASCADE;
		CREATE SCHEMA bench;
		CREATE TABLE bench.truth (account_id bigint, person bigint);
		INSERT INTO retail.member_source (source_id, code, name, priority) VALUES (1, 'online', '网店', 10), (2, 'store', '门店', 20) ON CONFLICT DO NOTHING;
		\copy retail.account (account_id, source_id, external_id, full_name, birth_date, gender, address, city, region, postcode) FROM '$folder/account.tsv'
		-- In the form in which they are stored: a resolution brings others to it, once, before they are looked up.
		CREATE UNLOGGED TABLE bench.identifier (account_id bigint, type text, value text, verified boolean, last_used_at timestamptz);
		\copy bench.identifier FROM '$folder/identifier.tsv'
		INSERT INTO retail.identifier (account_id, type, value, verified, last_used_at)
			SELECT i.account_id, i.type, f.value, i.verified, i.last_used_at FROM bench.identifier i, LATERAL (SELECT retail.normalise_identifier(i.type, i.value) AS value OFFSET 0) f WHERE f.value IS NOT NULL ON CONFLICT DO NOTHING;
		DROP TABLE bench.identifier;
		\copy bench.truth FROM '$folder/truth.tsv'
		SELECT setval('retail.account_account_id_seq', $n) \g /dev/null
		VACUUM ANALYZE retail.account, retail.identifier, bench.truth;
	SQL
	rm -rf "$folder"
	LOADED=$n
	forget
	say "  $n accounts loaded in $((SECONDS - begin)) s"
}

# Nobody is linked, nothing was learned.
forget() {
	sql -c "TRUNCATE retail.member_link, retail.member_change, retail.match_review, retail.match_model, retail.match_key, retail.account_exception" \
		-c "VACUUM ANALYZE retail.member_link" -c CHECKPOINT >&2
}

# Resolves all from nothing; prints seconds, megabytes of memory beside shared buffers, seconds of processors.
resolve() {
	sql -F ' ' <<-'SQL'
		SELECT clock_timestamp() AS t0 \gset
		SELECT retail.run_resolution(now(), true, true, false) \g /dev/null
		SELECT clock_timestamp() AS t1 \gset
		SELECT pg_read_file('/proc/self/status') AS status \gset
		SELECT round(extract(epoch FROM :'t1'::timestamptz - :'t0'), 3), ((regexp_match(:'status', 'VmHWM:\s+(\d+)'))[1]::int - (regexp_match(:'status', 'RssShmem:\s+(\d+)'))[1]::int) / 1024,
			(SELECT round((f[12]::numeric + f[13]::numeric) / 100, 1) FROM regexp_split_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '^.*\) ', ''), ' ') AS f);
	SQL
}

# Prints precision, recall and F1 of a table of links.
accuracy() { sql -F ' ' -v found="$1" -f "$BENCH/identity_accuracy.sql"; }

# ---- lines ------------------------------------------------------------------------------------------

batch() {
	local run begin
	for run in $(seq "$RUNS"); do
		forget
		resolve >"$RATES/resolved"
		awk '{ print $1 }' "$RATES/resolved" >>"$RATES/seconds"
		awk '{ print $2 }' "$RATES/resolved" >>"$RATES/memory"
		awk '{ print $3 }' "$RATES/resolved" >>"$RATES/processors"
		begin=$(date +%s.%N)
		sql -f "$BENCH/peers/identity_exact.sql" >&2
		awk -v b="$begin" -v e="$(date +%s.%N)" 'BEGIN { print e - b }' >>"$RATES/peer"
		say "  run $run: $(cat "$RATES/resolved") (seconds, MB, seconds of processors), peer $(tail -n 1 "$RATES/peer") s"
	done
	figure identity.batch s "nothing (tables to tables, $IDENTITY_ACCOUNTS accounts)" <"$RATES/seconds"
	figure identity.batch_processors s "(information: seconds of processors)" <"$RATES/processors"
	accuracy retail.member_link >"$RATES/accuracy"
	say "  precision, recall, F1: $(cat "$RATES/accuracy")"
	awk '{ print $3 }' "$RATES/accuracy" | figure identity.batch_f1 F1 "the truth"
	figure identity.batch_memory MB "nothing (peak, beside shared buffers)" <"$RATES/memory"
	accuracy peer.link >"$RATES/accuracy"
	awk '{ print $3 }' "$RATES/accuracy" | figure identity.batch_peer_f1 F1 "the truth; (information: the peer's)"
	paste "$RATES/seconds" "$RATES/peer" | awk '{ print $2 / $1 }' | figure identity.batch_peer ratio "exact matches in SQL: its time / ours"
	sql -c "SET client_min_messages = warning" -c "DROP SCHEMA peer CASCADE" >&2
}

# Keys for upsert_account(), then calls of it.
online() {
	local clients run begin
	begin=$(date +%s.%N)
	sql -c "SELECT retail.run_resolution(now(), true, true, true)" >&2
	awk -v b="$begin" -v e="$(date +%s.%N)" 'BEGIN { print e - b }' | figure identity.keyed s "nothing (run_resolution() with the keys for upsert_account())"
	sql -c "VACUUM ANALYZE retail.match_key" -c "VACUUM ANALYZE retail.member_link" >&2
	for clients in 2 8; do
		: >"$RATES/calls"
		: >"$RATES/p99"
		for run in $(seq "$RUNS"); do
			rm -f "$RATES"/log.*
			(cd "$RATES" && pgb identity_account "$clients" -D accounts="$IDENTITY_ACCOUNTS" --log --log-prefix=log) >>"$RATES/calls"
			# its third column is microseconds
			cat "$RATES"/log.* | awk '{ print $3 / 1000 }' | sort -g | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }' >>"$RATES/p99"
			say "  run $run, $clients clients: $(tail -n 1 "$RATES/calls")/s, p99 $(tail -n 1 "$RATES/p99") ms"
		done
		figure "identity.online.$clients" calls/s "nothing ($IDENTITY_ACCOUNTS accounts, $clients clients)" <"$RATES/calls"
		figure "identity.online_p99.$clients" ms "nothing ($clients clients)" <"$RATES/p99"
	done
	worst identity.online lowest
	worst identity.online_p99 highest
}

# Time by n log n, against that of the smallest size.
scale() {
	local n first='' value
	for n in $IDENTITY_SIZES; do
		load_people "$n"
		resolve >"$RATES/resolved"
		say "  $n: $(cat "$RATES/resolved") (seconds, MB, seconds of processors), accuracy $(accuracy retail.member_link)"
		value=$(awk -v n="$n" '{ printf "%.9g", $1 / (n * log(n)) }' "$RATES/resolved")
		first=${first:-$value}
		awk '{ print $1 }' "$RATES/resolved" | figure "identity.scale_seconds.$n" s "(information)"
		awk -v v="$value" -v f="$first" 'BEGIN { print v / f }' | figure "identity.scale.$n" ratio "n log n from the smallest on; 1 or less is as asked"
	done
	worst identity.scale highest
}

profile() {
	local run
	sql -v people="$IDENTITY_ACCOUNTS" -f "$BENCH/member_profile.sql" >&2
	for run in $(seq "$RUNS"); do
		sql -c '\timing on' -c "SELECT retail.run_member_profile(now(), true)" | tee /dev/stderr | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ print $1 / 1000 }'
	done >"$RATES/profile"
	figure member.profile s "nothing (all members' profiles anew)" <"$RATES/profile"
}

mkdir -p "$BUILD/bench"
${CC:-gcc} -std=gnu11 -O2 -o "$BUILD/bench/identity_people" "$BENCH/identity_people.c"
# tasks would work on what is being measured
sql -c "UPDATE retail.task SET enabled = false" >&2
for part in $IDENTITY_ONLY; do
	case $part in
		scale) scale ;;
		batch)
			load_people "$IDENTITY_ACCOUNTS"
			batch
			;;
		online)
			load_people "$IDENTITY_ACCOUNTS"
			online
			;;
		profile) profile ;;
		*) die "IDENTITY_ONLY knows batch, online, scale and profile, not $part" ;;
	esac
done
