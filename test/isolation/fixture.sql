-- fixture.sql: what the isolation specs share; loaded once into the template of
-- their databases.  Each permutation begins with CALL fresh_chain().

CREATE FUNCTION lines(VARIADIC text[]) RETURNS jsonb LANGUAGE sql AS $$		-- of 'sku qty' or 'sku qty node'
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('sku', split_part(l, ' ', 1), 'qty', split_part(l, ' ', 2)::int,
		'node', nullif(split_part(l, ' ', 3), '')))) FROM unnest($1) l $$;
CREATE FUNCTION home() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('region', 'R') $$;
CREATE VIEW counters AS
	SELECT k.code AS sku, n.code AS node, s.on_hand, s.reserved, s.in_transit, s.damaged, s.quality_hold
	FROM retail.stock s JOIN retail.sku k USING (sku_id) JOIN retail.node n USING (node_id) ORDER BY 1, 2;

-- W1 is cheaper than W2; W1 does pick-up too
CREATE PROCEDURE fresh_chain() LANGUAGE plpgsql AS $fixture$
BEGIN
	UPDATE retail.task SET enabled = false;		-- the background worker keeps out
	TRUNCATE retail.stock, retail.safety_stock, retail.stock_document, retail.stock_transfer, retail.stock_hold, retail.movement, retail.reservation, retail.stock_recount, retail.order_intake,
		retail.sales_order, retail.order_line, retail.shipment, retail.shipment_line, retail.order_event, retail.allocation_decision RESTART IDENTITY CASCADE;
	PERFORM retail.put_region('R', 'Region'), retail.put_channel('web', 'Web', 'web'), retail.put_carrier_service('std', 'Carrier', 'Standard'),
		retail.put_sku('A', 'A', 500, list_price => 10), retail.put_sku('B', 'B', 500, list_price => 10), retail.put_sku('C', 'C', 500, list_price => 10),
		retail.put_node('W1', 'W1', 'warehouse', can_pick_up => true), retail.put_node('W2', 'W2', 'warehouse');
	PERFORM retail.resume_node(n.code) FROM retail.node n;
	PERFORM retail.put_lane('std', 'R', 'near', 24, 'W1'), retail.put_lane('std', 'R', 'far', 24, 'W2'),
		retail.put_rate_card('std', 'near', 1000, 5, 1000, 1), retail.put_rate_card('std', 'far', 1000, 9, 1000, 1);
END $fixture$;

-- ---- people ----

-- who is who: accounts by external id, a word a person
CREATE VIEW people AS
	SELECT string_agg(g, ' ' ORDER BY g) AS people FROM (SELECT string_agg(a.external_id, '' ORDER BY a.account_id) AS g FROM retail.account a GROUP BY retail.member_of(a.account_id)) x;
-- an account with a verified phone
CREATE FUNCTION tell(no text, name text, phone text, born text DEFAULT '1980-07-17', OUT outcome text, OUT person text) LANGUAGE plpgsql AS $$
DECLARE
	u record;
BEGIN
	SELECT * INTO u FROM retail.upsert_account('crm', no, name, birth_date => born, identifiers => jsonb_build_array(jsonb_build_object('type', 'phone', 'value', phone, 'verified', true)), as_of => '2026-03-01');
	outcome := u.outcome;
	person := (SELECT a.external_id FROM retail.account a WHERE a.account_id = u.member_id);
END $$;
-- an account with several
CREATE FUNCTION tell_all(no text, name text, VARIADIC phones text[]) RETURNS boolean LANGUAGE sql AS $$
	SELECT retail.upsert_account('crm', no, name, birth_date => '1980-07-17', identifiers => (SELECT jsonb_agg(jsonb_build_object('type', 'phone', 'value', p, 'verified', true)) FROM unnest(phones) p), as_of => '2026-03-01') IS NOT NULL $$;
CREATE FUNCTION account(no text) RETURNS bigint LANGUAGE sql AS $$ SELECT a.account_id FROM retail.account a WHERE a.external_id = $1 $$;

CREATE PROCEDURE no_people() LANGUAGE plpgsql AS $fixture$
BEGIN
	UPDATE retail.task SET enabled = false;
	TRUNCATE retail.account, retail.identifier, retail.match_key, retail.member_link, retail.member_change, retail.match_review, retail.match_constraint, retail.account_exception,
		retail.consent, retail.consent_event, retail.member_access, retail.member_erasure RESTART IDENTITY CASCADE;
	PERFORM retail.put_member_source('crm', deduplicated => false);
END $fixture$;
