/*-------------------------------------------------------------------------
 *
 * forecaster_fit.c
 *	  Bounded least squares: Levenberg-Marquardt with numeric derivatives,
 *	  projected onto a box (Levenberg 1944; Marquardt 1963).
 *
 * Deterministic; a handful of rounds is enough for the smooth, low-dimensional
 * problems of exponential smoothing.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#include "forecaster_internal.h"

/*
 * Return the sum of squares, or infinity where the model refuses.
 */
static double
Objective(const FitSpace *space, ResidualFunction function, void *model,
		  const double *parameters, double *residuals)
{
	double sum = 0;

	if (!function(model, parameters, residuals))
		return INFINITY;
	for (int i = 0; i < space->n; i++)
		sum += residuals[i] * residuals[i];
	return isfinite(sum) ? sum : INFINITY;
}

/*
 * Solve the normal equations of the free parameters in place (Cholesky).
 */
static bool
SolveNormal(double matrix[MAX_PARAMETERS][MAX_PARAMETERS], double *vector,
			int p)
{
	for (int j = 0; j < p; j++)
	{
		double diagonal = matrix[j][j];

		for (int k = 0; k < j; k++)
			diagonal -= matrix[j][k] * matrix[j][k];
		if (!(diagonal > 0))
			return false;
		diagonal = sqrt(diagonal);
		matrix[j][j] = diagonal;
		for (int i = j + 1; i < p; i++)
		{
			double sum = matrix[i][j];

			for (int k = 0; k < j; k++)
				sum -= matrix[i][k] * matrix[j][k];
			matrix[i][j] = sum / diagonal;
		}
	}
	for (int i = 0; i < p; i++)
	{
		for (int k = 0; k < i; k++)
			vector[i] -= matrix[i][k] * vector[k];
		vector[i] /= matrix[i][i];
	}
	for (int i = p - 1; i >= 0; i--)
	{
		for (int k = i + 1; k < p; k++)
			vector[i] -= matrix[k][i] * vector[k];
		vector[i] /= matrix[i][i];
	}
	return true;
}

/*
 * Fill the derivative of every residual by every parameter.
 */
static void
Derivatives(const FitSpace *space, ResidualFunction function, void *model,
			double *parameters, const double *base, double *jacobian)
{
	for (int j = 0; j < space->p; j++)
	{
		double *column = jacobian + (size_t) j * (size_t) space->n;
		double kept = parameters[j];
		double step = 1e-6 * (fabs(kept) > 0.01 ? fabs(kept) : 0.01);

		if (kept + step > space->upper[j])
			step = -step;
		parameters[j] = kept + step;
		if (function(model, parameters, column))
			for (int i = 0; i < space->n; i++)
				column[i] = (column[i] - base[i]) / step;
		else
			memset(column, 0, sizeof(double) * (size_t) space->n);
		parameters[j] = kept;
	}
}

/*
 * Move the parameters, which must lie in the box, to a local minimum; return
 * the sum of squares there.
 */
double
FitLeastSquares(Arena *arena, const FitSpace *space, ResidualFunction function,
				void *model, double *parameters)
{
	size_t n = (size_t) space->n;
	int p = space->p;
	double *base = space->columns;
	double *trial = base + n;
	double *jacobian = trial + n;
	double hessian[MAX_PARAMETERS][MAX_PARAMETERS];
	double gradient[MAX_PARAMETERS];
	double damping = 1e-3;
	double best = Objective(space, function, model, parameters, base);

	for (int round = 0; round < space->max_rounds && isfinite(best); round++)
	{
		bool improved = false;
		double before = best;

		if (best < 1e-24 * (double) n || ArenaStopped(arena))
			break;
		Derivatives(space, function, model, parameters, base, jacobian);
		for (int j = 0; j < p; j++)
		{
			const double *a = jacobian + (size_t) j * n;

			gradient[j] = 0;
			for (size_t i = 0; i < n; i++)
				gradient[j] += a[i] * base[i];
			for (int k = 0; k <= j; k++)
			{
				const double *b = jacobian + (size_t) k * n;
				double sum = 0;

				for (size_t i = 0; i < n; i++)
					sum += a[i] * b[i];
				hessian[j][k] = sum;
			}
		}
		for (int attempt = 0; attempt < 6 && !improved; attempt++)
		{
			double matrix[MAX_PARAMETERS][MAX_PARAMETERS];
			double vector[MAX_PARAMETERS];
			double moved[MAX_PARAMETERS];
			int free[MAX_PARAMETERS];
			int n_free = 0;
			double value;

			/* a bound that the gradient pushes against holds its parameter */
			for (int j = 0; j < p; j++)
				if (!(parameters[j] <= space->lower[j] && gradient[j] > 0) &&
					!(parameters[j] >= space->upper[j] && gradient[j] < 0))
					free[n_free++] = j;
			if (n_free == 0)
				return best;
			for (int j = 0; j < n_free; j++)
			{
				for (int k = 0; k <= j; k++)
					matrix[j][k] = hessian[free[j]][free[k]];
				matrix[j][j] = matrix[j][j] * (1 + damping) + 1e-12;
				vector[j] = -gradient[free[j]];
			}
			if (!SolveNormal(matrix, vector, n_free))
			{
				damping *= 10;
				continue;
			}
			memcpy(moved, parameters, sizeof(double) * (size_t) p);
			for (int j = 0; j < n_free; j++)
			{
				int k = free[j];

				moved[k] = fmin(fmax(moved[k] + vector[j], space->lower[k]),
								space->upper[k]);
			}
			value = Objective(space, function, model, moved, trial);
			if (value < best)
			{
				double *swap = base;

				base = trial;
				trial = swap;
				memcpy(parameters, moved, sizeof(double) * (size_t) p);
				best = value;
				damping = fmax(damping * 0.2, 1e-9);
				improved = true;
			}
			else
				damping *= 8;
		}
		if (!improved || before - best <= space->tolerance * before)
			break;
	}
	return best;
}
