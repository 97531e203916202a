-- 50_forecast.sql: what will be wanted, from any series of numbers.

CREATE FUNCTION retail.forecast(history float8[], horizon int, season int DEFAULT 1, method text DEFAULT 'auto',
	levels float8[] DEFAULT '{0.05,0.25,0.5,0.75,0.95}', non_negative boolean DEFAULT true,
	OUT step int, OUT mean float8, OUT quantiles float8[], OUT model text) RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 20 AS 'MODULE_PATHNAME', 'retail_forecast';
COMMENT ON FUNCTION retail.forecast(float8[], int, int, text, float8[], boolean) IS
'Forecasts a series: one row for each of the next horizon periods, with the expected value, the quantiles at the given levels, and the model that made them. history is oldest first, 0 where nothing was wanted; season is the number of periods after which a pattern repeats (7 for days, 12 for months, 1: none), and is left out of account when the history has not more than two of them. method is auto, naive, seasonal_naive, moving_average, ses, holt, damped, holt_winters_additive, holt_winters_multiplicative, ets, theta, dot, croston, sba, tsb, adida or imapa. Nothing falls below 0 unless non_negative is false. Raises RT016.';

CREATE FUNCTION retail.demand_class(history float8[], OUT class text, OUT adi float8, OUT cv2 float8) RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'retail_demand_class';
COMMENT ON FUNCTION retail.demand_class(float8[]) IS
'Class of a demand by Syntetos, Boylan and Croston: smooth, intermittent, erratic, lumpy, or empty when nothing was ever wanted; adi is the mean number of periods between demands (1.32 or more: intermittent or lumpy), cv2 the squared coefficient of variation of the demands (0.49 or more: erratic or lumpy). Raises RT016.';

GRANT EXECUTE ON FUNCTION retail.forecast(float8[], int, int, text, float8[], boolean), retail.demand_class(float8[]) TO retail_admin, retail_app, retail_store, retail_bi;
