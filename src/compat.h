/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Every difference between PostgreSQL 15, 16, 17 and 18 that this
 *		extension meets.
 *
 * No other file asks for PG_VERSION_NUM.  A shim is named foo_compat, never
 * by the name of the core function it stands for: core may export that name
 * in a minor release.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef RETAIL_COMPAT_H
#define RETAIL_COMPAT_H

#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "fmgr.h"
#include "utils/acl.h"
#include "utils/datetime.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_retail needs PostgreSQL 15 to 18"
#endif

/* 16 moved the varlena macros out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 says it before a function, as C11 does, and no longer after it. */
#if PG_VERSION_NUM >= 180000
#define pg_noreturn_compat pg_noreturn
#else
#define pg_noreturn_compat pg_attribute_noreturn()
#endif

/* 16 merged the ownership checks of all object classes into one. */
#if PG_VERSION_NUM >= 160000
#define database_ownercheck_compat(dboid, roleid) \
	object_ownercheck(DatabaseRelationId, (dboid), (roleid))
#define extension_ownercheck_compat(extoid, roleid) \
	object_ownercheck(ExtensionRelationId, (extoid), (roleid))
#else
#define database_ownercheck_compat(dboid, roleid) \
	pg_database_ownercheck((dboid), (roleid))
#define extension_ownercheck_compat(extoid, roleid) \
	pg_extension_ownercheck((extoid), (roleid))
#endif

/* 17 lets an extension name its own wait events. */
#if PG_VERSION_NUM >= 170000
#define wait_event_compat(name) WaitEventExtensionNew(name)
#else
#define wait_event_compat(name) ((uint32) PG_WAIT_EXTENSION)
#endif

/* 16 hands the place of an error back. */
#if PG_VERSION_NUM >= 160000
#define decode_datetime_compat(field, ftype, nf, dtype, tm, fsec, tzp)   \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tzp), \
				   &(DateTimeErrorExtra){0})
#else
#define decode_datetime_compat(field, ftype, nf, dtype, tm, fsec, tzp) \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tzp))
#endif

/* 17 names the number of a process, that of its PGPROC. */
#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h"
#define proc_number_compat() (MyProcNumber)
#else
#include "storage/proc.h"
#define proc_number_compat() (MyProc->pgprocno)
#endif

/* The first minor releases of 15 and 16 do not know half-dropped databases. */
#ifdef DATCONNLIMIT_INVALID_DB
#define database_is_invalid_compat(dbform) \
	((dbform)->datconnlimit == DATCONNLIMIT_INVALID_DB)
#else
#define database_is_invalid_compat(dbform) ((dbform)->datconnlimit == -2)
#endif

/* 16 can insert into summarizing indexes only; 18 can check an update. */
#include "executor/executor.h"
#if PG_VERSION_NUM >= 160000
#define exec_insert_index_tuples_compat(target, slot, estate, no_error, lost, \
										arbiters)                             \
	ExecInsertIndexTuples((target), (slot), (estate), false, (no_error),      \
						  (lost), (arbiters), false)
#define update_indexes_compat TU_UpdateIndexes
#define exec_update_index_tuples_compat(target, slot, estate, indexes)        \
	ExecInsertIndexTuples((target), (slot), (estate), true, false, NULL, NIL, \
						  (indexes) == TU_Summarizing)
#else
#define update_indexes_compat bool
#define exec_update_index_tuples_compat(target, slot, estate, indexes) \
	ExecInsertIndexTuples((target), (slot), (estate), true, false, NULL, NIL)
#define exec_insert_index_tuples_compat(target, slot, estate, no_error, lost, \
										arbiters)                             \
	ExecInsertIndexTuples((target), (slot), (estate), false, (no_error),      \
						  (lost), (arbiters))
#endif
#if PG_VERSION_NUM >= 180000
#define exec_check_index_constraints_compat(target, slot, estate, taken_by, \
											arbiters)                       \
	ExecCheckIndexConstraints((target), (slot), (estate), (taken_by), NULL, \
							  (arbiters))
#else
#define exec_check_index_constraints_compat(target, slot, estate, taken_by, \
											arbiters)                       \
	ExecCheckIndexConstraints((target), (slot), (estate), (taken_by),       \
							  (arbiters))
#endif

/* 18 counts what a scan of an index does, for EXPLAIN. */
#include "access/genam.h"
#if PG_VERSION_NUM >= 180000
#define index_beginscan_compat(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), (norderbys))
#else
#define index_beginscan_compat(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), (norderbys))
#endif

/* 18 knows constraints that are not enforced. */
#if PG_VERSION_NUM >= 180000
#define check_is_enforced_compat(check) ((check)->ccenforced)
#else
#define check_is_enforced_compat(check) ((void) (check), true)
#endif

/* 17 can ask for a lock or any that is stronger. */
#include "storage/lock.h"
#if PG_VERSION_NUM >= 170000
#define lock_held_by_me_compat(tag, mode) LockHeldByMe((tag), (mode), false)
#else
#define lock_held_by_me_compat(tag, mode) LockHeldByMe((tag), (mode))
#endif

/* 18 lets a module say its name and version. */
#if PG_VERSION_NUM >= 180000
#define RETAIL_MODULE_MAGIC(module_version) \
	PG_MODULE_MAGIC_EXT(.name = "pg_retail", .version = (module_version))
#else
#define RETAIL_MODULE_MAGIC(module_version) PG_MODULE_MAGIC
#endif

#endif /* RETAIL_COMPAT_H */
