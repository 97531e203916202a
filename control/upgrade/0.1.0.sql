-- 0.1.0.sql: what an upgrade from 0.1.0 drops first, for its signature changed.
DROP FUNCTION retail.mark_expired(timestamptz, bigint[], boolean);
DROP FUNCTION retail.parse_stock_lines(jsonb, text);
DROP FUNCTION retail.put_allocation_policy(text, text, text, numeric, numeric, int, int, boolean);
DROP FUNCTION retail.lock_shipment(bigint);
DROP FUNCTION retail.place_order(text, text, jsonb, jsonb, text, text, bigint, numeric, text, text, timestamptz);
DROP FUNCTION retail.quote_order(text, jsonb, jsonb, text, text, numeric, text, timestamptz);
DROP FUNCTION retail.transfer_out(text, text, text, jsonb, timestamptz, text);
