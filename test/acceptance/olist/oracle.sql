-- oracle.sql: orders of Olist on the opening stock, quoted by retail.quote_order() and stated by plain SQL (test/oracle/statement.sql).
-- Prints the instances, one a line. Orders with several items come first: of those there are few.
--
-- psql variables: n orders
SET jit = off;
SELECT oracle.statement(row_number() OVER (), oracle.quote('olist', r.lines, r.destination, r.as_of), 'olist', r.lines, r.destination, r.as_of)
FROM (SELECT q.* FROM olist.request q JOIN retail.region z ON z.code = q.destination ->> 'region'
	WHERE jsonb_array_length(q.lines) BETWEEN 1 AND 24 AND NOT EXISTS (SELECT FROM jsonb_array_elements(q.lines) l WHERE NOT EXISTS (SELECT FROM retail.sku k WHERE k.code = l ->> 'sku'))
	ORDER BY jsonb_array_length(q.lines) DESC, md5(q.order_id) LIMIT :n) r;
