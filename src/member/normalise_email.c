/*-------------------------------------------------------------------------
 *
 * normalise_email.c
 *	  E-mail addresses.
 *
 * Upper and lower case are one everywhere (no provider tells them apart).
 * What providers ignore is dropped only where they are known to:
 *	  gmail.com, googlemail.com (= gmail.com): dots, and + and what follows
 *	  outlook, hotmail, live, msn, icloud, me, mac, proton, protonmail, pm,
 *	  fastmail, yandex, zoho: + and what follows
 * Elsewhere a + may be part of the name, and is kept.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "member/normalise_internal.h"

#include <string.h>

#include <unicode/uidna.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#define MAX_LOCAL 64
#define MAX_DOMAIN 253
#define MAX_LABEL 63

static const char TagDomains[] =
	" gmail.com outlook.com hotmail.com live.com msn.com icloud.com me.com "
	"mac.com proton.me protonmail.com pm.me fastmail.com yandex.ru yandex.com "
	"zoho.com live.cn outlook.cn ";

/* Local parts and domains of nobody. */
static const char BlockedLocals[] =
	" test null none noemail no-email nomail no-mail noreply no-reply na n.a "
	"unknown anonymous nobody example user email mail abc asdf qwerty xxx aaa "
	"123 1234 12345 123456 ";
static const char BlockedDomains[] =
	" example.com example.org example.net test.com email.invalid noemail.com "
	"none.com localhost ";

static void
PutCharacter(Output *output, uint32_t character)
{
	char bytes[4];
	int32_t n = 0;

	U8_APPEND_UNSAFE(bytes, n, character);
	/* never half a character */
	if (output->length + (size_t) n + 1 > output->size)
	{
		output->full = true;
		return;
	}
	for (int i = 0; i < n; i++)
		OutputByte(output, bytes[i]);
}

/* Is it a domain that may stand on the internet? */
static bool
IsDomain(const char *domain)
{
	size_t length = strlen(domain);
	int labels = 0;

	if (length == 0 || length > MAX_DOMAIN)
		return false;
	for (const char *at = domain;; at++)
	{
		size_t n = strcspn(at, ".");

		if (n == 0 || n > MAX_LABEL || at[0] == '-' || at[n - 1] == '-' ||
			strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-") < n)
			return false;
		labels++;
		if (at[n] == '\0')
			return labels > 1 && n > 1 &&
				(strspn(at, "abcdefghijklmnopqrstuvwxyz") == n ||
				 strncmp(at, "xn--", 4) == 0);
		at += n;
	}
}

static bool
IsLocal(const char *local, size_t length)
{
	if (length == 0 || length > MAX_LOCAL || local[0] == '.' ||
		local[length - 1] == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if ((local[i] == '.' && local[i + 1] == '.') ||
			(local[i] > 0 &&
			 strchr("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+-/=?^_`{|}~",
					local[i]) == NULL))
			return false;
	return true;
}

/* Write a domain; one in another script as punycode, if it has such a form. */
static void
PutDomain(const uint32_t *chars, int n, Output *output)
{
	UErrorCode error = U_ZERO_ERROR;
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UChar units[NORMALISE_MAX_INPUT * 2];
	UChar ascii[MAX_DOMAIN + 3];
	UIDNA *idna;
	int32_t length = 0;
	bool foreign = false;

	for (int i = 0; i < n; i++)
	{
		foreign |= chars[i] > 127;
		U16_APPEND_UNSAFE(units, length, chars[i]);
	}
	if (foreign &&
		(idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII, &error)) !=
			NULL)
	{
		length = uidna_nameToASCII(idna, units, length, ascii, MAX_DOMAIN,
								   &info, &error);
		uidna_close(idna);
		if (U_SUCCESS(error) && info.errors == 0)
		{
			for (int i = 0; i < length; i++)
				PutCharacter(output, ascii[i]);
			return;
		}
	}
	for (int i = 0; i < n; i++)
		PutCharacter(output, chars[i]);
}

/*
 * Keep what is the address: that in angle brackets, else all; no blanks, no
 * mailto:, ASCII signs for full-width ones.  Returns how many characters.
 */
static int
CleanAddress(Chars *chars)
{
	int from = 0;
	int end = chars->n;
	int n = 0;

	for (int i = 0; i < chars->n; i++)
		if (chars->at[i] == '<')
		{
			for (end = from = i + 1; end < chars->n && chars->at[end] != '>';)
				end++;
			break;
		}
	for (int i = from; i < end; i++)
	{
		uint32_t c = chars->at[i];

		if (c == U'。')
			c = '.';
		if (!NormaliseOneOf(c, U32(" <>\"")))
			chars->at[n++] = c;
	}
	for (from = 0, end = -1; end != n - from;)
	{
		end = n - from;
		from += NormaliseBegins(chars->at + from, n - from, U32("mailto:"));
		while (n > from && NormaliseOneOf(chars->at[n - 1], U32(".,;:)")))
			n--;
		while (from < n && NormaliseOneOf(chars->at[from], U32(".,;:(")))
			from++;
	}
	memmove(chars->at, chars->at + from,
			(size_t) (n - from) * sizeof(*chars->at));
	return n - from;
}

/* Drop what the provider ignores of a local part; returns its new length. */
static size_t
FoldLocal(char *local, size_t length, const char *domain)
{
	size_t kept = 0;
	bool dots = strcmp(domain, "gmail.com") == 0;

	if (!NormaliseInList(domain, strlen(domain), TagDomains) || local[0] == '+')
		return length;
	for (size_t i = 0; i < length && local[i] != '+'; i++)
		if (local[i] != '.' || !dots)
			local[kept++] = local[i];
	return kept;
}

NormalText
NormaliseEmail(Normaliser *normaliser, const char *text, int length, char *out,
			   size_t size)
{
	Chars chars;
	Output output;
	NormalText result = {0};
	char local[NORMALISE_TEXT_SIZE * 4];
	char domain[NORMALISE_TEXT_SIZE * 4];
	size_t local_length;
	int n;
	int at;

	NormaliseDecode(normaliser, text, length, &chars);
	result.flags = chars.flags;
	chars.n = CleanAddress(&chars);
	NormaliseCompose(normaliser, &chars);
	n = chars.n;
	for (at = n - 1; at >= 0 && chars.at[at] != '@';)
		at--;
	OutputBegin(&output, domain, sizeof(domain));
	if (at >= 0)
		PutDomain(&chars.at[at + 1], n - at - 1, &output);
	if (strcmp(domain, "googlemail.com") == 0)
		strcpy(domain, "gmail.com");
	OutputBegin(&output, local, sizeof(local));
	for (int i = 0; i < (at < 0 ? n : at); i++)
		PutCharacter(&output, chars.at[i]);
	local_length = FoldLocal(local, output.length, domain);
	local[local_length] = '\0';
	if (at < 0 || !IsLocal(local, local_length) || !IsDomain(domain))
		result.flags |= NORMALISE_INVALID;
	if (NormaliseInList(local, local_length, BlockedLocals) ||
		(local_length > 2 && NormaliseIsFiller(local, local_length)) ||
		NormaliseInList(domain, strlen(domain), BlockedDomains) ||
		(at < 0 && strcmp(local, "n/a") == 0))
		result.flags |= NORMALISE_BLOCKED;
	if (strstr(local, "**") != NULL)
		result.flags |= NORMALISE_MASKED | NORMALISE_BLOCKED;
	OutputBegin(&output, out, size);
	for (const char *c = local; *c != '\0';)
	{
		uint32_t character;
		int32_t i = 0;

		U8_NEXT_UNSAFE(c, i, character);
		PutCharacter(&output, character);
		c += i;
	}
	if (at >= 0)
		PutCharacter(&output, '@');
	OutputString(&output, domain);
	if (output.full)
		result.flags |= NORMALISE_TRUNCATED;
	if (n == 0)
		result.flags =
			(result.flags & ~(uint32_t) NORMALISE_INVALID) | NORMALISE_EMPTY;
	result.length = (int) output.length;
	return result;
}
