//! MySQL's reserved words among those that can follow or begin something in the grammar of `parse`.

use sqlparser::keywords::Keyword::{self, *};

#[rustfmt::skip]
const RESERVED: &[Keyword] = &[
    ADD, ALL, ALTER, AND, AS, ASC, BETWEEN, BY, CASE, CHECK, COLLATE, COLUMN, CONSTRAINT, CREATE, CROSS,
    CURRENT_TIMESTAMP, DATABASE, DATABASES, DEFAULT, DELAYED, DELETE, DESC, DESCRIBE, DISTINCT, DISTINCTROW,
    DIV, HIGH_PRIORITY, LOW_PRIORITY, STRAIGHT_JOIN, DROP, ELSE, EXISTS, EXPLAIN, FALSE, FETCH, FOR, FORCE,
    FOREIGN, FROM, FULLTEXT, GRANT, GROUP, HAVING, IF, IGNORE, IN, INDEX, INNER, INSERT, INT, INTEGER,
    INTERVAL, INTO, IS, JOIN, KEY, KEYS, LEFT, LIKE, LIMIT, LOCK, NATURAL, NOT, NULL, ON, OPTION, OR, ORDER,
    OUTER, PARTITION, PRIMARY, REFERENCES, RENAME, REPLACE, REVOKE, RIGHT, SCHEMA, SCHEMAS, SELECT, SET, SHOW,
    SPATIAL, TABLE, THEN, TO, TRIGGER, TRUE, UNION, UNIQUE, UPDATE, USE, USING, VALUES, WHEN, WHERE, WITH,
    XOR,
];

/// Reserved words with which an expression may begin.
#[rustfmt::skip]
const BEGIN_EXPR: &[Keyword] = &[
    CASE, CURRENT_TIMESTAMP, DATABASE, DEFAULT, EXISTS, FALSE, IF, INSERT, INTERVAL, LEFT, NOT, NULL, REPLACE,
    RIGHT, SCHEMA, TRUE, VALUES,
];

/// Whether a word cannot be a name where it is not quoted.
pub(super) fn is_reserved(keyword: Keyword) -> bool {
    RESERVED.contains(&keyword)
}

/// Whether `sqlparser` would take this reserved word for a column.
pub(super) fn never_begins_expr(keyword: Keyword) -> bool {
    is_reserved(keyword) && !BEGIN_EXPR.contains(&keyword)
}
