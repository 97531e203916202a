/*-------------------------------------------------------------------------
 *
 * order_bundle.c
 *	  An order line for a bundle becomes lines for its components.
 *
 * A component adds to the line of its SKU, whether that is ordered alone, in
 * this bundle or in another, so that demand is checked against stock once per
 * SKU.  The price of the bundle is divided among the components by their list
 * prices, to the cent by largest remainder; what a component costs less than
 * its list price is a discount of its line.  Which units of a line travel with
 * those of others is told by sets (SourcingSet).
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

/* loose: units of the line that are ordered beside its bundles */
static RetailStatement select_groups = {
	"SELECT bundle_sku_id, line_no, quantity / bundles, bundles, components,"
	" (SELECT l.quantity FROM retail.order_line l WHERE l.order_id = x.order_id AND l.line_no = x.line_no)"
	" - (SELECT sum(o.quantity) FROM retail.order_bundle o WHERE o.order_id = x.order_id AND o.line_no = x.line_no)::bigint"
	" FROM (SELECT b.*, count(*) OVER (PARTITION BY bundle_sku_id) AS components FROM retail.order_bundle b WHERE order_id = $1) x"
	" WHERE line_no = ANY ($2) ORDER BY bundle_sku_id, line_no",
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

/* Adds a kind of set to an order; its lines are to be added. */
static SourcingSet *
AddSet(SourcingRequest *sourcing, int64 quantity, int n_lines)
{
	SourcingSet *set = &sourcing->sets[sourcing->n_sets++];

	set->quantity = quantity;
	set->missing = 0;
	set->n_lines = 0;
	set->lines = palloc(sizeof(int) * n_lines);
	set->packs = palloc(sizeof(int64) * n_lines);
	return set;
}

/* Adds units of a line to each set of a kind. */
static void
AddToSet(SourcingRequest *sourcing, SourcingSet *set, int line, int64 pack)
{
	set->lines[set->n_lines] = line;
	set->packs[set->n_lines++] = pack;
	sourcing->lines[line].bound += set->quantity * pack;
}

/* Says which units travel together: those of each bundle. */
static void
MakeSets(SourcingRequest *sourcing, const OrderBundle *bundles, int n_bundles)
{
	sourcing->sets = palloc(sizeof(SourcingSet) * n_bundles);
	for (int b = 0; b < n_bundles; b++)
	{
		const OrderBundle *bundle = &bundles[b];
		SourcingSet *set =
			AddSet(sourcing, bundle->quantity, bundle->n_components);

		for (int i = 0; i < bundle->n_components; i++)
			AddToSet(sourcing, set, bundle->components[i].line,
					 bundle->components[i].quantity);
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
	MakeSets(&order->sourcing, order->bundles, order->n_bundles);
}

/* A row of select_groups: what a bundle that was ordered has of a line. */
typedef struct PlacedComponent
{
	int64 bundle;
	int line; /* of the request */
	int64 pack;
	int64 bundles;
	int64 components; /* of the bundle, sourced now or not */
	int64 loose;	  /* of the line, ordered beside its bundles */
} PlacedComponent;

/* Finds the rows of the first bundle from row first on; returns the end. */
static int
EndOfBundle(const PlacedComponent *rows, int n, int first)
{
	int last = first;

	while (last < n && rows[last].bundle == rows[first].bundle)
		last++;
	return last;
}

/*
 * Puts together what is to be sourced of one bundle: whole bundles first.
 * Where units of it are gone, what is left of a bundle stays together, unless
 * it is of one line; free says what other sets have left of each line.
 */
static void
RegroupBundle(SourcingRequest *sourcing, const PlacedComponent *rows, int n,
			  int64 *free)
{
	int64 sets = rows[0].bundles;
	int64 *rest = palloc0(sizeof(int64) * n);
	int n_rest = 0;
	SourcingSet *set;

	for (int i = 0; i < n; i++)
		sets = Min(sets, free[rows[i].line] / rows[i].pack);
	if (n < rows[0].components && n == 1)
		return; /* the last component travels as it likes */
	if (sets > 0)
	{
		set = AddSet(sourcing, sets, n);
		for (int i = 0; i < n; i++)
		{
			AddToSet(sourcing, set, rows[i].line, rows[i].pack);
			free[rows[i].line] -= sets * rows[i].pack;
		}
	}
	for (int i = 0; i < n; i++)
	{
		rest[i] = Min(free[rows[i].line] - rows[i].loose,
					  (rows[i].bundles - sets) * rows[i].pack);
		n_rest += rest[i] > 0;
	}
	if (n_rest < 2 && (n_rest == 0 || rows[0].components > 1))
		return;
	set = AddSet(sourcing, 1, n_rest);
	for (int i = 0; i < n; i++)
		if (rest[i] > 0)
		{
			AddToSet(sourcing, set, rows[i].line, rest[i]);
			free[rows[i].line] -= rest[i];
		}
}

/*
 * Says which units of an order that was placed travel together, inside an SPI
 * connection.
 */
void
RegroupLines(SourcingRequest *sourcing, int64 order_id)
{
	int64 *line_nos = palloc(sizeof(int64) * Max(sourcing->n_lines, 1));
	int64 *free = palloc(sizeof(int64) * Max(sourcing->n_lines, 1));
	Datum values[2];
	PlacedComponent *rows;
	int n;

	for (int i = 0; i < sourcing->n_lines; i++)
	{
		line_nos[i] = sourcing->lines[i].line_no;
		free[i] = sourcing->lines[i].quantity;
	}
	values[0] = Int64GetDatum(order_id);
	values[1] = RetailInt64Array(line_nos, sourcing->n_lines);
	RetailExecute(&select_groups, values, NULL, false, SPI_OK_SELECT);
	n = (int) SPI_processed;
	rows = palloc0(sizeof(PlacedComponent) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		int64 line_no = RetailCellInt64(i, 2, NULL);

		rows[i].bundle = RetailCellInt64(i, 1, NULL);
		while (line_nos[rows[i].line] != line_no)
			rows[i].line++;
		rows[i].pack = RetailCellInt64(i, 3, NULL);
		rows[i].bundles = RetailCellInt64(i, 4, NULL);
		rows[i].components = RetailCellInt64(i, 5, NULL);
		rows[i].loose = RetailCellInt64(i, 6, NULL);
	}
	/* A bundle may leave whole sets and one that is not. */
	sourcing->sets = palloc(sizeof(SourcingSet) * Max(2 * n, 1));
	sourcing->n_sets = 0;
	for (int first = 0, last; first < n; first = last)
	{
		last = EndOfBundle(rows, n, first);
		RegroupBundle(sourcing, &rows[first], last - first, free);
	}
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
