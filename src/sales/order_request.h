/*-------------------------------------------------------------------------
 *
 * order_request.h
 *	  What a caller orders, checked and resolved against the catalogue.
 *
 * Copyright (c) 2026, pg_retail contributors
 * SPDX-License-Identifier: PostgreSQL
 *-------------------------------------------------------------------------
 */
#ifndef PG_RETAIL_ORDER_REQUEST_H
#define PG_RETAIL_ORDER_REQUEST_H

#include "allocation/shortage.h"

/* The money side of a line; its goods are sourcing.lines of the same index. */
typedef struct OrderLinePrice
{
	int64 unit_price; /* cents */
	int64 discount;	  /* cents, of the whole line */
} OrderLinePrice;

/* What a bundle of an order holds of one SKU. */
typedef struct OrderComponent
{
	int line;		/* of the order, from 0 */
	int64 quantity; /* units in one bundle */
	int64 amount;	/* cents: its share in what all the bundles cost */
} OrderComponent;

/* A bundle that is ordered. */
typedef struct OrderBundle
{
	int64 sku_id;
	const char *sku;
	int64 quantity;
	OrderLinePrice price; /* of a bundle; discount of all of them */
	int n_components;
	OrderComponent *components;
} OrderBundle;

typedef struct OrderRequest
{
	SourcingRequest sourcing;
	OrderLinePrice *prices;
	int n_bundles;
	OrderBundle *bundles;
	ShortageRule shortage;
	const char *shortage_name; /* as the caller wrote it */
	Jsonb *recipient;		   /* NULL: none */
	int64 goods_total;
	int64 discount_total;
} OrderRequest;

/* What a line of an order needs to know of its SKU. */
typedef struct SkuRow
{
	bool found;
	bool active;
	bool bundle;
	bool priced;
	int64 sku_id;
	int64 weight_g;
	int64 volume_cm3;
	int64 price;  /* list price in cents, if priced */
	int64 factor; /* units of the pack that is ordered; 0: not sold by it */
	uint32 temperature;
} SkuRow;

/* The SKUs of the lines of an order, looked up with others': LookUpSkus(). */
typedef struct SkuLookup
{
	const SkuRow *rows;
} SkuLookup;

/* Arguments shared by place_order and quote_order. */
typedef struct OrderArguments
{
	const char *channel;
	Jsonb *lines;
	Jsonb *destination; /* NULL: none */
	const char *fulfilment;
	const char *pick_up_node; /* NULL: none */
	const char *policy;		  /* NULL: the channel's */
	const char *shortage;	  /* NULL: refuse */
	TimestampTz as_of;
	const SkuLookup *skus; /* NULL: looked up for this order */
} OrderArguments;

extern int64 FreightCents(Numeric freight);
extern bool IsPaidOnDelivery(const char *payment);
extern void
LookUpSkus(Jsonb *const *lines, int n, bool read_only, SkuLookup *lookups);
extern OrderRequest *
ParseOrder(const OrderArguments *arguments, bool read_only);
extern void PickUpAt(SourcingRequest *sourcing, const CatalogNode *node);
extern bool ShipToStore(SourcingRequest *sourcing, const CatalogNode *node);

#endif /* PG_RETAIL_ORDER_REQUEST_H */
