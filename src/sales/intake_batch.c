/*-------------------------------------------------------------------------
 *
 * intake_batch.c
 *	  retail.run_allocation(): decides the next batch of the intake queue.
 *
 * A batch is one transaction: its rows are locked (others skip them), read,
 * decided together in the order of the queue, written together, and marked.
 * So each is decided exactly once, whatever dies in between.
 *
 * One bad order never stops the others.  Steps run for many orders at once in
 * a subtransaction; an error that belongs to a row costs a rollback, and the
 * step goes on behind it (reading, deciding) or with each half of the orders
 * (writing), until the row is alone with its error and is refused.  Errors of
 * the surroundings (a cancel, a deadlock, no memory, no disk) end the batch;
 * its orders stay in the queue.
 *
 * When another session took guarded stock meanwhile, the orders that wanted it
 * are decided again on what is left, and the others are written as they are.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "sales/intake_batch.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "allocation/ledger.h"
#include "foundation/table_writer.h"

#define DEFAULT_BATCH_SIZE 500
#define MAX_BATCH_SIZE 10000

/* How often the orders of a batch are decided again before they are left. */
#define MAX_ATTEMPTS 20

static RetailStatement select_batch = {
	"SELECT channel_id, external_no, request_hash, request, submitted_at, submitted_by, attempts, ctid FROM retail.order_intake"
	" WHERE state = 'queued' AND submitted_at <= $2 ORDER BY priority DESC, needed_by, intake_id LIMIT $1 FOR UPDATE SKIP LOCKED",
	2,
	{INT8OID, TIMESTAMPTZOID}};

static RetailStatement next_number = {
	"SELECT pg_catalog.nextval('retail.order_intake_batch_seq')", 0, {0}};

static RetailStatement select_placed = {
	"SELECT order_id, request_hash IN ($3, $4) FROM retail.sales_order WHERE channel_id = $1 AND external_no = $2",
	4,
	{INT8OID, TEXTOID, BYTEAOID, BYTEAOID}};

/* The columns of the queue that a decision changes. */
static RetailTable intake_table = {"order_intake",
								   12,
								   {{"channel_id", INT8OID},
									{"external_no", TEXTOID},
									{"state", TEXTOID},
									{"attempts", INT4OID},
									{"order_id", INT8OID},
									{"sqlstate", TEXTOID},
									{"error", TEXTOID},
									{"detail", TEXTOID},
									{"hint", TEXTOID},
									{"batch", INT8OID},
									{"decided_at", TIMESTAMPTZOID},
									{"request", JSONBOID}},
								   NULL,
								   2};

static RetailRowShape result_shape = {9,
									  {INT8OID, TEXTOID, TEXTOID, INT4OID,
									   INT8OID, TEXTOID, TEXTOID, TEXTOID,
									   TEXTOID}};

/* What was placed needs its content no more: the order says it. */
static RetailStatement update_intake = {
	"UPDATE retail.order_intake i SET state = r.state, attempts = r.attempts, order_id = r.order_id, sqlstate = r.sqlstate,"
	" error = r.error, detail = r.detail, hint = r.hint, batch = $2, decided_at = CASE WHEN r.state <> 'queued' THEN $3 END,"
	" request = CASE WHEN r.state <> 'placed' THEN i.request END"
	" FROM unnest($1) AS r (channel_id bigint, external_no text, state text, attempts int, order_id bigint, sqlstate text,"
	" error text, detail text, hint text)"
	" WHERE i.channel_id = r.channel_id AND i.external_no = r.external_no",
	3,
	{RECORDARRAYOID, INT8OID, TIMESTAMPTZOID}};

static RetailStatement open_exceptions = {
	"SELECT retail.open_exception('intake', r.sqlstate, r.error, r.detail, $2, channel_id => r.channel_id, external_no => r.external_no)"
	" FROM unnest($1) AS r (channel_id bigint, external_no text, state text, attempts int, order_id bigint, sqlstate text,"
	" error text, detail text, hint text) WHERE r.state = 'refused'",
	2,
	{RECORDARRAYOID, TIMESTAMPTZOID}};

static RetailStatement resolve_exceptions = {
	"UPDATE retail.order_exception e SET state = 'resolved', resolution = 'placed', resolved_at = $2, resolved_by = retail.caller()"
	" FROM unnest($1) AS r (channel_id bigint, external_no text, state text, attempts int, order_id bigint, sqlstate text,"
	" error text, detail text, hint text)"
	" WHERE r.state = 'placed' AND e.kind = 'intake' AND e.state = 'open' AND e.channel_id = r.channel_id AND e.external_no = r.external_no",
	2,
	{RECORDARRAYOID, TIMESTAMPTZOID}};

/* Is this error one of the surroundings, which another try may not meet? */
static bool
IsForeignError(int sqlstate)
{
	int class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_QUERY_CANCELED) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_T_R_SERIALIZATION_FAILURE) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_LOCK_NOT_AVAILABLE) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_IO_ERROR) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_READ_ONLY_SQL_TRANSACTION);
}

/*
 * Runs a step in a subtransaction, which is rolled back when the step raises an
 * error or its outcome is OUTRUN.  Returns an error that belongs to a row, or
 * NULL; raises others again.
 */
static ErrorData *
InSubtransaction(BatchStep step, RowSet *set)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	set->outcome = PLACED;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY()
		;
		{
			step(set);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(context);
			error = CopyErrorData();
			FlushErrorState();
		}
	PG_END_TRY();
	if (error || set->outcome == OUTRUN)
		RollbackAndReleaseCurrentSubTransaction();
	else
		ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error && IsForeignError(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* Refuses an order with the error that it met. */
static void
RefuseRow(BatchRow *row, const ErrorData *error)
{
	row->state = INTAKE_REFUSED;
	row->error.sqlstate = error->sqlerrcode;
	row->error.message = error->message ? error->message : "";
	row->error.detail = error->detail;
	row->error.hint = error->hint;
}

/* Takes a step through rows that it reaches one by one; refuses the bad. */
static void
StepThrough(BatchStep step, RowSet *set)
{
	for (set->next = 0; set->next < set->n; set->next++)
	{
		ErrorData *error = InSubtransaction(step, set);

		if (error == NULL)
			return;
		if (set->rows[set->next]->contested)
		{
			set->rows[set->next]->attempts--;
			Postpone(set->batch, set->rows[set->next]);
		}
		else
			RefuseRow(set->rows[set->next], error);
	}
}

/* Locks the next rows of the queue and reads them. */
static void
ReadBatch(Batch *batch, int size)
{
	Datum values[2] = {Int64GetDatum(size), TimestampTzGetDatum(batch->as_of)};
	TupleDesc desc;

	RetailExecute(&select_batch, values, NULL, false, SPI_OK_SELECT);
	batch->n = (int) SPI_processed;
	batch->rows = palloc0(sizeof(BatchRow) * Max(batch->n, 1));
	desc = SPI_tuptable->tupdesc;
	for (int i = 0; i < batch->n; i++)
	{
		BatchRow *row = &batch->rows[i];
		HeapTuple tuple = SPI_tuptable->vals[i];
		bool isnull;

		row->channel_id = RetailCellInt64(i, 1, NULL);
		row->placement.external_no = RetailCellText(i, 2);
		row->placement.request_hash = SPI_getbinval(tuple, desc, 3, &isnull);
		row->request =
			DatumGetJsonbPCopy(SPI_getbinval(tuple, desc, 4, &isnull));
		row->submitted_at = RetailCellInt64(i, 5, NULL);
		row->placement.actor = RetailCellText(i, 6);
		row->attempts = (int) RetailCellInt64(i, 7, NULL);
		row->tried = row->attempts > 0;
		row->tid = *(ItemPointer) DatumGetPointer(
			SPI_getbinval(tuple, desc, 8, &isnull));
	}
}

/* Reads the content of the submitted orders. */
static void
ReadStep(RowSet *set)
{
	for (; set->next < set->n; set->next++)
	{
		BatchRow *row = set->rows[set->next];

		if (!ReadIntakeOrder(&row->request->root, &row->input, &row->error))
			row->state = INTAKE_REFUSED;
	}
}

/* Resolves the codes of the orders, all SKUs with one statement. */
static void
LookUpBatch(Batch *batch)
{
	Jsonb **lines = palloc(sizeof(Jsonb *) * batch->n);
	SkuLookup *lookups = palloc(sizeof(SkuLookup) * batch->n);
	int n = 0;

	for (int i = 0; i < batch->n; i++)
		if (batch->rows[i].state == INTAKE_WAITING)
			lines[n++] = batch->rows[i].input.lines;
	LookUpSkus(lines, n, false, lookups);
	n = 0;
	for (int i = 0; i < batch->n; i++)
		if (batch->rows[i].state == INTAKE_WAITING)
			batch->rows[i].skus = lookups[n++];
}

/* Checks and resolves the orders, as place_order() does. */
static void
ParseStep(RowSet *set)
{
	for (; set->next < set->n; set->next++)
	{
		BatchRow *row = set->rows[set->next];
		Placement *p = &row->placement;
		OrderArguments arguments = {0};

		if (row->state != INTAKE_WAITING)
			continue;
		arguments.channel = row->input.channel;
		arguments.lines = row->input.lines;
		arguments.destination = row->input.destination;
		arguments.fulfilment = row->input.fulfilment;
		arguments.pick_up_node = row->input.pick_up_node;
		arguments.policy = row->input.policy;
		arguments.shortage = row->input.shortage;
		arguments.as_of = set->batch->as_of;
		arguments.skus = &row->skus;
		p->has_member = row->input.has_member;
		p->member_id = row->input.member_id;
		p->freight_given = row->input.freight != NULL;
		p->freight = p->freight_given ? FreightCents(row->input.freight) : 0;
		p->on_delivery = IsPaidOnDelivery(row->input.payment);
		p->order = ParseOrder(&arguments, false);
		p->order->sourcing.placed_at = row->submitted_at;
		p->order->sourcing.ledger = set->batch->ledger;
	}
}

/* Writes decided orders, all or none. */
static void
WriteStep(RowSet *set)
{
	Placement **placements = palloc(sizeof(Placement *) * set->n);

	for (int i = 0; i < set->n; i++)
	{
		placements[i] = &set->rows[i]->placement;
		/* What an attempt that was rolled back settled is open again. */
		if (AnyMissing(&placements[i]->order->sourcing))
			CompletePlacement(placements[i]);
	}
	set->outcome = WriteOrders(placements, set->n, set->wait, &set->shortage);
}

/*
 * Looks whether an order of this number was placed directly, and says what that
 * makes of the row; false when there is none.
 */
static bool
FindPlaced(BatchRow *row)
{
	Datum values[4] = {Int64GetDatum(row->channel_id),
					   CStringGetTextDatum(row->placement.external_no),
					   row->placement.request_hash,
					   HashIntakeOrder(&row->input, true)};

	RetailExecute(&select_placed, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	if (RetailCellBool(0, 2))
	{
		row->state = INTAKE_PLACED;
		row->placement.order_id = RetailCellInt64(0, 1, NULL);
		return true;
	}
	row->state = INTAKE_REFUSED;
	row->error.sqlstate = RT_NUMBER_REUSED;
	row->error.message = "order number reused";
	row->error.detail = psprintf(
		"Order \"%s\" of channel \"%s\" was placed with other content.",
		row->placement.external_no, row->input.channel);
	row->error.hint = "Use a new number for a new order.";
	return true;
}

/* Takes a decided order out of the ledger. */
static void
Undecide(Batch *batch, BatchRow *row, RowState state)
{
	LedgerPost(batch->ledger, &row->placement.order->sourcing,
			   &row->placement.result, -1);
	row->state = state;
}

/* Did the order want what was short: units of a row of stock, or a node's day? */
static bool
IsAffected(const BatchRow *row, const StockShortage *shortage)
{
	const SourcingRequest *s = &row->placement.order->sourcing;
	const SourcingResult *result = &row->placement.result;

	for (int i = 0; i < result->plan.n_pieces; i++)
	{
		const SolverPiece *piece = &result->plan.pieces[i];
		int c = result->plan.parcels[piece->parcel].node;

		if ((shortage->sku_id == 0 ||
			 s->lines[piece->line].sku_id == shortage->sku_id) &&
			result->candidates[c].node->id == shortage->node_id)
			return true;
	}
	return false;
}

/* Decides again who wanted stock that is gone, and keeps who has a plan. */
static void
DecideAgain(RowSet *set, bool give_up)
{
	int n = 0;

	LedgerRecount(set->batch->ledger);
	for (int i = 0; i < set->n; i++)
		if (IsAffected(set->rows[i], &set->shortage))
		{
			Undecide(set->batch, set->rows[i],
					 give_up ? INTAKE_LEFT : INTAKE_WAITING);
			set->rows[i]->placement.order->sourcing.stock_anew = true;
		}
	StepThrough(DecideStep, set);
	for (int i = 0; i < set->n; i++)
		if (set->rows[i]->state == INTAKE_DECIDED)
			set->rows[n++] = set->rows[i];
	set->n = n;
}

/* Places decided orders; whoever cannot be written is refused alone. */
static void
PlaceRows(Batch *batch, BatchRow **rows, int n)
{
	RowSet set = {batch, rows, n};

	for (int attempt = 0; set.n > 0; attempt++)
	{
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		set.wait = attempt > 0;
		error = InSubtransaction(WriteStep, &set);
		if (error && set.n == 1)
		{
			Undecide(batch, rows[0], INTAKE_REFUSED);
			RefuseRow(rows[0], error);
			return;
		}
		if (error)
		{
			PlaceRows(batch, rows, set.n / 2);
			PlaceRows(batch, rows + set.n / 2, set.n - set.n / 2);
			return;
		}
		if (set.outcome != OUTRUN)
			break;
		DecideAgain(&set, attempt >= MAX_ATTEMPTS);
	}
	/* What is written is in the tables now, and in the ledger no more. */
	for (int i = 0; i < set.n; i++)
	{
		Undecide(batch, rows[i], INTAKE_PLACED);
		if (rows[i]->placement.order_id == 0 && !FindPlaced(rows[i]))
			ereport(
				ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("order \"%s\" is being placed by another transaction",
					   rows[i]->placement.external_no));
	}
}

/* Reads, decides and places a batch. */
static void
AllocateBatch(Batch *batch)
{
	BatchRow **rows = palloc(sizeof(BatchRow *) * batch->n);
	RowSet set = {batch, rows, batch->n};
	int n = 0;

	for (int i = 0; i < batch->n; i++)
		rows[i] = &batch->rows[i];
	RetailReportProgress("allocation", "read", 0, batch->n);
	StepThrough(ReadStep, &set);
	LookUpBatch(batch);
	StepThrough(ParseStep, &set);
	StepThrough(StateStep, &set);
	RetailReportProgress("allocation", "plan", 0, batch->n);
	PlanTogether(batch);
	StepThrough(QueueStep, &set);
	StepThrough(DecideStep, &set);
	LockSupply(batch);
	for (int i = 0; i < batch->n; i++)
		if (batch->rows[i].state == INTAKE_DECIDED)
			rows[n++] = &batch->rows[i];
	RetailReportProgress("allocation", "write", 0, n);
	PlaceRows(batch, rows, n);
	/* What is missing may have gone to this very order, placed directly. */
	for (int i = 0; i < batch->n; i++)
		if (batch->rows[i].state == INTAKE_REFUSED)
			FindPlaced(&batch->rows[i]);
}

/* Sets a text of a result, null when there is none. */
static void
ResultText(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text ? CStringGetTextDatum(text) : 0;
}

/* Fills the columns of result_shape: what became of an order. */
static void
FillResult(const BatchRow *row, Datum *values, bool *nulls)
{
	bool placed = row->state == INTAKE_PLACED;
	bool refused = row->state == INTAKE_REFUSED;

	values[0] = Int64GetDatum(row->channel_id);
	ResultText(values, nulls, 1, row->placement.external_no);
	ResultText(values, nulls, 2,
			   placed		 ? "placed"
				   : refused ? "refused"
							 : "queued");
	values[3] = Int32GetDatum(row->attempts);
	values[4] = Int64GetDatum(row->placement.order_id);
	nulls[4] = !placed;
	ResultText(values, nulls, 5,
			   refused ? unpack_sql_state(row->error.sqlstate) : NULL);
	ResultText(values, nulls, 6, refused ? row->error.message : NULL);
	ResultText(values, nulls, 7, refused ? row->error.detail : NULL);
	ResultText(values, nulls, 8, refused ? row->error.hint : NULL);
}

/* Forms the rows that say what became of the orders. */
static Datum
ResultRows(const Batch *batch)
{
	Datum *results = palloc(sizeof(Datum) * batch->n);

	for (int i = 0; i < batch->n; i++)
	{
		Datum values[9] = {0};
		bool nulls[9] = {false};

		FillResult(&batch->rows[i], values, nulls);
		results[i] = RetailRow(&result_shape, values, nulls);
	}
	return RetailRowArray(results, batch->n);
}

/* A row of the queue on its way back. */
typedef struct Mark
{
	const Batch *batch;
	const BatchRow *row;
} Mark;

/* Changes a row of the queue as update_intake does. */
static bool
MarkRow(Datum *values, bool *nulls, void *argument)
{
	const Mark *mark = argument;
	const BatchRow *row = mark->row;

	memset(&nulls[2], 0, sizeof(bool) * 9);
	FillResult(row, values, nulls);
	values[9] = Int64GetDatum(mark->batch->number);
	values[10] = TimestampTzGetDatum(mark->batch->as_of);
	nulls[10] = row->state != INTAKE_PLACED && row->state != INTAKE_REFUSED;
	nulls[11] = nulls[11] || row->state == INTAKE_PLACED;
	return true;
}

/* Marks the rows of the queue directly; false when a statement must. */
static bool
MarkRows(const Batch *batch)
{
	RetailUpdate *update = RetailUpdateBegin(&intake_table);
	bool marked = true;

	for (int i = 0; i < batch->n && marked; i++)
	{
		Mark mark = {batch, &batch->rows[i]};

		CHECK_FOR_INTERRUPTS();
		marked = RetailUpdateLocked(update, &batch->rows[i].tid, MarkRow,
									&mark) == ROW_CHANGED;
		if (!marked && i > 0)
			elog(ERROR, "a locked row of the intake queue is gone");
	}
	RetailUpdateEnd(update);
	return marked;
}

/* Brings the queue of exceptions up to date: refused, or placed after all. */
static void
NoteExceptions(const Batch *batch, int n_refused)
{
	Datum values[2] = {0, TimestampTzGetDatum(batch->as_of)};
	bool again = false;

	for (int i = 0; i < batch->n; i++)
		again |= batch->rows[i].state == INTAKE_PLACED && batch->rows[i].tried;
	if (n_refused == 0 && !again)
		return;
	values[0] = ResultRows(batch);
	if (n_refused > 0)
		RetailExecute(&open_exceptions, values, NULL, false, SPI_OK_SELECT);
	if (again)
		RetailExecute(&resolve_exceptions, values, NULL, false, SPI_OK_UPDATE);
}

/* Marks the rows of the queue and tells who listens. */
static char *
FinishBatch(Batch *batch, int size)
{
	int count[INTAKE_LEFT + 1] = {0};

	for (int i = 0; i < batch->n; i++)
		count[batch->rows[i].state]++;
	if (!MarkRows(batch))
	{
		Datum values[3] = {ResultRows(batch), Int64GetDatum(batch->number),
						   TimestampTzGetDatum(batch->as_of)};

		RetailExecute(&update_intake, values, NULL, false, SPI_OK_UPDATE);
	}
	NoteExceptions(batch, count[INTAKE_REFUSED]);
	Async_Notify(
		"retail_allocation",
		psprintf(
			"{\"batch\": %lld, \"placed\": %d, \"refused\": %d, \"left\": %d}",
			(long long) batch->number, count[INTAKE_PLACED],
			count[INTAKE_REFUSED], count[INTAKE_LEFT]));
	return psprintf("batch %lld: %d placed, %d refused, %d left%s",
					(long long) batch->number, count[INTAKE_PLACED],
					count[INTAKE_REFUSED], count[INTAKE_LEFT],
					batch->n_postponed > 0 ||
							(batch->n == size && count[INTAKE_LEFT] < batch->n)
						? "; more waiting"
						: "");
}

/* run_allocation(as_of, batch_size) */
PG_FUNCTION_INFO_V1(retail_run_allocation);
Datum
retail_run_allocation(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Batch batch = {0};
	int size = DEFAULT_BATCH_SIZE;
	char *report = "nothing waits";
	Datum result;

	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(RT_INVALID_TIME), errmsg("as_of is missing"),
				errdetail("as_of is null."),
				errhint("Give a value for as_of."));
	if (PG_NARGS() > 1)
	{
		size = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
		if (size < 1 || size > MAX_BATCH_SIZE)
			ereport(ERROR, errcode(RT_INVALID_ARGUMENT),
					errmsg("invalid batch_size"),
					PG_ARGISNULL(1) ? errdetail("batch_size is null.")
									: errdetail("batch_size is %d.", size),
					errhint("Give 1 to %d.", MAX_BATCH_SIZE));
	}
	RetailCheckTime(PG_GETARG_TIMESTAMPTZ(0), "as_of");
	batch.as_of = RetailEffectiveTime(PG_GETARG_TIMESTAMPTZ(0));

	SPI_connect();
	ReadBatch(&batch, size);
	if (batch.n > 0)
	{
		RetailExecute(&next_number, NULL, NULL, false, SPI_OK_SELECT);
		batch.number = RetailCellInt64(0, 1, NULL);
		batch.ledger = LedgerCreate();
		batch.waits = CreateWaits();
		AllocateBatch(&batch);
		report = FinishBatch(&batch, size);
	}
	MemoryContextSwitchTo(context);
	result = CStringGetTextDatum(report);
	SPI_finish();
	PG_RETURN_DATUM(result);
}
