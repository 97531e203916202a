-- 0.2.0/42_allocation_shadow.sql: what shadow policies would have done.

-- Written in the transaction that decides; a row of its own for each shadow
-- policy of the order's channel.  No foreign keys: it is written with each
-- order, and stays when a policy is taken away.
CREATE TABLE retail.allocation_shadow (
	order_id			bigint NOT NULL,
	decided_at			timestamptz NOT NULL,
	policy_id			bigint NOT NULL,
	acting_policy_id	bigint NOT NULL,
	status				text NOT NULL CHECK (status IN ('planned', 'no_plan', 'failed')),
	reason				text,
	same_plan			boolean NOT NULL DEFAULT false,
	cost				numeric(14,2),
	acting_plan_cost	numeric(14,2),
	cost_by_acting		numeric(14,2),
	acting_plan_cost_by_acting numeric(14,2) NOT NULL,
	n_parcels			integer,
	acting_parcels		integer NOT NULL,
	freight				numeric(14,2),
	acting_freight		numeric(14,2) NOT NULL,
	promised_at			timestamptz,
	acting_promised_at	timestamptz NOT NULL,
	nodes				text[],
	PRIMARY KEY (order_id, decided_at, policy_id),
	CHECK ((status = 'planned') = (num_nulls(cost, acting_plan_cost, cost_by_acting, n_parcels, freight, promised_at, nodes) = 0)),
	CHECK ((status = 'planned') = (reason IS NULL))
);
COMMENT ON TABLE retail.allocation_shadow IS 'What a shadow policy would have decided for an order, on the same stock, and what was done.';
COMMENT ON COLUMN retail.allocation_shadow.order_id IS 'The order.';
COMMENT ON COLUMN retail.allocation_shadow.decided_at IS 'When it was decided; as in allocation_decision.';
COMMENT ON COLUMN retail.allocation_shadow.policy_id IS 'The shadow policy.';
COMMENT ON COLUMN retail.allocation_shadow.acting_policy_id IS 'The policy that decided.';
COMMENT ON COLUMN retail.allocation_shadow.status IS 'planned, no_plan (its limits forbid every plan) or failed.';
COMMENT ON COLUMN retail.allocation_shadow.reason IS 'Why there is no plan; null: there is.';
COMMENT ON COLUMN retail.allocation_shadow.same_plan IS 'It would have sent the same from the same nodes by the same services.';
COMMENT ON COLUMN retail.allocation_shadow.cost IS 'Its plan, by its own weights.';
COMMENT ON COLUMN retail.allocation_shadow.acting_plan_cost IS 'The plan that was done, by the weights of the shadow.';
COMMENT ON COLUMN retail.allocation_shadow.cost_by_acting IS 'Its plan, by the weights of the acting policy.';
COMMENT ON COLUMN retail.allocation_shadow.acting_plan_cost_by_acting IS 'The plan that was done, by the weights of the acting policy.';
COMMENT ON COLUMN retail.allocation_shadow.n_parcels IS 'Parcels of its plan.';
COMMENT ON COLUMN retail.allocation_shadow.acting_parcels IS 'Parcels of the plan that was done.';
COMMENT ON COLUMN retail.allocation_shadow.freight IS 'Freight of its plan by rate card.';
COMMENT ON COLUMN retail.allocation_shadow.acting_freight IS 'Freight of the plan that was done.';
COMMENT ON COLUMN retail.allocation_shadow.promised_at IS 'When its last parcel would arrive.';
COMMENT ON COLUMN retail.allocation_shadow.acting_promised_at IS 'When the last parcel of the plan that was done arrives.';
COMMENT ON COLUMN retail.allocation_shadow.nodes IS 'Codes of the nodes of its parcels, in order of the plan.';

ALTER TABLE retail.allocation_shadow ENABLE ROW LEVEL SECURITY;
CREATE POLICY allocation_shadow_chain ON retail.allocation_shadow FOR SELECT TO retail_admin, retail_app, retail_service, retail_bi USING (true);
GRANT SELECT ON retail.allocation_shadow TO retail_admin, retail_app, retail_service, retail_bi;

CREATE VIEW retail_bi.policy_comparison WITH (security_invoker = true) AS
SELECT p.code || '@' || p.version AS policy, a.code || '@' || a.version AS acting_policy, count(*) AS decisions,
	count(*) FILTER (WHERE s.status <> 'planned') AS without_plan,
	round(avg(s.same_plan::int) FILTER (WHERE s.status = 'planned'), 4) AS same_plan_share,
	round(avg(s.n_parcels), 4) AS parcels, round(avg(s.acting_parcels) FILTER (WHERE s.status = 'planned'), 4) AS acting_parcels,
	round(avg(s.freight), 4) AS freight, round(avg(s.acting_freight) FILTER (WHERE s.status = 'planned'), 4) AS acting_freight,
	round(avg(extract(epoch FROM s.promised_at - s.decided_at) / 3600), 2) AS promise_hours,
	round(avg(extract(epoch FROM s.acting_promised_at - s.decided_at) / 3600) FILTER (WHERE s.status = 'planned'), 2) AS acting_promise_hours,
	round(avg(s.cost), 4) AS cost, round(avg(s.acting_plan_cost), 4) AS acting_plan_cost,
	round(avg(s.cost_by_acting), 4) AS cost_by_acting, round(avg(s.acting_plan_cost_by_acting) FILTER (WHERE s.status = 'planned'), 4) AS acting_plan_cost_by_acting
FROM retail.allocation_shadow s JOIN retail.allocation_policy p ON p.policy_id = s.policy_id JOIN retail.allocation_policy a ON a.policy_id = s.acting_policy_id
GROUP BY p.code, p.version, a.code, a.version;
COMMENT ON VIEW retail_bi.policy_comparison IS 'Shadow policies beside those that acted, over the decisions for which both have a plan: means of each.';
COMMENT ON COLUMN retail_bi.policy_comparison.policy IS 'The shadow: code@version.';
COMMENT ON COLUMN retail_bi.policy_comparison.acting_policy IS 'The policy that decided: code@version.';
COMMENT ON COLUMN retail_bi.policy_comparison.decisions IS 'Decisions at which both were asked.';
COMMENT ON COLUMN retail_bi.policy_comparison.without_plan IS 'Those for which the shadow has no plan; they are in no other figure.';
COMMENT ON COLUMN retail_bi.policy_comparison.same_plan_share IS 'Share, 0 to 1, of decisions in which both do the same.';
COMMENT ON COLUMN retail_bi.policy_comparison.parcels IS 'Parcels of a decision of the shadow.';
COMMENT ON COLUMN retail_bi.policy_comparison.acting_parcels IS 'Parcels of a decision as done.';
COMMENT ON COLUMN retail_bi.policy_comparison.freight IS 'Freight of a decision of the shadow.';
COMMENT ON COLUMN retail_bi.policy_comparison.acting_freight IS 'Freight of a decision as done.';
COMMENT ON COLUMN retail_bi.policy_comparison.promise_hours IS 'Hours from the decision to the last parcel, of the shadow.';
COMMENT ON COLUMN retail_bi.policy_comparison.acting_promise_hours IS 'Hours from the decision to the last parcel, as done.';
COMMENT ON COLUMN retail_bi.policy_comparison.cost IS 'Cost of the shadow''s plan by its own weights.';
COMMENT ON COLUMN retail_bi.policy_comparison.acting_plan_cost IS 'Cost of what was done by the weights of the shadow.';
COMMENT ON COLUMN retail_bi.policy_comparison.cost_by_acting IS 'Cost of the shadow''s plan by the weights of the acting policy.';
COMMENT ON COLUMN retail_bi.policy_comparison.acting_plan_cost_by_acting IS 'Cost of what was done by the weights of the acting policy.';
GRANT SELECT ON retail_bi.policy_comparison TO retail_admin, retail_bi;
