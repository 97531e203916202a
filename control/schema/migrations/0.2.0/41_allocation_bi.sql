-- 0.2.0/41_allocation_bi.sql: what was promised of the capacity of nodes, and
-- lanes that nobody has a price for.

CREATE VIEW retail_bi.node_capacity WITH (security_invoker = true) AS
SELECT n.code AS node, (s.ship_by AT TIME ZONE n.time_zone)::date AS day, n.daily_capacity AS capacity, count(*)::integer AS promised,
	greatest(n.daily_capacity - count(*), 0)::integer AS room, greatest(count(*) - n.daily_capacity, 0)::integer AS over_promised
FROM retail.node n JOIN retail.shipment s USING (node_id)
WHERE n.daily_capacity IS NOT NULL AND s.ship_by IS NOT NULL AND s.status <> 'cancelled'
GROUP BY n.node_id, n.code, n.daily_capacity, 2;
COMMENT ON VIEW retail_bi.node_capacity IS 'Parcels of the nodes that have a daily capacity, by the local day on which they leave; days without parcels have no row.';
COMMENT ON COLUMN retail_bi.node_capacity.node IS 'Code of the node.';
COMMENT ON COLUMN retail_bi.node_capacity.day IS 'Local date of the node.';
COMMENT ON COLUMN retail_bi.node_capacity.capacity IS 'Parcels that the node takes on a day, as it is set now.';
COMMENT ON COLUMN retail_bi.node_capacity.promised IS 'Parcels that leave, or left, on that day; cancelled ones have given their place back.';
COMMENT ON COLUMN retail_bi.node_capacity.room IS 'Parcels that can still be promised for that day.';
COMMENT ON COLUMN retail_bi.node_capacity.over_promised IS 'Parcels beyond the capacity, which was lowered after they were promised.';

CREATE VIEW retail_bi.lanes_without_rates WITH (security_invoker = true) AS
WITH used AS (
	SELECT l.carrier_service_id, c.code AS carrier_service, l.zone, count(*)::integer AS lanes
	FROM retail.lane l JOIN retail.carrier_service c USING (carrier_service_id) WHERE l.is_active AND c.is_active
	GROUP BY l.carrier_service_id, c.code, l.zone
), period AS (			-- each card, and what lies between it and the next
	SELECT u.carrier_service, u.zone, u.lanes, r.valid_to AS begins_at,
		coalesce(lead(r.valid_from) OVER (PARTITION BY u.carrier_service_id, u.zone ORDER BY r.valid_from), 'infinity') AS ends_at
	FROM used u JOIN retail.rate_card r USING (carrier_service_id, zone)
	UNION ALL
	SELECT u.carrier_service, u.zone, u.lanes, '-infinity', coalesce((SELECT min(r.valid_from) FROM retail.rate_card r
		WHERE r.carrier_service_id = u.carrier_service_id AND r.zone = u.zone), 'infinity')
	FROM used u
)
SELECT carrier_service, zone, lanes, begins_at, ends_at FROM period WHERE begins_at < ends_at AND ends_at > now();
COMMENT ON VIEW retail_bi.lanes_without_rates IS 'When lanes in use have no rate card, now or later: they then carry nothing.';
COMMENT ON COLUMN retail_bi.lanes_without_rates.carrier_service IS 'Code of the carrier service.';
COMMENT ON COLUMN retail_bi.lanes_without_rates.zone IS 'Zone that the lanes name.';
COMMENT ON COLUMN retail_bi.lanes_without_rates.lanes IS 'Number of active lanes of that service and zone.';
COMMENT ON COLUMN retail_bi.lanes_without_rates.begins_at IS 'From when on there is no rate card; -infinity: there never was.';
COMMENT ON COLUMN retail_bi.lanes_without_rates.ends_at IS 'When the next rate card begins; infinity: none does.';

GRANT SELECT ON retail_bi.node_capacity, retail_bi.lanes_without_rates TO retail_admin, retail_bi;
