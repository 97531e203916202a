/*-------------------------------------------------------------------------
 *
 * member_lock.c
 *	  Who may link whom: the advisory locks of the member room.
 *
 * Two calls that tell of one person at once must not both find nobody.  So
 * each locks, until its transaction ends and in this order:
 *
 *	   the gate			shared; exclusive by whoever resolves everybody
 *	   its match keys	before it looks for accounts that have them
 *	   the accounts		that it may link, in the order of their numbers
 *
 * and reads again what it read before it had the locks.  Within a call the
 * order is fixed, so two calls never wait for each other; two transactions of
 * several calls each may, and one of them is then told so (40P01).
 *
 * Locks are in shared memory.  A transaction that would take too many of them
 * takes the gate exclusively instead.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/member_internal.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "compat.h"

/* First keys of the two-key form of advisory locks. */
#define KEY_CLASS 0x52544D4B	 /* RTMK */
#define ACCOUNT_CLASS 0x52544D41 /* RTMA */

/* The gate is also asked for in SQL: hashtext('pg_retail'), 60. */
#define GATE_NUMBER 60

/* So many locks of a transaction fit beside those of others. */
#define MOST_LOCKS 1000

static TransactionId counted_xid = InvalidTransactionId;
static int counted_locks = 0;

static void
SetTag(LOCKTAG *tag, uint32 class, uint32 number)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, class, number, 2);
}

static void
SetGateTag(LOCKTAG *tag)
{
	static uint32 class = 0;

	if (class == 0)
		class = DatumGetUInt32(DirectFunctionCall1Coll(
			hashtext, C_COLLATION_OID, CStringGetTextDatum("pg_retail")));
	SetTag(tag, class, GATE_NUMBER);
}

/* Does this transaction resolve everybody?  Then it needs no other lock. */
bool
MemberGateIsMine(void)
{
	LOCKTAG tag;

	SetGateTag(&tag);
	return lock_held_by_me_compat(&tag, ExclusiveLock);
}

void
MemberLockGate(bool exclusive)
{
	LOCKTAG tag;

	SetGateTag(&tag);
	(void) LockAcquire(&tag, exclusive ? ExclusiveLock : ShareLock, false,
					   false);
}

/* Counts locks of this transaction; true: there would be too many. */
static bool
TooMany(int n)
{
	TransactionId xid = GetTopTransactionId();

	if (xid != counted_xid)
		counted_locks = 0;
	counted_xid = xid;
	counted_locks += n;
	return counted_locks > MOST_LOCKS;
}

/* Locks distinct sorted numbers of a class; true: it had to wait. */
static bool
LockAll(uint32 class, const uint32 *numbers, int n)
{
	bool waited = false;

	if (MemberGateIsMine())
		return false;
	if (TooMany(n))
	{
		MemberLockGate(true);
		return true;
	}
	for (int i = 0; i < n; i++)
	{
		LOCKTAG tag;

		if (i > 0 && numbers[i] == numbers[i - 1])
			continue;
		SetTag(&tag, class, numbers[i]);
		if (LockAcquire(&tag, ExclusiveLock, false, true) !=
			LOCKACQUIRE_NOT_AVAIL)
			continue;
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
		waited = true;
	}
	return waited;
}

static int
CompareNumbers(const void *a, const void *b)
{
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/* Locks match keys, after the gate; true: it had to wait. */
bool
MemberLockKeys(const uint64 *keys, int n)
{
	uint32 *numbers = palloc(sizeof(uint32) * Max(n, 1));

	MemberLockGate(false);
	for (int i = 0; i < n; i++)
		numbers[i] = (uint32) (keys[i] ^ (keys[i] >> 32));
	qsort(numbers, n, sizeof(uint32), CompareNumbers);
	return LockAll(KEY_CLASS, numbers, n);
}

/* Locks accounts, after the gate; true: it had to wait. */
bool
MemberLockAccounts(const int64 *ids, int n)
{
	uint32 *numbers = palloc(sizeof(uint32) * Max(n, 1));

	MemberLockGate(false);
	for (int i = 0; i < n; i++)
		numbers[i] = (uint32) (ids[i] ^ (ids[i] >> 32));
	qsort(numbers, n, sizeof(uint32), CompareNumbers);
	return LockAll(ACCOUNT_CLASS, numbers, n);
}

PG_FUNCTION_INFO_V1(retail_lock_members);
Datum
retail_lock_members(PG_FUNCTION_ARGS)
{
	MemberLockGate(PG_GETARG_BOOL(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(retail_lock_accounts);
Datum
retail_lock_accounts(PG_FUNCTION_ARGS)
{
	int n;
	int64 *ids = RetailInt64ArrayArgument(fcinfo, 0, &n);

	(void) MemberLockAccounts(ids, n);
	PG_RETURN_VOID();
}
