/*-------------------------------------------------------------------------
 *
 * solver_oracle.c
 *	  The allocation solver against mixed-integer programs solved by cbc.
 *
 * usage: solver_oracle N SEED DIRECTORY SHAPE...
 *		  solver_oracle file FILE DIRECTORY
 *
 * The first makes N random instances of each shape (shapes.c), the second
 * reads instances and what somebody says that they cost (quote_order(), see
 * quotes.sql).  Both are stated to cbc (programs.c).
 *
 * Orders of at most 12 lines that are kept whole must agree to the cent, and
 * be refused if and only if cbc finds no plan; for the others the optimum must
 * lie between our lower bound and our cost.
 *
 * Prints TAP, one test a shape.  An instance that cbc did not finish within
 * its time, or that is larger than its program, is counted as not asked; more
 * than one in a hundred of them fails the shape.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <string.h>

#include "oracle.h"

#define CBC_SECONDS 30
#define MAX_GAPS 100000

/* What cbc says. */
typedef enum Answer
{
	NOT_ASKED,
	NO_PLAN,
	OPTIMUM
} Answer;

typedef struct Count
{
	int passed;
	int failed;
	int not_asked;
	int refused; /* no plan, says cbc too */
	int missed;	 /* there is one, which a heuristic did not find */
	int slots;
	int n_gaps;
	double gaps[MAX_GAPS];	/* our cost over the optimum */
	double slack[MAX_GAPS]; /* the optimum over our bound */
} Count;

static Case the_case;
static Count count;

/*
 * Have cbc solve the program in a file.
 */
static Answer
RunCbc(const char *directory, double *optimum)
{
	char name[512];
	char command[2048];
	char line[512] = "";
	FILE *file;

	snprintf(name, sizeof(name), "%s/oracle.sol", directory);
	remove(name);
	snprintf(command, sizeof(command),
			 "cbc %s/oracle.lp sec %d ratio 0 allow 0.01 increment 0.5 "
			 "solve solu %s/oracle.sol >%s/oracle.log 2>&1",
			 directory, CBC_SECONDS, directory, directory);
	if (system(command) != 0)
		return NOT_ASKED;
	file = fopen(name, "r");
	if (file == NULL)
		return NOT_ASKED;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	if (sscanf(line, "Optimal - objective value %lf", optimum) == 1)
		return OPTIMUM;
	return strstr(line, "nfeasible") != NULL ? NO_PLAN : NOT_ASKED;
}

/*
 * State a case to cbc, by the program with slots or the one with columns.
 */
static Answer
AskCbc(const Case *c, bool slots, const char *directory, double *optimum)
{
	char name[512];
	FILE *file;
	bool written;
	Answer answer;

	snprintf(name, sizeof(name), "%s/oracle.lp", directory);
	file = fopen(name, "w");
	if (file == NULL)
		return NOT_ASKED;
	written = slots ? WriteSlotProgram(file, c) : WriteColumnProgram(file, c);
	fclose(file);
	if (!written)
		return NOT_ASKED;
	answer = RunCbc(directory, optimum);
	*optimum -= (double) c->problem.split_penalty;
	return answer;
}

/*
 * Keep how far our plan and our bound are from the optimum.
 */
static void
KeepGaps(const SolverPlan *plan, double optimum)
{
	if (optimum <= 0 || count.n_gaps >= MAX_GAPS)
		return;
	count.gaps[count.n_gaps] = ((double) plan->cost - optimum) / optimum;
	count.slack[count.n_gaps++] =
		(optimum - (double) plan->lower_bound) / optimum;
}

/*
 * Compare an answer of ours with cbc's; NULL: nothing wrong.
 */
static const char *
Compare(const Case *c, SolverStatus status, const SolverPlan *plan,
		Answer answer, double optimum)
{
	bool exact = !c->divided && c->problem.n_lines <= SOLVER_EXACT_LINES;

	if (answer == NO_PLAN)
	{
		/* lines divided beyond need are not in cbc's program */
		if (status == SOLVER_OK && !c->problem.allow_line_split)
			return "a plan where there is none";
		count.refused++;
		return NULL;
	}
	if (status == SOLVER_NO_PLAN && !exact)
	{
		count.missed++;
		return NULL;
	}
	if (status != SOLVER_OK)
		return "refused, and there is a plan";
	if ((double) plan->lower_bound > optimum + 0.5)
		return "the bound is above the optimum";
	if ((double) plan->cost < optimum - 0.5)
		return "below the optimum";
	if (exact && (!plan->exact || (double) plan->cost > optimum + 0.5))
		return "not optimal";
	if (!exact)
		KeepGaps(plan, optimum);
	return NULL;
}

/*
 * Solve a case, ask cbc, and count.
 */
static void
TryCase(Case *c, bool slots, const char *name, uint64_t seed,
		const char *directory)
{
	SolverPlan plan;
	SolverStatus status = solver_solve(&c->problem, &plan);
	const char *wrong = NULL;
	double optimum = 0;
	Answer answer = AskCbc(c, slots, directory, &optimum);

	if (status == SOLVER_OK)
		wrong = JudgePlan(&c->problem, &plan);
	else if (status > SOLVER_NO_PLAN)
		wrong = "no answer";
	if (wrong == NULL && answer != NOT_ASKED)
		wrong = Compare(c, status, &plan, answer, optimum);
	if (wrong != NULL)
		printf("# %s of seed %" PRIu64 ": %s: %s, ours %" PRId64
			   " (at least %" PRId64 "), cbc %d: %.2f\n",
			   name, seed, wrong, solver_status_text(status), plan.cost,
			   plan.lower_bound, (int) answer, optimum);
	if (wrong != NULL)
		count.failed++;
	else if (answer == NOT_ASKED)
		count.not_asked++;
	else
	{
		count.passed++;
		count.slots += slots;
	}
	if (status == SOLVER_OK)
		solver_free_plan(&c->problem, &plan);
}

static int
CompareNumbers(const void *left, const void *right)
{
	double a = *(const double *) left;
	double b = *(const double *) right;

	return (a > b) - (a < b);
}

/*
 * Print how numbers are distributed.
 */
static void
PrintDistribution(const char *what, double *numbers, int n)
{
	int zero = 0;

	qsort(numbers, (size_t) n, sizeof(double), CompareNumbers);
	while (zero < n && numbers[zero] < 1e-9)
		zero++;
	printf("#   %s: none %.1f %%, median %.2f %%, 90 %% below %.2f %%, "
		   "99 %% below %.2f %%, greatest %.2f %%\n",
		   what, 100.0 * zero / n, 100 * numbers[n / 2],
		   100 * numbers[n * 9 / 10], 100 * numbers[n * 99 / 100],
		   100 * numbers[n - 1]);
}

/*
 * Print the verdict on a shape as TAP; returns whether it passed.
 */
static bool
PrintVerdict(int test, const char *name)
{
	bool good = count.failed == 0 && count.passed > 0 &&
		count.not_asked * 100 <= count.passed &&
		count.missed * 100 <= count.passed;

	printf("%sok %d - %s: %d agree with cbc (%d of them refused, %d by the "
		   "program with slots), %d differ, %d plans missed, %d not asked\n",
		   good ? "" : "not ", test, name, count.passed, count.refused,
		   count.slots, count.failed, count.missed, count.not_asked);
	if (count.n_gaps > 0)
	{
		PrintDistribution("our cost above the optimum", count.gaps,
						  count.n_gaps);
		PrintDistribution("our bound below the optimum", count.slack,
						  count.n_gaps);
	}
	fflush(stdout);
	return good;
}

/*
 * Try n instances of a shape.
 */
static void
TryShape(int shape, int n, uint64_t seed, const char *directory)
{
	memset(&count, 0, sizeof(count));
	for (int i = 0; i < n; i++)
	{
		Case *c = &the_case;
		uint64_t own = seed + (uint64_t) i;

		/* Each has a seed of its own, to be run again alone. */
		SeedCases(own * 64 + (uint64_t) shape);
		MakeCase(c, shape, (int) own);
		TryCase(c,
				c->problem.allow_line_split ||
					(own % 3 == 0 && c->problem.n_lines <= 4 &&
					 c->problem.n_nodes <= 4),
				shape_names[shape], own, directory);
	}
}

/*
 * Check the costs in a file.
 */
static bool
TryFile(const char *name, const char *directory)
{
	FILE *file = fopen(name, "r");
	long id;
	int64_t cost;

	if (file == NULL)
	{
		perror(name);
		return false;
	}
	while (ReadCase(&the_case, file, &id, &cost))
	{
		double optimum = 0;
		Answer answer = AskCbc(&the_case, false, directory, &optimum);
		bool same = cost == REFUSED ? answer == NO_PLAN
									: answer == OPTIMUM &&
				(double) cost - optimum < 0.5 && optimum - (double) cost < 0.5;

		if (answer == NOT_ASKED)
			count.not_asked++;
		else if (same)
			count.passed++;
		else
			count.failed++;
		count.refused += same && cost == REFUSED;
		if (!same && answer != NOT_ASKED)
			printf("# order %ld: quoted %" PRId64 ", cbc %d: %.2f\n", id, cost,
				   (int) answer, optimum);
	}
	fclose(file);
	return PrintVerdict(1, "quote_order()");
}

int
main(int argc, char **argv)
{
	bool good = true;
	int n;

	if (argc == 4 && strcmp(argv[1], "file") == 0)
		return TryFile(argv[2], argv[3]) ? 0 : 1;
	if (argc < 5 || (n = atoi(argv[1])) < 1)
	{
		fprintf(stderr, "usage: solver_oracle N SEED DIRECTORY SHAPE...\n");
		return 2;
	}
	for (int i = 4; i < argc; i++)
	{
		int shape = 0;

		while (shape_names[shape] != NULL &&
			   strcmp(shape_names[shape], argv[i]) != 0)
			shape++;
		if (shape_names[shape] == NULL)
		{
			fprintf(stderr, "there is no shape \"%s\"\n", argv[i]);
			return 2;
		}
		TryShape(shape, n, strtoull(argv[2], NULL, 10), argv[3]);
		good &= PrintVerdict(shape + 1, argv[i]);
	}
	return good ? 0 : 1;
}
