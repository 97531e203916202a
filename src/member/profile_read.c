/*-------------------------------------------------------------------------
 *
 * profile_read.c
 *	  Reads accounts, orders and events of everybody or of some people into
 *	  compact arrays, in the order in which profiles are made.
 *
 * Rows go from the executor straight into the arrays, through a receiver of
 * our own: no result is kept in between.  All are read by one snapshot, which
 * the caller has pushed.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/profile_run.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "compat.h"

#define NAME_BITS                                                              \
	"(coalesce(a.full_name, a.surname, a.given_name) IS NOT NULL)::int"        \
	" + (a.birth_date IS NOT NULL)::int * 2 + (a.gender IS NOT NULL)::int * 4" \
	" + (coalesce(a.address, a.city, a.region, a.postcode) IS NOT NULL)::int * 8"
#define ACCOUNT_COLUMNS "a.registered_at, a.time_zone, " NAME_BITS
#define IDENTIFIER_BITS                                                           \
	"CASE i.type WHEN 'phone' THEN 16 + CASE WHEN i.verified THEN 128 ELSE 0 END" \
	" WHEN 'email' THEN 32 + CASE WHEN i.verified THEN 256 ELSE 0 END ELSE 0 END" \
	" + CASE WHEN i.verified THEN 64 ELSE 0 END"
#define ORDER_COLUMNS                                                                                                \
	"SELECT o.order_id, o.member_id, o.channel_id, o.placed_at,"                                                     \
	" ((o.total - o.freight_total - (o.cancelled_amount - o.freight_cancelled) - o.returned_amount) * 100)::bigint," \
	" CASE WHEN o.fulfilment <> 'ship' THEN o.pick_up_node_id END, o.region_id"                                      \
	" FROM retail.sales_order o WHERE "
/* Bought is what is paid, or will be at the door, and of which something is kept. */
#define ORDER_FILTER                                                                                    \
	" AND o.placed_at <= $1 AND o.status <> 'cancelled' AND o.payment_state IN ('paid', 'on_delivery')" \
	" AND o.total - o.freight_total - (o.cancelled_amount - o.freight_cancelled) - o.returned_amount > 0"
#define LINE_COLUMNS                                       \
	"SELECT l.order_id, l.sku_id FROM retail.order_line l" \
	" WHERE l.quantity - l.cancelled - l.returned > 0"
#define EVENT_COLUMNS \
	"SELECT e.account_id, e.happened_at, e.category_id, e.kind FROM retail.event e WHERE "

/* Each is read of everybody, or of some: the second of two statements. */
static RetailStatement read_members = {
	"SELECT DISTINCT coalesce(l.member_id, m.id) FROM unnest($1) AS m (id) LEFT JOIN retail.member_link l ON l.account_id = m.id ORDER BY 1",
	1,
	{INT8ARRAYOID},
	NULL,
	true};

static RetailStatement read_accounts[2] = {
	{"SELECT a.account_id, coalesce(l.member_id, a.account_id), " ACCOUNT_COLUMNS
	 " FROM retail.account a LEFT JOIN retail.member_link l ON l.account_id = a.account_id WHERE a.erased_at IS NULL",
	 0,
	 {0}},
	{"SELECT a.account_id, x.member_id, " ACCOUNT_COLUMNS
	 " FROM (SELECT m.id AS account_id, m.id AS member_id FROM unnest($1) AS m (id)"
	 " UNION ALL SELECT l.account_id, l.member_id FROM retail.member_link l WHERE l.member_id = ANY ($1)) x"
	 " JOIN retail.account a ON a.account_id = x.account_id WHERE a.erased_at IS NULL",
	 1,
	 {INT8ARRAYOID},
	 NULL,
	 true}};

static RetailStatement read_identifiers[2] = {
	{"SELECT i.account_id, " IDENTIFIER_BITS
	 " FROM retail.identifier i WHERE i.valid_to = 'infinity'",
	 0,
	 {0}},
	{"SELECT i.account_id, " IDENTIFIER_BITS
	 " FROM retail.identifier i WHERE i.account_id = ANY ($1) AND i.valid_to = 'infinity'",
	 1,
	 {INT8ARRAYOID},
	 NULL,
	 true}};

/* As consent_of() has it: of a channel and of any the later word counts. */
#define CONSENT_COLUMNS                                                                                                                       \
	"SELECT c.account_id, c.purpose, c.channel,"                                                                                              \
	" CASE WHEN d.changed_at > c.changed_at THEN d.granted WHEN d.changed_at = c.changed_at THEN c.granted AND d.granted ELSE c.granted END," \
	" CASE WHEN c.channel = 'any' THEN EXISTS (SELECT FROM retail.consent x WHERE x.account_id = c.account_id AND x.purpose = c.purpose"      \
	" AND NOT x.granted) ELSE false END"                                                                                                      \
	" FROM retail.consent c LEFT JOIN retail.consent d ON d.account_id = c.account_id AND d.purpose = c.purpose AND d.channel = 'any'"

static RetailStatement read_consents[2] = {{CONSENT_COLUMNS, 0, {0}},
										   {CONSENT_COLUMNS
											" WHERE c.account_id = ANY ($1)",
											1,
											{INT8ARRAYOID},
											NULL,
											true}};

static RetailStatement read_orders[2] = {
	{ORDER_COLUMNS "o.member_id IS NOT NULL" ORDER_FILTER, 1, {TIMESTAMPTZOID}},
	{ORDER_COLUMNS "o.member_id = ANY ($2)" ORDER_FILTER,
	 2,
	 {TIMESTAMPTZOID, INT8ARRAYOID},
	 NULL,
	 true}};

/* Of everybody the SKU, which is looked up in memory; of some its category. */
static RetailStatement read_lines[2] = {
	{LINE_COLUMNS, 0, {0}},
	{"SELECT l.order_id, k.category_id FROM retail.order_line l JOIN retail.sku k ON k.sku_id = l.sku_id"
	 " WHERE l.quantity - l.cancelled - l.returned > 0 AND l.order_id = ANY ($1) AND k.category_id IS NOT NULL",
	 1,
	 {INT8ARRAYOID},
	 NULL,
	 true}};

static RetailStatement read_events[2] = {
	{EVENT_COLUMNS "e.account_id IS NOT NULL AND e.happened_at <= $1",
	 1,
	 {TIMESTAMPTZOID}},
	{EVENT_COLUMNS "e.account_id = ANY ($2) AND e.happened_at <= $1",
	 2,
	 {TIMESTAMPTZOID, INT8ARRAYOID},
	 NULL,
	 true}};

static RetailStatement read_rules = {
	"SELECT r.stage, r.counted_from, r.below_days, r.most_orders FROM retail.life_cycle_rule r ORDER BY r.position",
	0,
	{0}};
static RetailStatement read_kinds = {
	"SELECT w.kind, w.weight::float8 FROM retail.affinity_weight w ORDER BY w.kind",
	0,
	{0}};
static RetailStatement read_settings = {
	"SELECT s.half_life_days, s.horizon_days, s.time_zone FROM retail.profile_setting s",
	0,
	{0}};
static RetailStatement read_nodes = {
	"SELECT n.node_id, n.region_id, n.time_zone FROM retail.node n", 0, {0}};
static RetailStatement read_skus = {
	"SELECT k.sku_id, k.category_id FROM retail.sku k WHERE k.category_id IS NOT NULL",
	0,
	{0}};

/* ---- arrays and receivers ---- */

/* Adds an item, which is to be filled in. */
void *
ProfileArrayAdd(ProfileArray *array)
{
	if (array->n == array->room)
	{
		array->room = Max(array->room * 2, 64);
		array->items = array->items == NULL
			? MemoryContextAllocHuge(CurrentMemoryContext,
									 array->room * array->size)
			: repalloc_huge(array->items, array->room * array->size);
	}
	return (char *) array->items + array->size * array->n++;
}

/*
 * From here on plans are made for few rows, which are found by indexes.  A plan
 * that was kept since the tables were small would read them whole.  Returns
 * the level for AtEOXact_GUC().
 */
int
ProfileByIndex(void)
{
	static const char *const ways[] = {"enable_seqscan", "enable_hashjoin",
									   "enable_mergejoin"};
	int level = NewGUCNestLevel();

	for (size_t i = 0; i < lengthof(ways); i++)
		(void) set_config_option(ways[i], "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

typedef void (*RowHandler)(ProfileRun *run, TupleTableSlot *slot);

typedef struct RowReceiver
{
	DestReceiver pub;
	ProfileRun *run;
	RowHandler handle;
} RowReceiver;

static bool
ReceiveRow(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->run->context);

	slot_getallattrs(slot);
	receiver->handle(receiver->run, slot);
	MemoryContextSwitchTo(old);
	return true;
}

static void
StartReceiver(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
EndReceiver(DestReceiver *self)
{
}

/* Hands every row of a statement to a handler. */
static void
ReadRows(ProfileRun *run, RetailStatement *statement, const Datum *values,
		 RowHandler handle)
{
	RowReceiver receiver = {
		{ReceiveRow, StartReceiver, EndReceiver, EndReceiver, DestTuplestore},
		run,
		handle};
	SPIExecuteOptions options = {0};
	int code;

	if (statement->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare_cursor(
			statement->sql, statement->nargs, statement->argtypes,
			statement->generic ? CURSOR_OPT_GENERIC_PLAN : 0);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
				 SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	options.params = makeParamList(statement->nargs);
	for (int i = 0; i < statement->nargs; i++)
	{
		/* Callers give as many as nargs.  NOLINTNEXTLINE(clang-analyzer-core.*) */
		options.params->params[i].value = values ? values[i] : (Datum) 0;
		options.params->params[i].isnull = false;
		options.params->params[i].pflags = PARAM_FLAG_CONST;
		options.params->params[i].ptype = statement->argtypes[i];
	}
	options.read_only = true;
	options.dest = &receiver.pub;
	code = SPI_execute_plan_extended(statement->plan, &options);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "unexpected result %s of \"%s\"",
			 SPI_result_code_string(code), statement->sql);
}

#define INT64(slot, i) DatumGetInt64((slot)->tts_values[i])
#define INT64_OR_0(slot, i) \
	((slot)->tts_isnull[i] ? 0 : DatumGetInt64((slot)->tts_values[i]))

/* Is a text that? */
static bool
TextIs(Datum value, const char *word)
{
	text *t = DatumGetTextPP(value);
	size_t length = VARSIZE_ANY_EXHDR(t);

	return strlen(word) == length && memcmp(VARDATA_ANY(t), word, length) == 0;
}

/* ---- settings ---- */

static void
TakeRule(ProfileRun *run, TupleTableSlot *slot)
{
	ProfileRule *rule =
		unconstify(ProfileRule *, run->settings.rules) + run->settings.n_rules;

	if (run->settings.n_rules == 100)
		return;
	rule->counted_from = TextIs(slot->tts_values[1], "registration")
		? FROM_REGISTRATION
		: TextIs(slot->tts_values[1], "purchase") ? FROM_PURCHASE
												  : FROM_ACTIVITY;
	rule->below_days =
		slot->tts_isnull[2] ? 0 : DatumGetInt32(slot->tts_values[2]);
	rule->most_orders =
		slot->tts_isnull[3] ? -1 : DatumGetInt32(slot->tts_values[3]);
	run->stages[run->settings.n_rules++] =
		TextDatumGetCString(slot->tts_values[0]);
}

static void
TakeKind(ProfileRun *run, TupleTableSlot *slot)
{
	char *kind = TextDatumGetCString(slot->tts_values[0]);
	float weight = (float) DatumGetFloat8(slot->tts_values[1]);

	if (strcmp(kind, "bought_store") == 0)
		run->bought_store = weight;
	else if (strcmp(kind, "bought_online") == 0)
		run->bought_online = weight;
	run->kinds = run->kinds == NULL
		? palloc(sizeof(ProfileKind))
		: repalloc(run->kinds, sizeof(ProfileKind) * (run->n_kinds + 1));
	run->kinds[run->n_kinds++] = (ProfileKind){kind, weight};
}

static void
TakeSettings(ProfileRun *run, TupleTableSlot *slot)
{
	char *zone = TextDatumGetCString(slot->tts_values[2]);

	run->settings.half_life =
		DatumGetFloat8(slot->tts_values[0]) * (double) PROFILE_DAY;
	run->horizon_days = DatumGetInt32(slot->tts_values[1]);
	run->zone = pg_tzset(zone);
	if (run->zone == NULL)
		ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
				errmsg("unknown time zone of the chain"),
				errdetail("It is \"%s\".", zone),
				errhint("Correct it with retail.put_profile_setting()."));
}

static void
TakeNode(ProfileRun *run, TupleTableSlot *slot)
{
	int64 node_id = INT64(slot, 0);
	ProfileNode *node = hash_search(run->nodes, &node_id, HASH_ENTER, NULL);

	node->region_id = INT64_OR_0(slot, 1);
	node->zone = pg_tzset(TextDatumGetCString(slot->tts_values[2]));
}

static void
TakeSku(ProfileRun *run, TupleTableSlot *slot)
{
	int64 sku_id = INT64(slot, 0);
	ProfileSku *sku = hash_search(run->skus, &sku_id, HASH_ENTER, NULL);

	sku->category_id = INT64(slot, 1);
}

static HTAB *
MakeTable(ProfileRun *run, const char *name, Size entry)
{
	HASHCTL control = {
		.keysize = sizeof(int64), .entrysize = entry, .hcxt = run->context};

	return hash_create(name, 1024, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Reads rules, weights and what is named by orders. */
void
ProfileReadSettings(ProfileRun *run)
{
	run->settings.rules = palloc0(sizeof(ProfileRule) * 100);
	run->stages = palloc0(sizeof(char *) * 100);
	run->nodes = MakeTable(run, "pg_retail nodes", sizeof(ProfileNode));
	ReadRows(run, &read_settings, NULL, TakeSettings);
	ReadRows(run, &read_rules, NULL, TakeRule);
	ReadRows(run, &read_kinds, NULL, TakeKind);
	ReadRows(run, &read_nodes, NULL, TakeNode);
	if (run->settings.n_rules == 0 || run->zone == NULL)
		elog(ERROR, "life_cycle_rule or profile_setting is empty");
}

/* ---- people ---- */

static int
CompareAccounts(const void *a, const void *b)
{
	int64 p = ((const ProfileAccount *) a)->account_id;
	int64 q = ((const ProfileAccount *) b)->account_id;

	return p < q ? -1 : p > q;
}

static void
TakeMember(ProfileRun *run, TupleTableSlot *slot)
{
	run->members[run->n_members++] = INT64(slot, 0);
}

static void
TakeAccount(ProfileRun *run, TupleTableSlot *slot)
{
	ProfileAccount *account = ProfileArrayAdd(&run->accounts);

	memset(account, 0, sizeof(*account));
	account->account_id = INT64(slot, 0);
	account->member_id = INT64(slot, 1);
	account->registered_at = DatumGetTimestampTz(slot->tts_values[2]);
	if (!slot->tts_isnull[3])
	{
		char *zone = TextDatumGetCString(slot->tts_values[3]);

		account->zone = pg_tzset(zone);
		pfree(zone);
	}
	account->known = DatumGetInt32(slot->tts_values[4]);
}

/* Finds an account that is read; NULL: it is not one of them. */
static ProfileAccount *
FindAccount(ProfileRun *run, int64 account_id)
{
	ProfileAccount key = {.account_id = account_id};
	ProfileAccount *items = run->accounts.items;
	size_t n = run->accounts.n;

	/* Mostly they are numbered without a gap. */
	if (n > 0 && account_id >= items[0].account_id &&
		account_id - items[0].account_id < (int64) n &&
		items[account_id - items[0].account_id].account_id == account_id)
		return &items[account_id - items[0].account_id];
	return n == 0 ? NULL
				  : bsearch(&key, items, n, sizeof(*items), CompareAccounts);
}

static void
TakeIdentifier(ProfileRun *run, TupleTableSlot *slot)
{
	ProfileAccount *account = FindAccount(run, INT64(slot, 0));

	if (account != NULL)
		account->known |= DatumGetInt32(slot->tts_values[1]);
}

static void
TakeConsent(ProfileRun *run, TupleTableSlot *slot)
{
	ProfileAccount *account = FindAccount(run, INT64(slot, 0));
	int i = 0;

	if (account == NULL)
		return;
	while (i < run->n_consents &&
		   !(TextIs(slot->tts_values[1], run->consents[i].purpose) &&
			 TextIs(slot->tts_values[2], run->consents[i].channel)))
		i++;
	if (i == MAX_CONSENTS)
		return;
	if (i == run->n_consents)
		run->consents[run->n_consents++] =
			(ProfileConsent){TextDatumGetCString(slot->tts_values[1]),
							 TextDatumGetCString(slot->tts_values[2])};
	if (DatumGetBool(slot->tts_values[3]))
		account->granted |= UINT64CONST(1) << i;
	else
		account->denied |= UINT64CONST(1) << i;
	if (DatumGetBool(slot->tts_values[4]))
		account->not_all |= UINT64CONST(1) << i;
}

/* Adds what an account agreed to and refused to what its person did. */
static void
AddConsents(const ProfileRun *run, const ProfileAccount *account,
			ProfilePerson *person)
{
	uint64 told = account->granted | account->denied;

	if (told == 0)
		return;
	person->told |= told;
	person->granted |= account->granted;
	person->denied |= account->denied;
	person->not_all |= account->not_all;
	/* What it says of any channel is its word for those it does not name. */
	for (int any = 0; any < run->n_consents; any++)
		for (int i = 0; i < run->n_consents; i++)
			if ((told >> any & 1) != 0 && (told >> i & 1) == 0 &&
				strcmp(run->consents[any].channel, "any") == 0 &&
				strcmp(run->consents[any].purpose, run->consents[i].purpose) ==
					0)
			{
				person->granted |= (account->granted >> any & 1) << i;
				person->denied |= (account->denied >> any & 1) << i;
			}
}

/* Counts accounts as people, in the order of the members' numbers. */
static void
MakePeople(ProfileRun *run)
{
	ProfileAccount *accounts = run->accounts.items;
	size_t n = 0;

	run->people = MemoryContextAllocHuge(
		run->context, sizeof(ProfilePerson) * (run->accounts.n + 1));
	for (size_t i = 0; i < run->accounts.n; i++)
	{
		ProfileAccount *account = &accounts[i];
		ProfileAccount *first = account->member_id == account->account_id
			? account
			: FindAccount(run, account->member_id);
		ProfilePerson *person;

		/* Whose first account is forgotten is forgotten. */
		account->person = -1;
		if (first == NULL || (first != account && first->person < 0))
			continue;
		if (first == account)
		{
			account->person = (int) n++;
			person = &run->people[account->person];
			memset(person, 0, sizeof(*person));
			person->member_id = account->member_id;
			person->registered_at = account->registered_at;
			person->last_event_at = PROFILE_NEVER;
		}
		account->person = first->person;
		person = &run->people[account->person];
		person->registered_at =
			Min(person->registered_at, account->registered_at);
		person->known |= account->known;
		AddConsents(run, account, person);
		person->accounts++;
	}
	run->n_people = n;
}

/* Reads the accounts of the people asked for. */
static void
ReadPeople(ProfileRun *run)
{
	Datum members = 0;
	int which = !run->all;

	if (!run->all)
	{
		members = RetailInt64Array(run->members, run->n_members);
		run->n_members = 0;
		ReadRows(run, &read_members, &members, TakeMember);
		members = RetailInt64Array(run->members, run->n_members);
	}
	ReadRows(run, &read_accounts[which], &members, TakeAccount);
	if (run->accounts.n > 1)
		qsort(run->accounts.items, run->accounts.n, sizeof(ProfileAccount),
			  CompareAccounts);
}

/* The numbers of the accounts that are read, as an array. */
static Datum
AccountNumbers(const ProfileRun *run)
{
	const ProfileAccount *accounts = run->accounts.items;
	int64 *numbers;

	if (run->all)
		return (Datum) 0;
	numbers = palloc(sizeof(int64) * (run->accounts.n + 1));
	for (size_t i = 0; i < run->accounts.n; i++)
		numbers[i] = accounts[i].account_id;
	return RetailInt64Array(numbers, (int) run->accounts.n);
}

/* ---- what they did ---- */

/* Seconds since 2000 of the clock on the wall. */
static int64
LocalSeconds(TimestampTz at, struct pg_tz *zone)
{
	int64 seconds = at / USECS_PER_SEC - (at % USECS_PER_SEC < 0);
	pg_time_t unix_time = seconds +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	struct pg_tm *tm = pg_localtime(&unix_time, zone);

	return seconds + (tm ? tm->tm_gmtoff : 0);
}

/* The day of the chain. */
int32
ProfileLocalDay(const ProfileRun *run, TimestampTz at)
{
	int64 seconds = LocalSeconds(at, run->zone);

	return (int32) (seconds / SECS_PER_DAY - (seconds % SECS_PER_DAY < 0));
}

static void
TakeOrder(ProfileRun *run, TupleTableSlot *slot)
{
	ProfileAccount *account = FindAccount(run, INT64(slot, 1));
	ProfilePurchase *purchase;
	ProfileNode *node = NULL;
	struct pg_tz *zone;
	int64 seconds;

	if (account == NULL || account->person < 0)
		return;
	purchase = ProfileArrayAdd(&run->purchases);
	purchase->order_id = INT64(slot, 0);
	purchase->person = account->person;
	purchase->channel_id = INT64(slot, 2);
	purchase->at = DatumGetTimestampTz(slot->tts_values[3]);
	purchase->cents = INT64(slot, 4);
	purchase->node_id = INT64_OR_0(slot, 5);
	purchase->region_id = INT64_OR_0(slot, 6);
	if (purchase->node_id != 0)
		node = hash_search(run->nodes, &purchase->node_id, HASH_FIND, NULL);
	if (purchase->region_id == 0 && node != NULL)
		purchase->region_id = node->region_id;
	purchase->day = ProfileLocalDay(run, purchase->at);
	zone = node != NULL && node->zone != NULL ? node->zone
		: account->zone != NULL				  ? account->zone
											  : run->zone;
	seconds = LocalSeconds(purchase->at, zone) % SECS_PER_DAY;
	purchase->hour = (int8) ((seconds < 0 ? seconds + SECS_PER_DAY : seconds) /
							 SECS_PER_HOUR);
}

static int
CompareOrders(const void *a, const void *b)
{
	int64 p = ((const ProfilePurchase *) a)->order_id;
	int64 q = ((const ProfilePurchase *) b)->order_id;

	return p < q ? -1 : p > q;
}

static void
AddInterest(ProfileRun *run, int person, int64 at, int64 category_id,
			float weight, bool bought)
{
	ProfileInterest *interest = ProfileArrayAdd(&run->interests);

	/* Rows are sorted whole: what lies between the fields counts too. */
	memset(interest, 0, sizeof(*interest));
	interest->at = at;
	interest->category_id = category_id;
	interest->person = person;
	interest->weight = weight;
	interest->bought = bought;
}

static void
TakeLine(ProfileRun *run, TupleTableSlot *slot)
{
	ProfilePurchase key = {.order_id = INT64(slot, 0)};
	ProfilePurchase *purchases = run->purchases.items;
	ProfilePurchase *purchase = NULL;
	int64 category_id = INT64(slot, 1);
	float weight;

	/* Lines of an order follow each other. */
	if (run->last_order >= 0 &&
		purchases[run->last_order].order_id == key.order_id)
		purchase = &purchases[run->last_order];
	else if (run->purchases.n > 0)
		purchase = bsearch(&key, purchases, run->purchases.n,
						   sizeof(*purchases), CompareOrders);
	if (purchase == NULL)
		return;
	run->last_order = (int32) (purchase - purchases);
	if (run->all)
	{
		ProfileSku *sku = hash_search(run->skus, &category_id, HASH_FIND, NULL);

		if (sku == NULL)
			return;
		category_id = sku->category_id;
	}
	weight = purchase->node_id != 0 ? run->bought_store : run->bought_online;
	if (weight > 0)
		AddInterest(run, purchase->person, purchase->at, category_id, weight,
					true);
}

static void
TakeEvent(ProfileRun *run, TupleTableSlot *slot)
{
	ProfileAccount *account = FindAccount(run, INT64(slot, 0));
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[1]);
	ProfilePerson *person;

	if (account == NULL || account->person < 0)
		return;
	person = &run->people[account->person];
	person->events++;
	person->last_event_at = Max(person->last_event_at, at);
	if (slot->tts_isnull[2])
		return;
	for (int i = 0; i < run->n_kinds; i++)
		if (TextIs(slot->tts_values[3], run->kinds[i].kind))
		{
			AddInterest(run, account->person, at, INT64(slot, 2),
						run->kinds[i].weight, false);
			return;
		}
}

/* Reads the orders of the people, and what was in them. */
static void
ReadOrders(ProfileRun *run, Datum numbers)
{
	int which = !run->all;
	Datum values[2] = {TimestampTzGetDatum(run->as_of), numbers};
	Datum orders = 0;

	ReadRows(run, &read_orders[which], values, TakeOrder);
	if (run->purchases.n == 0)
		return;
	qsort(run->purchases.items, run->purchases.n, sizeof(ProfilePurchase),
		  CompareOrders);
	if (run->all)
	{
		run->skus = MakeTable(run, "pg_retail SKUs", sizeof(ProfileSku));
		ReadRows(run, &read_skus, NULL, TakeSku);
	}
	else
	{
		const ProfilePurchase *purchases = run->purchases.items;
		int64 *ids = palloc(sizeof(int64) * run->purchases.n);

		for (size_t i = 0; i < run->purchases.n; i++)
			ids[i] = purchases[i].order_id;
		orders = RetailInt64Array(ids, (int) run->purchases.n);
	}
	run->last_order = -1;
	ReadRows(run, &read_lines[which], &orders, TakeLine);
}

/* Tells each person where its purchases and interests begin. */
static void
IndexFacts(ProfileRun *run)
{
	const ProfilePurchase *purchases = run->purchases.items;
	const ProfileInterest *interests = run->interests.items;
	size_t p = 0;
	size_t i = 0;
	size_t most = 0;

	for (size_t k = 0; k <= run->n_people; k++)
	{
		size_t begin = p;

		run->people[k].purchases = p;
		run->people[k].interests = i;
		while (p < run->purchases.n && purchases[p].person == (int) k)
			p++;
		while (i < run->interests.n && interests[i].person == (int) k)
			i++;
		most = Max(most, p - begin);
	}
	run->tallies = palloc(sizeof(ProfileTally) * Max(most, 1));
}

/* Reads all that profiles are made of. */
void
ProfileReadFacts(ProfileRun *run)
{
	int which = !run->all;
	Datum numbers;
	Datum values[2];
	int level = run->all ? NewGUCNestLevel() : ProfileByIndex();

	run->accounts.size = sizeof(ProfileAccount);
	run->purchases.size = sizeof(ProfilePurchase);
	run->interests.size = sizeof(ProfileInterest);
	RetailReportProgress(PROFILE_JOB, "read", 0, 5);
	ReadPeople(run);
	numbers = AccountNumbers(run);
	RetailReportProgress(PROFILE_JOB, "read", 1, 5);
	ReadRows(run, &read_identifiers[which], &numbers, TakeIdentifier);
	ReadRows(run, &read_consents[which], &numbers, TakeConsent);
	MakePeople(run);
	RetailReportProgress(PROFILE_JOB, "read", 2, 5);
	ReadOrders(run, numbers);
	RetailReportProgress(PROFILE_JOB, "read", 3, 5);
	values[0] = TimestampTzGetDatum(run->as_of);
	values[1] = numbers;
	ReadRows(run, &read_events[which], values, TakeEvent);
	AtEOXact_GUC(true, level);
	RetailReportProgress(PROFILE_JOB, "read", 4, 5);
	if (run->purchases.n > 1)
		qsort(run->purchases.items, run->purchases.n, sizeof(ProfilePurchase),
			  ProfileComparePurchases);
	CHECK_FOR_INTERRUPTS();
	if (run->interests.n > 1)
		qsort(run->interests.items, run->interests.n, sizeof(ProfileInterest),
			  ProfileCompareInterests);
	IndexFacts(run);
}

/* Makes what hangs on a person alone. */
void
ProfileOfPerson(ProfileRun *run, size_t person, Profile *profile)
{
	const ProfilePerson *p = &run->people[person];
	const ProfilePerson *next = p + 1;
	ProfileFacts facts = {
		p->registered_at,
		p->last_event_at,
		(const ProfilePurchase *) run->purchases.items + p->purchases,
		next->purchases - p->purchases,
		(const ProfileInterest *) run->interests.items + p->interests,
		next->interests - p->interests};

	ProfileSummarise(&facts, &run->settings, run->as_of, run->tallies, profile);
}
