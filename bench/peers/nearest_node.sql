-- nearest_node.sql: what a good team writes by hand for the same job: each line goes to the nearest node that ships and has
-- it, in one PL/pgSQL function, with tables and indexes of its own. No freight, no promise, no trace, no calendar: it writes
-- fewer rows than we do, and decides less. Filled with the same nodes, SKUs and stock.
--
-- We did not tune it down. The nearest node is found through a k-nearest-neighbour index on the nodes, stopping at the first
-- one with stock (twice as fast as sorting all nodes that have the SKU); lines are taken in SKU order, so that buyers do not
-- deadlock; what may be promised is checked in the UPDATE; plans are cached.

CREATE SCHEMA peer;

CREATE TABLE peer.sku (sku_id bigint PRIMARY KEY, code text NOT NULL UNIQUE, price numeric(14,2) NOT NULL);
-- place: longitude shrunk to the scale of latitude at 33 degrees north
CREATE TABLE peer.node (node_id bigint PRIMARY KEY, code text NOT NULL UNIQUE, place point NOT NULL, can_ship boolean NOT NULL);
CREATE INDEX node_place ON peer.node USING gist (place) WHERE can_ship;
CREATE TABLE peer.stock (sku_id bigint NOT NULL, node_id bigint NOT NULL, on_hand bigint NOT NULL, reserved bigint NOT NULL DEFAULT 0, PRIMARY KEY (sku_id, node_id)) WITH (fillfactor = 70);
CREATE TABLE peer.sales_order (order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, channel text NOT NULL, external_no text NOT NULL, status text NOT NULL,
	latitude float8, longitude float8, total numeric(14,2) NOT NULL, placed_at timestamptz NOT NULL, UNIQUE (channel, external_no));
CREATE TABLE peer.order_line (order_id bigint NOT NULL REFERENCES peer.sales_order, line_no int NOT NULL, sku_id bigint NOT NULL, node_id bigint NOT NULL,
	quantity bigint NOT NULL CHECK (quantity > 0), price numeric(14,2) NOT NULL, PRIMARY KEY (order_id, line_no));
CREATE TABLE peer.reservation (reservation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL, sku_id bigint NOT NULL, node_id bigint NOT NULL,
	quantity bigint NOT NULL, expires_at timestamptz NOT NULL);
CREATE INDEX reservation_order ON peer.reservation (order_id);
CREATE INDEX reservation_due ON peer.reservation (expires_at);

INSERT INTO peer.sku SELECT sku_id, code, list_price FROM retail.sku;
INSERT INTO peer.node SELECT node_id, code, point(longitude * cosd(33), latitude), can_ship FROM retail.node;
INSERT INTO peer.stock SELECT sku_id, node_id, on_hand FROM retail.stock;

CREATE FUNCTION peer.place_order(channel text, external_no text, lines jsonb, lat float8, lon float8) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	here point := point(lon * 0.838670567945424, lat);
	l record;
	the_order bigint;
	node bigint;
BEGIN
	SELECT array_agg(x.sku_id) AS skus, array_agg(x.price) AS prices, array_agg(x.qty) AS quantities, sum(x.qty * x.price) AS total, count(*)::int AS n INTO l FROM (
		SELECT k.sku_id, k.price, sum(j.qty)::bigint AS qty FROM jsonb_to_recordset(lines) j (sku text, qty bigint) JOIN peer.sku k ON k.code = j.sku GROUP BY 1, 2 ORDER BY 1) x;
	INSERT INTO peer.sales_order AS o (channel, external_no, status, latitude, longitude, total, placed_at) VALUES (channel, external_no, 'open', lat, lon, l.total, now())
		ON CONFLICT ON CONSTRAINT sales_order_channel_external_no_key DO NOTHING RETURNING o.order_id INTO the_order;
	IF the_order IS NULL THEN		-- a retry
		RETURN (SELECT o.order_id FROM peer.sales_order o WHERE o.channel = $1 AND o.external_no = $2);
	END IF;
	FOR i IN 1 .. l.n LOOP
		LOOP
			SELECT x.node_id INTO node FROM peer.node x CROSS JOIN LATERAL (SELECT FROM peer.stock s WHERE s.sku_id = l.skus[i] AND s.node_id = x.node_id AND s.on_hand - s.reserved >= l.quantities[i] OFFSET 0) s
				WHERE x.can_ship ORDER BY x.place <-> here LIMIT 1;
			IF node IS NULL THEN
				RAISE EXCEPTION 'out of stock: %', l.skus[i];
			END IF;
			-- another buyer may have been faster; then the next nearest
			UPDATE peer.stock s SET reserved = s.reserved + l.quantities[i] WHERE s.sku_id = l.skus[i] AND s.node_id = node AND s.on_hand - s.reserved >= l.quantities[i];
			EXIT WHEN FOUND;
		END LOOP;
		INSERT INTO peer.order_line (order_id, line_no, sku_id, node_id, quantity, price) VALUES (the_order, i, l.skus[i], node, l.quantities[i], l.prices[i]);
		INSERT INTO peer.reservation (order_id, sku_id, node_id, quantity, expires_at) VALUES (the_order, l.skus[i], node, l.quantities[i], now() + interval '30 minutes');
	END LOOP;
	RETURN the_order;
END $$;

-- The same with SELECT ... FOR UPDATE, as most people write it: lock the row, look, then update.
CREATE FUNCTION peer.place_order_for_update(channel text, external_no text, lines jsonb, lat float8, lon float8) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	here point := point(lon * 0.838670567945424, lat);
	l record;
	the_order bigint;
	node bigint;
BEGIN
	SELECT array_agg(x.sku_id) AS skus, array_agg(x.price) AS prices, array_agg(x.qty) AS quantities, sum(x.qty * x.price) AS total, count(*)::int AS n INTO l FROM (
		SELECT k.sku_id, k.price, sum(j.qty)::bigint AS qty FROM jsonb_to_recordset(lines) j (sku text, qty bigint) JOIN peer.sku k ON k.code = j.sku GROUP BY 1, 2 ORDER BY 1) x;
	INSERT INTO peer.sales_order AS o (channel, external_no, status, latitude, longitude, total, placed_at) VALUES (channel, external_no, 'open', lat, lon, l.total, now())
		ON CONFLICT ON CONSTRAINT sales_order_channel_external_no_key DO NOTHING RETURNING o.order_id INTO the_order;
	IF the_order IS NULL THEN
		RETURN (SELECT o.order_id FROM peer.sales_order o WHERE o.channel = $1 AND o.external_no = $2);
	END IF;
	FOR i IN 1 .. l.n LOOP
		LOOP
			SELECT x.node_id INTO node FROM peer.node x CROSS JOIN LATERAL (SELECT FROM peer.stock s WHERE s.sku_id = l.skus[i] AND s.node_id = x.node_id AND s.on_hand - s.reserved >= l.quantities[i] OFFSET 0) s
				WHERE x.can_ship ORDER BY x.place <-> here LIMIT 1;
			IF node IS NULL THEN
				RAISE EXCEPTION 'out of stock: %', l.skus[i];
			END IF;
			PERFORM FROM peer.stock s WHERE s.sku_id = l.skus[i] AND s.node_id = node AND s.on_hand - s.reserved >= l.quantities[i] FOR UPDATE;
			EXIT WHEN FOUND;
		END LOOP;
		UPDATE peer.stock s SET reserved = s.reserved + l.quantities[i] WHERE s.sku_id = l.skus[i] AND s.node_id = node;
		INSERT INTO peer.order_line (order_id, line_no, sku_id, node_id, quantity, price) VALUES (the_order, i, l.skus[i], node, l.quantities[i], l.prices[i]);
		INSERT INTO peer.reservation (order_id, sku_id, node_id, quantity, expires_at) VALUES (the_order, l.skus[i], node, l.quantities[i], now() + interval '30 minutes');
	END LOOP;
	RETURN the_order;
END $$;

-- Units held for a while, by hand: what retail.hold_stock() is measured against.
CREATE TABLE peer.hold (hold_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, hold_key text NOT NULL UNIQUE, expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL);

CREATE FUNCTION peer.hold_stock(hold_key text, lines jsonb, expires_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	the_hold bigint;
	l record;
BEGIN
	INSERT INTO peer.hold AS h (hold_key, expires_at, created_at) VALUES (hold_key, expires_at, now()) ON CONFLICT ON CONSTRAINT hold_hold_key_key DO NOTHING RETURNING h.hold_id INTO the_hold;
	IF the_hold IS NULL THEN
		RETURN (SELECT h.hold_id FROM peer.hold h WHERE h.hold_key = $1);
	END IF;
	FOR l IN SELECT k.sku_id, n.node_id, sum(j.qty)::bigint AS qty FROM jsonb_to_recordset(lines) j (sku text, node text, qty bigint) JOIN peer.sku k ON k.code = j.sku JOIN peer.node n ON n.code = j.node
			GROUP BY 1, 2 ORDER BY 1, 2 LOOP
		INSERT INTO peer.reservation (order_id, sku_id, node_id, quantity, expires_at) VALUES (the_hold, l.sku_id, l.node_id, l.qty, hold_stock.expires_at);
		UPDATE peer.stock s SET reserved = s.reserved + l.qty WHERE s.sku_id = l.sku_id AND s.node_id = l.node_id AND s.on_hand - s.reserved >= l.qty;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'out of stock: %', l.sku_id;
		END IF;
	END LOOP;
	RETURN the_hold;
END $$;

VACUUM (ANALYZE) peer.sku, peer.node, peer.stock;
