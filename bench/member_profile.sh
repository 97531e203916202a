# shellcheck shell=bash
# member_profile.sh: how long the profiles of a whole chain take, and what the till waits for. Sourced by run_identity.sh, after
# lib.sh; measures in PGDATABASE. Environment: PEOPLE (1300000)

# The seconds of processor that a session has used, for a psql script.
PROFILE_CPU="CREATE FUNCTION pg_temp.cpu() RETURNS float8 LANGUAGE sql AS \$\$
	SELECT (split_part(s, ' ', 14)::float8 + split_part(s, ' ', 15)::float8) / 100 FROM pg_read_file('/proc/' || pg_backend_pid() || '/stat') s \$\$;"

# Prints the seconds of a run and those of its processor: profile_seconds FULL
profile_seconds() {
	sql <<SQL
$PROFILE_CPU
SELECT pg_temp.cpu() AS cpu, clock_timestamp() AS began \gset
SELECT retail.run_member_profile(now(), $1) \g /dev/null
SELECT round(extract(epoch FROM clock_timestamp() - :'began'), 2) || ' ' || round((pg_temp.cpu() - :cpu)::numeric, 2);
SQL
}

bench_member_profile() {
	local run seconds
	say "what members did"
	sql -c "UPDATE retail.task SET enabled = false" >&2
	sql -v people="${PEOPLE:-1300000}" -f "$BENCH/member_profile.sql" >&2
	: >"$RATES/profile.wall"
	: >"$RATES/profile.cpu"
	for run in $(seq "$RUNS"); do
		# as the first time: nothing is there
		sql -c "TRUNCATE retail.member_profile" -c CHECKPOINT >&2
		seconds=$(profile_seconds true)
		say "  all profiles, run $run: $seconds s, of processor the latter"
		echo "${seconds% *}" >>"$RATES/profile.wall"
		echo "${seconds#* }" >>"$RATES/profile.cpu"
	done
	figure member.profile s "at most 60, ${PEOPLE:-1300000} members" <"$RATES/profile.wall"
	figure member.profile_cpu s "(information: of processor)" <"$RATES/profile.cpu"
	for run in $(seq "$RUNS"); do
		sql -c "INSERT INTO retail.event (source_id, external_id, kind, account_id, happened_at) SELECT s.source_id, 'n$run.' || m.account_id, 'view', m.account_id, now()
			FROM (SELECT account_id FROM retail.account ORDER BY account_id LIMIT 10000) m, retail.member_source s WHERE s.code = 'bench'" >&2
		profile_seconds false | cut -d' ' -f1
	done | figure member.profile_incremental s "(information: 10,000 members with news)"
	bench_member_till
}

# How long a store waits for what it sees of a person: the 99th percentile, one till and nothing else.
bench_member_till() {
	local log=$RATES/till
	sql -c "VACUUM ANALYZE retail.member_profile" >&2
	cat >"$log.sql" <<-'SQL'
		\set n random(1, :people)
		SELECT retail.member_at_till((13000000000 + :n)::text);
	SQL
	pgbench -n -M prepared -c 1 -T "$SECONDS_A_RUN" -D people="${PEOPLE:-1300000}" -l --log-prefix="$log" -f "$log.sql" >&2
	awk '{ print $3 / 1000 }' "$log".[0-9]* | sort -g | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }' | figure member.till_p99 ms "at most 1"
	awk '{ print $3 / 1000 }' "$log".[0-9]* | sort -g | awk '{ v[NR] = $1 } END { print v[int(NR * 0.5)] }' | figure member.till_p50 ms "(information: median)"
}
