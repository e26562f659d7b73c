//! The SQL, with the schema's name in it.

/// What is asked of the server once it has been set up.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) put: String,
    pub(crate) delete: String,
    pub(crate) latest: String,
    pub(crate) by_id: String,
    pub(crate) list: String,
}

impl Statements {
    /// For tables in `schema`, a quoted name. Without `history` a put deletes what it supersedes, and is nothing where a
    /// later one is there.
    pub(crate) fn new(schema: &str, history: bool) -> Self {
        let (stale, unless) = if history {
            (String::new(), String::new())
        } else {
            (
                format!(
                    ", stale AS (DELETE FROM {schema}.checkpoint kept USING put
                        WHERE kept.thread = put.thread AND kept.id < put.id)"
                ),
                format!(
                    "WHERE NOT EXISTS (SELECT FROM {schema}.checkpoint kept
                        WHERE kept.thread = put.thread AND kept.id > put.id)"
                ),
            )
        };
        let columns = "id::text, parent::text, step::text, state::text, next::text, joins::text, pending::text";
        Self {
            put: format!(
                "WITH put AS MATERIALIZED (
                    SELECT thread COLLATE \"C\" AS thread, id::numeric AS id, parent::numeric AS parent,
                        step::numeric AS step, state::json AS state, next::json AS next, joins::json AS joins,
                        pending::json AS pending
                    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
                        AS given (thread, id, parent, step, state, next, joins, pending)
                ){stale}
                INSERT INTO {schema}.checkpoint (thread, id, parent, step, state, next, joins, pending)
                SELECT thread, id, parent, step, state, next, joins, pending FROM put {unless}
                ON CONFLICT (thread, id) DO UPDATE SET parent = excluded.parent, step = excluded.step,
                    state = excluded.state, next = excluded.next, joins = excluded.joins, pending = excluded.pending,
                    written = excluded.written"
            ),
            delete: format!("DELETE FROM {schema}.checkpoint WHERE thread = ANY ($1::text[])"),
            latest: format!("SELECT {columns} FROM {schema}.checkpoint WHERE thread = $1 ORDER BY checkpoint.id DESC LIMIT 1"),
            by_id: format!("SELECT {columns} FROM {schema}.checkpoint WHERE thread = $1 AND checkpoint.id = $2::text::numeric"),
            list: format!("SELECT id::text FROM {schema}.checkpoint WHERE thread = $1 ORDER BY checkpoint.id DESC"),
        }
    }
}

/// As an identifier, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
