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
