/*-------------------------------------------------------------------------
 *
 * order_bundle.c
 *	  An order line for a bundle becomes lines for its components.
 *
 * A component adds to the line of its SKU, whether that is ordered alone, in
 * this bundle or in another, so that demand is checked against stock once per
 * SKU.  The price of the bundle is divided among the components by their list
 * prices, to the cent by largest remainder; what a component costs less than
 * its list price is a discount of its line.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/order_bundle.h"

#include "catalog/pg_type.h"

static RetailStatement select_components = {
	"SELECT c.bundle_sku_id, c.sku_id, c.quantity, s.code, s.weight_g, s.volume_cm3, s.temperature_class,"
	" coalesce((s.list_price * 100)::bigint, 0), s.is_active"
	" FROM retail.bundle_component c JOIN retail.sku s USING (sku_id) WHERE c.bundle_sku_id = ANY ($1) ORDER BY c.bundle_sku_id, c.sku_id",
	1,
	{INT8ARRAYOID}};

static RetailStatement insert_bundles = {
	"INSERT INTO retail.order_bundle (order_id, bundle_sku_id, line_no, bundles, quantity, amount)"
	" SELECT $1, u.bundle_sku_id, u.line_no, u.bundles, u.quantity, u.amount * 0.01"
	" FROM unnest($2, $3, $4, $5, $6) AS u (bundle_sku_id, line_no, bundles, quantity, amount)",
	6,
	{INT8OID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
	 INT8ARRAYOID}};

/* The last component that is left of a bundle travels as it likes. */
static RetailStatement select_groups = {
	"SELECT bundle_sku_id, line_no, quantity / bundles"
	" FROM (SELECT b.*, count(*) OVER w AS components, count(*) FILTER (WHERE line_no = ANY ($2)) OVER w AS sourced"
	" FROM retail.order_bundle b WHERE order_id = $1 WINDOW w AS (PARTITION BY bundle_sku_id)) x"
	" WHERE line_no = ANY ($2) AND (sourced > 1 OR components = 1) ORDER BY bundle_sku_id, line_no",
	2,
	{INT8OID, INT8ARRAYOID}};

/* Notes a bundle that is ordered, summing lines of one bundle. */
void
AddBundle(OrderRequest *order, const OrderBundle *bundle)
{
	for (int i = 0; i < order->n_bundles; i++)
	{
		OrderBundle *known = &order->bundles[i];

		if (known->sku_id != bundle->sku_id)
			continue;
		if (known->price.unit_price != bundle->price.unit_price)
			ereport(
				ERROR, errcode(RT_INVALID_LINES),
				errmsg("one SKU with two prices"),
				errdetail(
					"Bundle %s is listed at %lld.%02lld and at %lld.%02lld.",
					bundle->sku, (long long) known->price.unit_price / 100,
					(long long) known->price.unit_price % 100,
					(long long) bundle->price.unit_price / 100,
					(long long) bundle->price.unit_price % 100),
				errhint(
					"List a SKU once, or give the difference as a discount."));
		known->quantity += bundle->quantity;
		known->price.discount += bundle->price.discount;
		return;
	}
	order->bundles[order->n_bundles++] = *bundle;
}

/*
 * Divides an amount by weights, by largest remainder; equal remainders go to
 * the first.  The shares sum to the amount.
 */
static void
ShareByWeight(int64 amount, const int64 *weights, int n, int64 *shares)
{
	int128 sum = 0;
	int64 left = amount;
	int128 *remainders = palloc(sizeof(int128) * n);

	for (int i = 0; i < n; i++)
		sum += weights[i];
	for (int i = 0; i < n; i++)
	{
		int128 product = (int128) amount * weights[i];

		shares[i] = sum > 0 ? (int64) (product / sum) : 0;
		remainders[i] = sum > 0 ? product % sum : 0;
		left -= shares[i];
	}
	/* Fewer cents are left than there are shares, unless all weights are 0. */
	for (; left > 0; left--)
	{
		int largest = 0;

		for (int i = 1; i < n; i++)
			if (remainders[i] > remainders[largest])
				largest = i;
		shares[largest] += sum > 0 ? 1 : left;
		remainders[largest] = -1;
		if (sum == 0)
			break;
	}
	pfree(remainders);
}

/* Checks the amounts of a bundle, as CheckTotals() does those of lines. */
static void
CheckBundle(const OrderBundle *bundle)
{
	const OrderLinePrice *price = &bundle->price;

	if (bundle->quantity > RETAIL_MAX_QUANTITY)
		ereport(
			ERROR, errcode(RT_INVALID_QUANTITY),
			errmsg("invalid quantity of SKU %s", bundle->sku),
			errdetail("Its lines sum to %lld.", (long long) bundle->quantity),
			errhint("Give at most 1000000000 units."));
	if (price->unit_price > 0 &&
		bundle->quantity > RETAIL_MAX_CENTS * 10 / price->unit_price)
		ereport(ERROR, errcode(RT_INVALID_MONEY),
				errmsg("amount of SKU %s is too large", bundle->sku),
				errdetail("%lld units are more than an order may be worth.",
						  (long long) bundle->quantity),
				errhint("Divide the order."));
	if (price->discount > bundle->quantity * price->unit_price)
		ereport(
			ERROR, errcode(RT_INVALID_MONEY),
			errmsg("discount of SKU %s exceeds its amount", bundle->sku),
			errdetail("Discount is %lld.%02lld.",
					  (long long) price->discount / 100,
					  (long long) price->discount % 100),
			errhint(
				"A discount is of the whole line and at most quantity times price."));
}

/* Finds the line of a SKU, or adds an empty one; returns its index. */
static int
LineOf(OrderRequest *order, const SourcingLine *component, int64 list_price)
{
	SourcingRequest *s = &order->sourcing;

	for (int i = 0; i < s->n_lines; i++)
		if (s->lines[i].sku_id == component->sku_id)
			return i;
	if (s->n_lines == SOLVER_MAX_LINES)
		ereport(
			ERROR, errcode(RT_INVALID_LINES), errmsg("invalid list of lines"),
			errdetail("The components of its bundles are more than %d SKUs.",
					  SOLVER_MAX_LINES),
			errhint("Divide the order."));
	s->lines = repalloc(s->lines, sizeof(SourcingLine) * (s->n_lines + 1));
	order->prices =
		repalloc(order->prices, sizeof(OrderLinePrice) * (s->n_lines + 1));
	s->lines[s->n_lines] = *component;
	s->lines[s->n_lines].line_no = s->n_lines + 1;
	order->prices[s->n_lines].unit_price = list_price;
	order->prices[s->n_lines].discount = 0;
	return s->n_lines++;
}

/* Adds the units of a component and their share of the money to its line. */
static void
AddToLine(OrderRequest *order, int line, int64 units, int64 amount)
{
	SourcingLine *goods = &order->sourcing.lines[line];
	OrderLinePrice *price = &order->prices[line];
	int64 sum = goods->quantity * price->unit_price - price->discount + amount;

	goods->quantity += units;
	if (goods->quantity > RETAIL_MAX_QUANTITY)
		ereport(ERROR, errcode(RT_INVALID_QUANTITY),
				errmsg("invalid quantity of SKU %s", goods->sku),
				errdetail("Alone and in bundles it sums to %lld.",
						  (long long) goods->quantity),
				errhint("Give at most 1000000000 units."));
	/* No unit price is below what is paid for the units on average. */
	price->unit_price =
		Max(price->unit_price, (sum + goods->quantity - 1) / goods->quantity);
	if (price->unit_price > 0 &&
		goods->quantity > RETAIL_MAX_CENTS * 100 / price->unit_price)
		ereport(ERROR, errcode(RT_INVALID_MONEY),
				errmsg("amount of SKU %s is too large", goods->sku),
				errdetail("%lld units are more than an order may be worth.",
						  (long long) goods->quantity),
				errhint("Divide the order."));
	price->discount = goods->quantity * price->unit_price - sum;
}

/*
 * Reads the components of a bundle from rows first to last - 1 of the last SPI
 * result, which the caller has found, and adds them to their lines.
 */
static void
ExpandBundle(OrderRequest *order, OrderBundle *bundle, int first, int last)
{
	int n = last - first;
	int64 *weights = palloc(sizeof(int64) * n);
	int64 *shares = palloc(sizeof(int64) * n);
	int64 worth = 0;

	CheckBundle(bundle);
	bundle->n_components = n;
	bundle->components = palloc0(sizeof(OrderComponent) * n);
	for (int i = 0; i < n; i++)
	{
		OrderComponent *component = &bundle->components[i];
		SourcingLine line = {0};
		int64 list_price = RetailCellInt64(first + i, 8, NULL);

		line.sku_id = RetailCellInt64(first + i, 2, NULL);
		line.sku = RetailCellText(first + i, 4);
		line.weight_g = RetailCellInt64(first + i, 5, NULL);
		line.volume_cm3 = RetailCellInt64(first + i, 6, NULL);
		line.temperature = TemperatureBits(RetailCellText(first + i, 7));
		if (!RetailCellBool(first + i, 9))
			ereport(
				ERROR, errcode(RT_UNKNOWN_SKU), errmsg("SKU is inactive"),
				errdetail("SKU \"%s\" is a component of bundle \"%s\".",
						  line.sku, bundle->sku),
				errhint(
					"Change the bundle with retail.put_bundle(), or make the SKU active."));
		component->quantity = RetailCellInt64(first + i, 3, NULL);
		if (component->quantity > RETAIL_MAX_QUANTITY / bundle->quantity)
			ereport(ERROR, errcode(RT_INVALID_QUANTITY),
					errmsg("invalid quantity of SKU %s", bundle->sku),
					errdetail("%lld bundles of %lld units of %s are too many.",
							  (long long) bundle->quantity,
							  (long long) component->quantity, line.sku),
					errhint("Give at most 1000000000 units."));
		component->line = LineOf(order, &line, list_price);
		weights[i] = component->quantity * list_price;
		worth += weights[i];
	}
	for (int i = 0; i < n && worth == 0; i++)
		weights[i] = bundle->components[i].quantity;
	ShareByWeight(bundle->quantity * bundle->price.unit_price -
					  bundle->price.discount,
				  weights, n, shares);
	for (int i = 0; i < n; i++)
	{
		bundle->components[i].amount = shares[i];
		AddToLine(order, bundle->components[i].line,
				  bundle->components[i].quantity * bundle->quantity, shares[i]);
	}
	pfree(weights);
	pfree(shares);
}

/*
 * Says which lines travel together: those that bundles connect.  When a group
 * is one bundle and nothing else, each bundle may go its own way, else all
 * that is ordered of these SKUs stays together.
 */
void
GroupLines(SourcingRequest *sourcing, const OrderBundle *bundles, int n_bundles)
{
	SourcingLine *lines = sourcing->lines;

	for (int b = 0; b < n_bundles; b++)
	{
		const OrderBundle *bundle = &bundles[b];
		bool whole = true;
		int group = b + 1;

		for (int i = 0; i < bundle->n_components; i++)
		{
			const OrderComponent *component = &bundle->components[i];
			SourcingLine *line = &lines[component->line];
			int joined = line->group;

			whole = whole && joined == 0 &&
				line->quantity == component->quantity * bundle->quantity;
			line->group = group;
			line->pack = component->quantity;
			for (int j = 0; j < sourcing->n_lines && joined > 0; j++)
				if (lines[j].group == joined)
					lines[j].group = group;
		}
		for (int i = 0; i < sourcing->n_lines && !whole; i++)
			if (lines[i].group == group)
				lines[i].pack = lines[i].quantity;
	}
}

/* Turns the bundles of an order into lines, inside an SPI connection. */
void
ExpandBundles(OrderRequest *order, bool read_only)
{
	int64 *sku_ids;
	Datum values[1];

	sku_ids = palloc(sizeof(int64) * order->n_bundles);
	for (int i = 0; i < order->n_bundles; i++)
		sku_ids[i] = order->bundles[i].sku_id;
	values[0] = RetailInt64Array(sku_ids, order->n_bundles);
	RetailExecute(&select_components, values, NULL, read_only, SPI_OK_SELECT);
	for (int i = 0; i < order->n_bundles; i++)
	{
		int first = 0;
		int last;

		while (first < (int) SPI_processed &&
			   RetailCellInt64(first, 1, NULL) != order->bundles[i].sku_id)
			first++;
		for (last = first; last < (int) SPI_processed &&
			 RetailCellInt64(last, 1, NULL) == order->bundles[i].sku_id;
			 last++)
			;
		if (first == last)
			ereport(ERROR, errcode(RT_INVALID_LINES),
					errmsg("a bundle without components"),
					errdetail("SKU \"%s\" is a bundle of nothing.",
							  order->bundles[i].sku),
					errhint("Name them with retail.put_bundle()."));
		ExpandBundle(order, &order->bundles[i], first, last);
	}
	GroupLines(&order->sourcing, order->bundles, order->n_bundles);
}

/*
 * Says which lines of an order that was placed travel together, inside an SPI
 * connection.  Where units of a bundle are gone, no whole bundles are left:
 * what is left of it stays together.
 */
void
RegroupLines(SourcingRequest *sourcing, int64 order_id)
{
	int64 *line_nos = palloc(sizeof(int64) * Max(sourcing->n_lines, 1));
	Datum values[2];
	OrderBundle *bundles;
	int n = 0;

	for (int i = 0; i < sourcing->n_lines; i++)
		line_nos[i] = sourcing->lines[i].line_no;
	values[0] = Int64GetDatum(order_id);
	values[1] = RetailInt64Array(line_nos, sourcing->n_lines);
	RetailExecute(&select_groups, values, NULL, false, SPI_OK_SELECT);
	bundles = palloc0(sizeof(OrderBundle) * (SPI_processed + 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64 sku_id = RetailCellInt64(row, 1, NULL);
		int64 line_no = RetailCellInt64(row, 2, NULL);
		OrderComponent component = {0, RetailCellInt64(row, 3, NULL), 0};
		OrderBundle *bundle;

		while (line_nos[component.line] != line_no)
			component.line++;
		if (n == 0 || bundles[n - 1].sku_id != sku_id)
		{
			bundles[n].sku_id = sku_id;
			bundles[n].components =
				palloc(sizeof(OrderComponent) * SPI_processed);
			/* As many as this line has; GroupLines() sees if others differ. */
			bundles[n++].quantity =
				sourcing->lines[component.line].quantity / component.quantity;
		}
		bundle = &bundles[n - 1];
		bundle->components[bundle->n_components++] = component;
	}
	GroupLines(sourcing, bundles, n);
}

/* Writes down which lines of an order come from which bundles. */
void
WriteOrderBundles(const OrderRequest *order, int64 order_id)
{
	int64 *columns[5];
	Datum values[6];
	int n = 0;

	for (int i = 0; i < order->n_bundles; i++)
		n += order->bundles[i].n_components;
	for (int c = 0; c < 5; c++)
		columns[c] = palloc(sizeof(int64) * n);
	n = 0;
	for (int i = 0; i < order->n_bundles; i++)
	{
		const OrderBundle *bundle = &order->bundles[i];

		for (int j = 0; j < bundle->n_components; j++, n++)
		{
			const OrderComponent *component = &bundle->components[j];

			columns[0][n] = bundle->sku_id;
			columns[1][n] = component->line + 1;
			columns[2][n] = bundle->quantity;
			columns[3][n] = component->quantity * bundle->quantity;
			columns[4][n] = component->amount;
		}
	}
	values[0] = Int64GetDatum(order_id);
	for (int c = 0; c < 5; c++)
		values[c + 1] = RetailInt64Array(columns[c], n);
	RetailExecute(&insert_bundles, values, NULL, false, SPI_OK_INSERT);
}
