//! The tables: made where they are missing, refused where they are of another version.

use tokio_postgres::Client;

use crate::{place::sentence, statements::quoted};

/// The version of the tables that this code knows.
const VERSION: i32 = 1;

/// One maker at a time, of all that ever make tables here: "batchmill" as a number.
const LOCK: i64 = 0x6261_7463_686d_696c;

/// Sees to it that the tables are there. The error is a sentence.
///
/// Where they are, nothing but reading is needed: a user without the right to make tables may use them.
pub(crate) async fn set_up(client: &Client, name: &str) -> Result<(), String> {
    let failed = |error: tokio_postgres::Error| format!("schema `{name}`: {}", sentence(&error));
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await.map_err(failed)?.get(0);
    if encoding != "UTF8" {
        return Err(format!("the database is encoded as {encoding}: checkpoints need one in UTF8"));
    }
    if is_there(client, name).await.map_err(failed)? {
        return check(client, name).await;
    }
    make(client, name).await.map_err(failed)?;
    check(client, name).await
}

async fn is_there(client: &Client, name: &str) -> Result<bool, tokio_postgres::Error> {
    let table = format!("{}.checkpoint_version", quoted(name));
    let found = client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table]).await?;
    Ok(found.get(0))
}

async fn check(client: &Client, name: &str) -> Result<(), String> {
    let select = format!("SELECT version FROM {}.checkpoint_version", quoted(name));
    let found = client.query_opt(&select, &[]).await;
    let found = found.map_err(|error| format!("schema `{name}`: {}", sentence(&error)))?;
    match found.map(|row| row.get::<_, i32>(0)) {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(format!(
            "schema `{name}` is of version {newer}, this program knows {VERSION}: use the newer program, or another schema"
        )),
        Some(other) => Err(format!("schema `{name}` is of version {other}, which never was: use another schema")),
        None => Err(format!("schema `{name}` does not say its version: use another schema")),
    }
}

/// One statement list is one transaction: all of it or nothing.
async fn make(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let schema = quoted(name);
    // Who may use a schema need not have the right to make one.
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1::text)";
    let exists: bool = client.query_one(exists, &[&name]).await?.get(0);
    let create_schema = if exists { String::new() } else { format!("CREATE SCHEMA IF NOT EXISTS {schema};") };
    client
        .batch_execute(&format!(
            "BEGIN;
            SELECT pg_advisory_xact_lock({LOCK});
            {create_schema}
            CREATE TABLE IF NOT EXISTS {schema}.checkpoint (
                thread text COLLATE \"C\" NOT NULL,
                id numeric(20) NOT NULL,
                parent numeric(20),
                step numeric(20) NOT NULL,
                state json NOT NULL,
                next json NOT NULL,
                joins json NOT NULL,
                pending json NOT NULL,
                written timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (thread, id)
            );
            COMMENT ON TABLE {schema}.checkpoint IS 'Checkpoints of running jobs: thread is BATCH/JOB.';
            CREATE TABLE IF NOT EXISTS {schema}.checkpoint_version (
                version integer NOT NULL,
                single boolean PRIMARY KEY DEFAULT true CHECK (single)
            );
            INSERT INTO {schema}.checkpoint_version (version) VALUES ({VERSION}) ON CONFLICT DO NOTHING;
            COMMIT;"
        ))
        .await
}
