-- 1_stage.sql: the files of Olist as they are, in schema olist.
DROP SCHEMA IF EXISTS olist CASCADE;
CREATE SCHEMA olist;

CREATE UNLOGGED TABLE olist.customer (customer_id text PRIMARY KEY, customer_unique_id text, zip text, city text, state text);
CREATE UNLOGGED TABLE olist.item (order_id text, item_no int, product_id text, seller_id text, shipping_limit timestamp,
	price numeric, freight_value numeric, PRIMARY KEY (order_id, item_no));
CREATE UNLOGGED TABLE olist."order" (order_id text PRIMARY KEY, customer_id text, status text, purchased timestamp, approved timestamp,
	left_seller timestamp, delivered timestamp, estimated timestamp, sample_sources text);
CREATE UNLOGGED TABLE olist.product (product_id text PRIMARY KEY, category text, name_length int, description_length int, photos int,
	weight_g int, length_cm int, height_cm int, width_cm int);
CREATE UNLOGGED TABLE olist.seller (seller_id text PRIMARY KEY, zip text, city text, state text);
CREATE UNLOGGED TABLE olist.zip (zip text PRIMARY KEY, latitude float8, longitude float8, city text, state text);

-- What the API refused, with its own words: orders, rows of master data, and
-- events in the life of an order.
CREATE TABLE olist.refused (order_id text PRIMARY KEY, sqlstate text, message text, detail text);
CREATE TABLE olist.refused_row (kind text, code text, sqlstate text, message text, detail text);
CREATE TABLE olist.refused_event (order_id text, kind text, at timestamptz, sqlstate text, message text, detail text);
