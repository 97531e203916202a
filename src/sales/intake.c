/*-------------------------------------------------------------------------
 *
 * intake.c
 *	  retail.submit_orders(): orders into the intake queue.
 *
 * What is new is written straight into the queue; only when something of it is
 * known already, statements look at what became of that.  Nothing is decided and no
 * stock is read, so that a shop front in a flash sale commits in one round
 * trip and waits for no row that others want.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/intake.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/cache.h"
#include "foundation/table_writer.h"
#include "sales/order_writer.h"

/* Most orders in one call. */
#define MAX_SUBMITTED 10000

typedef enum SubmissionState
{
	SUBMISSION_INVALID,
	SUBMISSION_QUEUED,
	SUBMISSION_KNOWN /* the number was known; state says as what */
} SubmissionState;

/* One element of the call, and what came of it. */
typedef struct Submission
{
	IntakeOrder order;
	IntakeError error;
	const CatalogChannel *channel;
	SubmissionState outcome;
	const char *state;
	int64 order_id;	 /* 0: none */
	Datum values[8]; /* of its row in the queue, when it is valid */
	bool nulls[8];
} Submission;

static RetailTable intake_table = {"order_intake",
								   8,
								   {{"channel_id", INT8OID},
									{"external_no", TEXTOID},
									{"request_hash", BYTEAOID},
									{"request", JSONBOID},
									{"priority", INT4OID},
									{"needed_by", TIMESTAMPTZOID},
									{"submitted_at", TIMESTAMPTZOID},
									{"submitted_by", TEXTOID}},
								   "intake_id",
								   2};

static RetailRowShape intake_shape = {8,
									  {INT8OID, TEXTOID, BYTEAOID, JSONBOID,
									   INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
									   TEXTOID}};

/*
 * What was refused may be submitted again, also with other content.  The look at
 * sales_order is no join, which might return rows in another order.
 */
static RetailStatement insert_intake = {
	"INSERT INTO retail.order_intake AS i (channel_id, external_no, request_hash, request, priority, needed_by, submitted_at, submitted_by)"
	" SELECT * FROM unnest($1) AS s (channel_id bigint, external_no text, request_hash bytea, request jsonb, priority int,"
	" needed_by timestamptz, submitted_at timestamptz, submitted_by text)"
	" WHERE (SELECT o.order_id FROM retail.sales_order o WHERE o.channel_id = s.channel_id AND o.external_no = s.external_no) IS NULL"
	" ON CONFLICT (channel_id, external_no) DO UPDATE SET intake_id = excluded.intake_id, request_hash = excluded.request_hash,"
	" request = excluded.request, priority = excluded.priority, needed_by = excluded.needed_by, submitted_at = excluded.submitted_at,"
	" submitted_by = excluded.submitted_by, state = 'queued', sqlstate = NULL, error = NULL, detail = NULL, hint = NULL,"
	" decided_at = NULL, batch = NULL WHERE i.state = 'refused'"
	" RETURNING channel_id, external_no",
	1,
	{RECORDARRAYOID}};

static RetailStatement select_known = {
	"SELECT CASE WHEN o.order_id IS NULL THEN i.state ELSE 'placed' END, o.order_id, coalesce(o.request_hash, i.request_hash) IN ($3, $4)"
	" FROM (SELECT) x LEFT JOIN retail.order_intake i ON i.channel_id = $1 AND i.external_no = $2"
	" LEFT JOIN retail.sales_order o ON o.channel_id = $1 AND o.external_no = $2",
	4,
	{INT8OID, TEXTOID, BYTEAOID, BYTEAOID}};

/* Reads one element; what is wrong with it is its error. */
static void
ReadSubmission(Jsonb *orders, int i, TimestampTz as_of, Datum actor,
			   Submission *submission)
{
	IntakeOrder *order = &submission->order;
	JsonbValue *element = getIthJsonbValueFromContainer(&orders->root, i);
	JsonbContainer empty = {JB_FARRAY};
	Datum *values = submission->values;

	if (!ReadIntakeOrder(element->type == jbvBinary ? element->val.binary.data
													: &empty,
						 order, &submission->error))
		return;
	submission->channel =
		CatalogChannelByCode(RetailCatalogGet(), order->channel);
	if (submission->channel == NULL || !submission->channel->active)
	{
		submission->error.sqlstate = RT_UNKNOWN_CHANNEL;
		submission->error.message =
			submission->channel ? "channel is inactive" : "unknown channel";
		submission->error.detail =
			psprintf("Channel \"%.200s\".", order->channel);
		submission->error.hint =
			"See SELECT code, name FROM retail.channel, or make it known with retail.put_channel().";
		return;
	}
	values[0] = Int64GetDatum(submission->channel->id);
	values[1] = CStringGetTextDatum(order->external_no);
	values[2] = HashIntakeOrder(order, false);
	values[3] = JsonbPGetDatum(JsonbValueToJsonb(element));
	values[4] = Int32GetDatum(order->priority);
	values[5] = TimestampTzGetDatum(order->needed_by);
	submission->nulls[5] = !order->has_needed_by;
	values[6] = TimestampTzGetDatum(as_of);
	values[7] = actor;
}

/* Orders valid submissions by number, repetitions in the order of the call. */
static int
CompareSubmissions(const void *a, const void *b)
{
	const Submission *left = *(Submission *const *) a;
	const Submission *right = *(Submission *const *) b;
	int order;

	if (left->channel->id != right->channel->id)
		return left->channel->id < right->channel->id ? -1 : 1;
	order = strcmp(left->order.external_no, right->order.external_no);
	return order != 0 ? order : left < right ? -1 : 1;
}

/* Marks numbers that the call names again as known. */
static void
MarkRepeated(Submission *submissions, int n)
{
	Submission **sorted = palloc(sizeof(Submission *) * n);
	int count = 0;

	for (int i = 0; i < n; i++)
		if (submissions[i].error.sqlstate == 0)
			sorted[count++] = &submissions[i];
	qsort(sorted, count, sizeof(Submission *), CompareSubmissions);
	for (int i = 1; i < count; i++)
		if (sorted[i]->channel == sorted[i - 1]->channel &&
			strcmp(sorted[i]->order.external_no,
				   sorted[i - 1]->order.external_no) == 0)
			sorted[i]->outcome = SUBMISSION_KNOWN;
	pfree(sorted);
}

/*
 * Queues numbers that the queue or the orders seem to have: those that were
 * refused before, and all where only a statement can tell.
 */
static void
QueueByStatement(Submission **submissions, int n)
{
	Datum *rows = palloc(sizeof(Datum) * n);
	Datum argument;
	uint64 row = 0;

	for (int i = 0; i < n; i++)
		rows[i] = RetailRow(&intake_shape, submissions[i]->values,
							submissions[i]->nulls);
	argument = RetailRowArray(rows, n);
	RetailExecute(&insert_intake, &argument, NULL, false,
				  SPI_OK_INSERT_RETURNING);
	for (int i = 0; i < n; i++)
	{
		Submission *s = submissions[i];

		s->outcome = SUBMISSION_KNOWN;
		if (row < SPI_processed &&
			RetailCellInt64(row, 1, NULL) == s->channel->id &&
			strcmp(RetailCellText(row, 2), s->order.external_no) == 0)
		{
			s->outcome = SUBMISSION_QUEUED;
			row++;
		}
	}
	if (row != SPI_processed)
		elog(ERROR, "orders were not queued in their order");
}

/* Writes the valid ones to the queue and marks what was new. */
static void
WriteSubmissions(Submission *submissions, int n)
{
	RetailRows *rows = RetailRowsMake(&intake_table, n);
	Submission **fresh = palloc(sizeof(Submission *) * n);
	Submission **known = palloc(sizeof(Submission *) * n);
	int64 *keys = palloc(sizeof(int64) * n);
	RetailKeys *numbers = OrderNumbersBegin();
	int n_known = 0;

	for (int i = 0; i < n; i++)
	{
		Submission *s = &submissions[i];

		if (s->error.sqlstate != 0 || s->outcome == SUBMISSION_KNOWN)
			continue;
		if (OrderNumberIsTaken(numbers, s->channel->id, s->order.external_no))
		{
			known[n_known++] = s;
			continue;
		}
		fresh[rows->n] = s;
		RetailRowsAdd(rows, s->values, s->nulls);
	}
	RetailKeysEnd(numbers);
	RetailRowsInsert(rows, keys);
	for (int i = 0; i < rows->n; i++)
	{
		fresh[i]->outcome = SUBMISSION_QUEUED;
		if (keys[i] == 0)
			known[n_known++] = fresh[i];
	}
	if (n_known > 0)
		QueueByStatement(known, n_known);
	for (int i = 0; i < n; i++)
		if (submissions[i].outcome == SUBMISSION_QUEUED &&
			submissions[i].error.sqlstate == 0)
			submissions[i].state = "queued";
}

/* Finds out what became of an order whose number was known already. */
static void
LookUpKnown(Submission *submission)
{
	Datum values[4] = {Int64GetDatum(submission->channel->id),
					   CStringGetTextDatum(submission->order.external_no),
					   HashIntakeOrder(&submission->order, false),
					   HashIntakeOrder(&submission->order, true)};
	bool isnull;

	RetailExecute(&select_known, values, NULL, false, SPI_OK_SELECT);
	submission->state = RetailCellText(0, 1);
	submission->order_id = RetailCellInt64(0, 2, &isnull);
	if (RetailCellBool(0, 3))
		return;
	submission->outcome = SUBMISSION_INVALID;
	submission->error.sqlstate = RT_NUMBER_REUSED;
	submission->error.message = "order number reused";
	submission->error.detail = psprintf(
		"Order \"%s\" of channel \"%s\" was submitted or placed with other content.",
		submission->order.external_no, submission->order.channel);
	submission->error.hint =
		"Use a new number for a new order; repeat the same content to get the first answer.";
}

/* Sets a text of an answer. */
static void
AnswerText(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text ? CStringGetTextDatum(text) : 0;
}

/* Answers one element. */
static void
AnswerSubmission(ReturnSetInfo *info, int i, const Submission *s)
{
	Datum values[10] = {0};
	bool nulls[10] = {false};
	bool bad = s->outcome == SUBMISSION_INVALID;

	values[0] = Int32GetDatum(i + 1);
	AnswerText(values, nulls, 1, s->order.channel);
	AnswerText(values, nulls, 2, s->order.external_no);
	AnswerText(values, nulls, 3, bad ? "invalid" : s->state);
	values[4] = Int64GetDatum(s->order_id);
	nulls[4] = bad || s->order_id == 0;
	values[5] = BoolGetDatum(s->outcome == SUBMISSION_KNOWN);
	AnswerText(values, nulls, 6,
			   bad ? unpack_sql_state(s->error.sqlstate) : NULL);
	AnswerText(values, nulls, 7, bad ? s->error.message : NULL);
	AnswerText(values, nulls, 8, bad ? s->error.detail : NULL);
	AnswerText(values, nulls, 9, bad ? s->error.hint : NULL);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* submit_orders(orders, as_of) */
PG_FUNCTION_INFO_V1(retail_submit_orders);
Datum
retail_submit_orders(PG_FUNCTION_ARGS)
{
	Jsonb *orders = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0);
	TimestampTz as_of;
	Submission *submissions;
	Datum actor;
	int n;

	if (orders == NULL || !JB_ROOT_IS_ARRAY(orders) ||
		JB_ROOT_IS_SCALAR(orders) || JB_ROOT_COUNT(orders) < 1 ||
		JB_ROOT_COUNT(orders) > MAX_SUBMITTED)
		ereport(
			ERROR, errcode(RT_INVALID_LINES), errmsg("invalid list of orders"),
			orders && JB_ROOT_IS_ARRAY(orders) && !JB_ROOT_IS_SCALAR(orders)
				? errdetail("It has %u elements.", JB_ROOT_COUNT(orders))
				: errdetail("orders is not a JSON array."),
			errhint("Give a JSON array of 1 to %d objects.", MAX_SUBMITTED));
	if (PG_ARGISNULL(1))
		ereport(ERROR, errcode(RT_INVALID_TIME), errmsg("as_of is missing"),
				errdetail("as_of is null."),
				errhint("Give a value for as_of."));
	as_of = PG_GETARG_TIMESTAMPTZ(1);
	RetailCheckTime(as_of, "as_of");
	InitMaterializedSRF(fcinfo, 0);

	SPI_connect();
	n = (int) JB_ROOT_COUNT(orders);
	submissions = palloc0(sizeof(Submission) * n);
	actor = CStringGetTextDatum(RetailCallerName());
	for (int i = 0; i < n; i++)
		ReadSubmission(orders, i, as_of, actor, &submissions[i]);
	MarkRepeated(submissions, n);
	WriteSubmissions(submissions, n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (submissions[i].outcome == SUBMISSION_KNOWN)
			LookUpKnown(&submissions[i]);
		AnswerSubmission((ReturnSetInfo *) fcinfo->resultinfo, i,
						 &submissions[i]);
	}
	SPI_finish();
	return (Datum) 0;
}
