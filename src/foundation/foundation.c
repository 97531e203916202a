/*-------------------------------------------------------------------------
 *
 * foundation.c
 *	  Who calls, and the schema files that install() applies.
 *
 * The files lie in <sharedir>/extension/pg_retail/schema: base files at the
 * top (version 0.1.0, the first that was released) and later ones in
 * migrations/<version>/.  They are returned in the order in which they are
 * applied: by version, then by name.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "retail.h"

#include <sys/stat.h>

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#define BASE_VERSION "0.1.0"

typedef struct SchemaFile
{
	int version[3];
	char *version_text;
	char *name; /* below the schema folder */
	char *path;
} SchemaFile;

PG_FUNCTION_INFO_V1(retail_caller);
Datum
retail_caller(PG_FUNCTION_ARGS)
{
	Name name = palloc0(NAMEDATALEN);

	namestrcpy(name, RetailCallerName());
	PG_RETURN_NAME(name);
}

/* Adds the .sql files of one folder to the list. */
static List *
ListFolder(List *files, const char *folder, const char *prefix,
		   const char *version_text)
{
	int version[3];
	DIR *dir;
	struct dirent *entry;

	if (sscanf(version_text, "%d.%d.%d", &version[0], &version[1],
			   &version[2]) != 3)
		return files;
	dir = AllocateDir(folder);
	while ((entry = ReadDir(dir, folder)) != NULL)
	{
		size_t length = strlen(entry->d_name);
		SchemaFile *file;

		if (length < 5 || strcmp(entry->d_name + length - 4, ".sql") != 0)
			continue;
		file = palloc(sizeof(SchemaFile));
		memcpy(file->version, version, sizeof(version));
		file->version_text = pstrdup(version_text);
		file->name = psprintf("%s%s", prefix, entry->d_name);
		file->path = psprintf("%s/%s", folder, entry->d_name);
		files = lappend(files, file);
	}
	FreeDir(dir);
	return files;
}

/* Orders files by version, then name. */
static int
CompareFiles(const ListCell *a, const ListCell *b)
{
	const SchemaFile *left = lfirst(a);
	const SchemaFile *right = lfirst(b);

	for (int i = 0; i < 3; i++)
		if (left->version[i] != right->version[i])
			return left->version[i] < right->version[i] ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* Reads a whole file as UTF-8 text and converts it to the database encoding. */
static text *
ReadSchemaFile(const char *path)
{
	FILE *stream = AllocateFile(path, PG_BINARY_R);
	struct stat status;
	char *content;
	char *converted;

	if (stream == NULL || fstat(fileno(stream), &status) != 0)
		ereport(ERROR, errcode_for_file_access(),
				errmsg("could not read schema file \"%s\": %m", path));
	content = palloc(status.st_size + 1);
	if (fread(content, 1, status.st_size, stream) != (size_t) status.st_size)
		ereport(ERROR, errcode_for_file_access(),
				errmsg("could not read schema file \"%s\": %m", path));
	content[status.st_size] = '\0';
	FreeFile(stream);
	converted = pg_any_to_server(content, (int) status.st_size, PG_UTF8);
	return cstring_to_text(converted);
}

PG_FUNCTION_INFO_V1(retail_schema_files);
Datum
retail_schema_files(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char share[MAXPGPATH];
	char *schema;
	char *migrations;
	List *files = NIL;
	ListCell *cell;
	DIR *dir;
	struct stat status;

	if (!superuser())
		ereport(
			ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied to read the schema files of pg_retail"),
			errhint(
				"Run retail.install() and retail.upgrade() as a superuser."));

	InitMaterializedSRF(fcinfo, 0);
	get_share_path(my_exec_path, share);
	schema = psprintf("%s/extension/pg_retail/schema", share);
	migrations = psprintf("%s/migrations", schema);

	files = ListFolder(files, schema, "", BASE_VERSION);
	if (stat(migrations, &status) == 0)
	{
		struct dirent *entry;

		dir = AllocateDir(migrations);
		while ((entry = ReadDir(dir, migrations)) != NULL)
			if (entry->d_name[0] != '.')
				files = ListFolder(
					files, psprintf("%s/%s", migrations, entry->d_name),
					psprintf("migrations/%s/", entry->d_name), entry->d_name);
		FreeDir(dir);
	}
	list_sort(files, CompareFiles);

	foreach(cell, files)
	{
		SchemaFile *file = lfirst(cell);
		Datum values[3];
		bool nulls[3] = {false, false, false};

		values[0] = CStringGetTextDatum(file->version_text);
		values[1] = CStringGetTextDatum(file->name);
		values[2] = PointerGetDatum(ReadSchemaFile(file->path));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
