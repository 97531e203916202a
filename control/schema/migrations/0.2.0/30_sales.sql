-- 0.2.0/30_sales.sql: the parcels of a node on a day are counted against its
-- daily capacity, shipped ones too: an index that serves that and still finds
-- what is open.
DROP INDEX retail.shipment_open;
CREATE INDEX shipment_node ON retail.shipment (node_id, ship_by) WHERE status <> 'cancelled';
