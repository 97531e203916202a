# forecast_series.R: random series, and what the package forecast says of them, for forecast_oracle.c.
#
#   Rscript forecast_series.R N SEED
#
# series FREQUENCY LENGTH y ...
# ets FORM alpha beta gamma phi level slope seasons(FREQUENCY, of the first observations) AICC forecasts(6)
# theta forecasts(6)
# croston forecast
suppressMessages(library(forecast))
arguments <- as.integer(commandArgs(TRUE))
set.seed(arguments[2])
options(digits = 15)

value <- function(x, name) if (name %in% names(x)) x[[name]] else NA
say <- function(...) cat(paste(..., collapse = " "), "\n")

# R takes the first step of a damped trend undamped where errors and seasons multiply: not compared.
path <- function(fit) if (substr(fit$method, 1, 10) == "ETS(M,Ad,M") rep("nan", 6) else as.numeric(forecast(fit, 6)$mean)

ets_line <- function(y, form, damped) {
	fit <- tryCatch(ets(y, model = form, damped = damped), error = function(e) NULL)
	if (is.null(fit)) return()
	m <- frequency(y)
	first <- fit$initstate
	seasons <- rep(0, m)
	if (substr(form, 3, 3) != "N") {
		# the newest comes first
		seasons <- rev(first[(length(first) - m + 1):length(first)])
	}
	slope <- if (substr(form, 2, 2) == "N") 0 else first[[2]]
	number <- function(name) { v <- value(fit$par, name); if (is.na(v)) 0 else v }
	phi <- if (damped) number("phi") else 1
	say(c("ets", paste0(substr(form, 1, 1), if (damped) "D" else substr(form, 2, 2), substr(form, 3, 3)),
		number("alpha"), number("beta"), number("gamma"), phi, first[[1]], slope, seasons, fit$aicc,
		path(fit)))
}

for (i in seq_len(arguments[1])) {
	m <- c(1, 4, 12)[i %% 3 + 1]
	n <- sample(max(24, 4 * m):120, 1)
	level <- 100 + cumsum(rnorm(n, runif(1, -0.2, 1), runif(1, 0.2, 4)))
	y <- pmax(level, 20) * (1 + 0.25 * sin(2 * pi * seq_len(n) / m) * (m > 1)) * exp(rnorm(n, 0, 0.03))
	y <- ts(round(y, 4), frequency = m)
	say(c("series", m, n, y))
	for (form in c("ANN", "AAN", "MNN", "MAN", if (m > 1) c("ANA", "AAA", "MNA", "MAA", "MNM", "MAM")))
		for (damped in c(FALSE, TRUE))
			if (!damped || substr(form, 2, 2) != "N") ets_line(y, form, damped)
	if (m == 1) say(c("theta", as.numeric(thetaf(y, 6)$mean)))
	y <- rpois(n, runif(1, 0.2, 1))
	if (sum(y > 0) > 1) {
		say(c("series", 1, n, y))
		say(c("croston", as.numeric(croston(y, h = 1)$mean)))
	}
}
