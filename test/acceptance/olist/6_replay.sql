-- 6_replay.sql: what places the orders and lets them live on, one transaction
-- each, as of the times in the data. Nothing but retail's functions is called;
-- what they refuse is noted, with their words.
CREATE TABLE olist.placed (order_id text PRIMARY KEY, retail_order_id bigint, slice int);
CREATE TABLE olist.event (order_id text, retail_order_id bigint, slice int, session int, at timestamptz, kind text, amount numeric, PRIMARY KEY (slice, session, at, order_id, kind));
CREATE TABLE olist.timing (work text, slice int, session int, sessions int, first_call interval, started timestamptz, finished timestamptz, calls int, cpu_s float8, load float8);

-- What this session has used of the processor, and how many processes want it:
-- without them a rate measured on a busy machine says little. Null where there
-- is no /proc.
CREATE FUNCTION olist.cpu_s() RETURNS float8 LANGUAGE sql VOLATILE AS $$
	SELECT (f[12]::float8 + f[13]::float8) / 100 FROM string_to_array(split_part(pg_read_file('/proc/self/stat', 0, 4096, true), ') ', 2), ' ') f
$$;
CREATE FUNCTION olist.load_average() RETURNS float8 LANGUAGE sql VOLATILE AS $$ SELECT split_part(pg_read_file('/proc/loadavg', 0, 4096, true), ' ', 1)::float8 $$;

CREATE PROCEDURE olist.place(the_slice int, the_session int, sessions int) LANGUAGE plpgsql AS $$
DECLARE
	r record;
	answer record;
	state text;
	message text;
	detail text;
	n int := 0;
	first_call interval;
	started timestamptz := clock_timestamp();
	cpu_before float8;
BEGIN
	-- A session reads the catalogue into its cache with its first order.
	BEGIN
		PERFORM q.* FROM olist.request x, retail.quote_order('olist', x.lines, x.destination, as_of => x.as_of) q
			WHERE x.order_id = (SELECT y.order_id FROM olist.request y WHERE y.slice = the_slice AND y.lines <> '[]' LIMIT 1);
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END;
	first_call := clock_timestamp() - started;
	started := clock_timestamp();
	cpu_before := olist.cpu_s();
	FOR r IN SELECT * FROM olist.request q WHERE q.slice = the_slice AND q.session % sessions = the_session ORDER BY q.as_of, q.order_id LOOP
		BEGIN
			SELECT * INTO answer FROM retail.place_order('olist', r.order_id, r.lines, r.destination, freight => r.freight, as_of => r.as_of);
			INSERT INTO olist.placed VALUES (r.order_id, answer.order_id, the_slice);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			INSERT INTO olist.refused VALUES (r.order_id, state, message, detail);
		END;
		COMMIT;
		n := n + 1;
	END LOOP;
	INSERT INTO olist.timing VALUES ('place', the_slice, the_session, sessions, first_call, started, clock_timestamp(), n, olist.cpu_s() - cpu_before, olist.load_average());
END $$;

-- What happened to the orders of a slice. A cancelled order has no time of
-- cancellation in the data: it is an hour after payment. Goods leave no
-- unpaid order, so where the data lets a parcel leave before its payment was
-- approved, it is paid when it leaves.
CREATE PROCEDURE olist.plan_events(the_slice int) LANGUAGE sql AS $$
	INSERT INTO olist.event
	SELECT p.order_id, p.retail_order_id, p.slice, q.session, e.at AT TIME ZONE 'America/Sao_Paulo', e.kind, o.total
	FROM olist.placed p JOIN olist.request q USING (order_id) JOIN olist."order" d USING (order_id) JOIN retail.sales_order o ON o.order_id = p.retail_order_id,
	LATERAL (SELECT d.status = 'canceled') c (cancelled),
	LATERAL (VALUES
		(CASE WHEN c.cancelled THEN d.approved ELSE least(d.approved, d.left_seller) END, 'pay'),
		(CASE WHEN c.cancelled THEN coalesce(d.approved, d.purchased) + interval '1 hour' END, 'cancel'),
		(CASE WHEN NOT c.cancelled THEN d.left_seller END, 'ship'),
		(CASE WHEN NOT c.cancelled THEN d.delivered END, 'deliver')) e (at, kind)
	WHERE p.slice = the_slice AND e.at IS NOT NULL
$$;

CREATE PROCEDURE olist.follow_order(e olist.event) LANGUAGE plpgsql AS $$
DECLARE
	refund numeric;
BEGIN
	CASE e.kind
		WHEN 'pay' THEN
			PERFORM retail.record_payment('olist', e.order_id, e.order_id, e.amount, 'olist', e.at);
		WHEN 'cancel' THEN
			refund := retail.cancel_order('olist', e.order_id, as_of => e.at) ->> 'refund_due';
			IF refund > 0 THEN
				PERFORM retail.record_refund('olist', e.order_id, e.order_id || ' back', refund, 'olist', e.at);
			END IF;
		WHEN 'ship' THEN
			PERFORM retail.ship_order(s.shipment_id, 'BR' || s.shipment_id, as_of => e.at) FROM retail.shipment s WHERE s.order_id = e.retail_order_id;
		WHEN 'deliver' THEN
			PERFORM retail.deliver_order(s.shipment_id, e.at) FROM retail.shipment s WHERE s.order_id = e.retail_order_id;
	END CASE;
END $$;

CREATE PROCEDURE olist.follow(the_slice int, the_session int, sessions int) LANGUAGE plpgsql AS $$
DECLARE
	e olist.event;
	state text;
	message text;
	detail text;
	n int := 0;
	started timestamptz := clock_timestamp();
	cpu_before float8 := olist.cpu_s();
BEGIN
	FOR e IN SELECT * FROM olist.event x WHERE x.slice = the_slice AND x.session % sessions = the_session
			ORDER BY x.at, array_position('{pay,cancel,ship,deliver}', x.kind), x.order_id LOOP
		BEGIN
			CALL olist.follow_order(e);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			INSERT INTO olist.refused_event VALUES (e.order_id, e.kind, e.at, state, message, detail);
		END;
		COMMIT;
		n := n + 1;
	END LOOP;
	INSERT INTO olist.timing VALUES ('follow', the_slice, the_session, sessions, NULL, started, clock_timestamp(), n, olist.cpu_s() - cpu_before, olist.load_average());
END $$;

CREATE VIEW olist.speed AS
SELECT t.work, t.slice, t.sessions, sum(t.calls) AS calls, sum(t.calls) / extract(epoch FROM max(t.finished) - min(t.started)) AS per_s FROM olist.timing t GROUP BY 1, 2, 3;

CREATE FUNCTION olist.progress(the_slice int) RETURNS text LANGUAGE sql AS $$
	SELECT format('slice %s of %s, to %s: %s orders placed, %s refused (%s session(s), %s/s); %s events (%s/s)', the_slice, (SELECT max(slice) FROM olist.request),
		(SELECT max(as_of)::date FROM olist.request WHERE slice = the_slice), (SELECT count(*) FROM olist.placed WHERE slice = the_slice),
		(SELECT count(*) FROM olist.refused JOIN olist.request USING (order_id) WHERE slice = the_slice), p.sessions, round(p.per_s), f.calls, round(f.per_s))
	FROM olist.speed p JOIN olist.speed f USING (slice) WHERE slice = the_slice AND p.work = 'place' AND f.work = 'follow'
$$;
