/* The names of the queries of catalog_query(), in their order. */
#pragma once

enum catalog_query {
    CATALOG_QUERY_TYPES,
    CATALOG_QUERY_FUNCTIONS,
    CATALOG_QUERY_OPERATORS,
    CATALOG_QUERY_CASTS,
    CATALOG_QUERY_OPERATOR_CLASSES,
    CATALOG_QUERY_COLLATIONS,
    CATALOG_QUERY_RELATIONS,
    CATALOG_QUERY_INHERITS,
    CATALOG_QUERY_COLUMNS,
    CATALOG_QUERY_FOREIGN_KEYS,
    CATALOG_QUERY_TRIGGERS,
    CATALOG_QUERY_CODE,
    CATALOG_QUERY_EVENT_TRIGGERS,
    CATALOG_QUERY_INDEXES,
    CATALOG_QUERY_COUNT,
};

/* How many columns the rows of that query have. */
unsigned catalog_query_columns(unsigned index);
