//! The server's memory: jobs, their tags and transitions, and registered forecasts, in an SQLite database.
//!
//! Every change is one transaction that is on disk before it is acknowledged (`synchronous=FULL`), so a server that is
//! killed at any moment comes back with all that it has answered. Other processes may open the database at the same
//! time: `register` writes to it while a server runs.

use super::problem::{Name, Problem};
use crate::model::{Error, Format, Kind, PartName, RunStamp};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The changes that lead from one version of the schema to the next. A database has as many behind it as its
/// `user_version` says.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE forecast (
        name TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        -- Which run of the source is meant, as JSON.
        choice TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE job (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        arn TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        forecast_arn TEXT NOT NULL,
        path TEXT NOT NULL,
        role_arn TEXT NOT NULL,
        kms_key_arn TEXT,
        -- As the caller gave it.
        format TEXT,
        -- The second that is part of its files' names.
        stamp INTEGER NOT NULL,
        status TEXT NOT NULL,
        message TEXT,
        -- Milliseconds since 1970.
        created INTEGER NOT NULL,
        ended INTEGER
    ) STRICT;
    CREATE INDEX job_by_status ON job (status, number);
    CREATE INDEX job_by_forecast ON job (forecast_arn, number);
    CREATE TABLE tag (
        arn TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (arn, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE transition (
        number INTEGER PRIMARY KEY,
        -- The job's number; its transitions stay when it is deleted.
        job INTEGER NOT NULL,
        status TEXT NOT NULL,
        message TEXT,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX transition_by_job ON transition (job, number);
    -- Where deleted jobs have left files, and with which second in their names.
    CREATE TABLE left_files (
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        stamp INTEGER NOT NULL
    ) STRICT;
"];

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(10);
/// The most tags of a resource.
const MAX_TAGS: i64 = 50;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Status {
    CreatePending,
    CreateInProgress,
    Active,
    CreateFailed,
    CreateStopping,
    CreateStopped,
}

impl Status {
    pub(super) const ALL: [Status; 6] = [
        Status::CreatePending,
        Status::CreateInProgress,
        Status::Active,
        Status::CreateFailed,
        Status::CreateStopping,
        Status::CreateStopped,
    ];

    /// The service's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Status::CreatePending => "CREATE_PENDING",
            Status::CreateInProgress => "CREATE_IN_PROGRESS",
            Status::Active => "ACTIVE",
            Status::CreateFailed => "CREATE_FAILED",
            Status::CreateStopping => "CREATE_STOPPING",
            Status::CreateStopped => "CREATE_STOPPED",
        }
    }

    /// Whether nothing will change any more.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Status::Active | Status::CreateFailed | Status::CreateStopped)
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// What a caller wants to be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewJob {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) forecast_arn: String,
    pub(super) path: String,
    pub(super) role_arn: String,
    pub(super) kms_key_arn: Option<String>,
    pub(super) format: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// A job as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Jobs are numbered as they are created.
    pub(super) number: i64,
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) forecast_arn: String,
    pub(super) path: String,
    pub(super) role_arn: String,
    pub(super) kms_key_arn: Option<String>,
    pub(super) format: Option<String>,
    /// The second in its files' names, since 1970.
    pub(super) stamp: i64,
    pub(super) status: Status,
    pub(super) message: Option<String>,
    pub(super) created: DateTime<Utc>,
    pub(super) ended: Option<DateTime<Utc>>,
}

impl Job {
    /// The service's word for the format of its parts; CSV if the caller gave none.
    pub(super) fn format_word(&self) -> &str {
        self.format.as_deref().unwrap_or("CSV")
    }

    /// The format of its parts.
    pub(super) fn format(&self) -> Format {
        if self.format_word() == "PARQUET" { Format::Parquet } else { Format::Csv }
    }

    /// The name of the part with this number.
    pub(super) fn part(&self, number: u64) -> crate::model::Result<PartName> {
        let stamp = RunStamp::from_instant(self.stamp)
            .ok_or_else(|| Error::Internal(format!("no run can have the time {}", self.stamp)))?;
        Ok(PartName::new(Kind::Forecast, &self.name, &stamp, number, self.format().name()))
    }

    /// When it last changed: a job that is being worked on changes all the time.
    pub(super) fn modified(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.status {
            Status::CreatePending => self.created,
            _ => self.ended.unwrap_or(now),
        }
    }
}

/// Which jobs to list: all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) column: Column,
    pub(super) is: bool,
    pub(super) value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    ForecastArn,
    Status,
}

/// A forecast that was registered at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) choice: String,
    pub(super) created: DateTime<Utc>,
}

/// The open database. Readers do not wait for a writer.
pub(super) struct State {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

/// Why the database cannot be opened.
#[derive(Debug)]
pub(super) enum OpenError {
    Sqlite(rusqlite::Error),
    /// It was written by a newer version of the program.
    Newer(i64),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        OpenError::Sqlite(error)
    }
}

impl State {
    /// Opens the database, which is made if there is none, and brings it to this version's schema.
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(file)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        let mut writer = connect()?;
        migrate(&mut writer)?;
        Ok(State { writer: Mutex::new(writer), reader: Mutex::new(connect()?) })
    }

    /// A setting that is fixed when it is first asked for, such as the account that is part of every ARN.
    pub(super) fn fixed(&self, name: &str, value: &str) -> rusqlite::Result<String> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        change.execute("INSERT OR IGNORE INTO setting (name, value) VALUES (?1, ?2)", [name, value])?;
        let fixed =
            change.query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0))?;
        change.commit()?;
        Ok(fixed)
    }

    /// Fails if the database cannot be read.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        lock(&self.reader).query_row("SELECT 1 FROM setting LIMIT 1", [], |_| Ok(()))
    }

    /// Adds a job, unless its name is taken or there are as many as allowed.
    pub(super) fn create(&self, new: &NewJob, now: DateTime<Utc>, most: u64) -> Result<Job, Problem> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        let taken =
            change.query_row("SELECT 1 FROM job WHERE arn = ?1", [&new.arn], |_| Ok(())).optional()?;
        if taken.is_some() {
            let message = format!("A forecast export job already exists with the arn: {}", new.arn);
            return Err(Problem::new(Name::ResourceAlreadyExists, message));
        }
        let count: i64 = change.query_row("SELECT count(*) FROM job", [], |row| row.get(0))?;
        if count.cast_unsigned() >= most {
            let message = format!("The limit of {most} forecast export jobs is reached; delete some of them");
            return Err(Problem::new(Name::LimitExceeded, message));
        }
        let stamp = free_stamp(&change, new, now.timestamp())?;
        change.execute(
            "INSERT INTO job (arn, name, forecast_arn, path, role_arn, kms_key_arn, format, stamp, status, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                new.arn,
                new.name,
                new.forecast_arn,
                new.path,
                new.role_arn,
                new.kms_key_arn,
                new.format,
                stamp,
                Status::CreatePending.word(),
                now.timestamp_millis()
            ],
        )?;
        let number = change.last_insert_rowid();
        note(&change, number, Status::CreatePending, None, now)?;
        set_tags(&change, &new.arn, &new.tags)?;
        let job = change.query_row("SELECT * FROM job WHERE number = ?1", [number], job)?;
        change.commit()?;
        Ok(job)
    }

    pub(super) fn job(&self, arn: &str) -> rusqlite::Result<Option<Job>> {
        lock(&self.reader)
            .prepare_cached("SELECT * FROM job WHERE arn = ?1")?
            .query_row([arn], job)
            .optional()
    }

    /// Up to `most` jobs that meet all conditions, the newest first; those before the job of this number.
    pub(super) fn jobs(
        &self,
        conditions: &[Condition],
        before: Option<i64>,
        most: usize,
    ) -> rusqlite::Result<Vec<Job>> {
        let mut sql = "SELECT * FROM job WHERE number < ?1".to_owned();
        let mut values: Vec<rusqlite::types::Value> = vec![before.unwrap_or(i64::MAX).into()];
        for condition in conditions {
            let column = match condition.column {
                Column::ForecastArn => "forecast_arn",
                Column::Status => "status",
            };
            let operator = if condition.is { "=" } else { "<>" };
            values.push(condition.value.clone().into());
            sql.push_str(&format!(" AND {column} {operator} ?{}", values.len()));
        }
        sql.push_str(&format!(" ORDER BY number DESC LIMIT {most}"));
        let reader = lock(&self.reader);
        let mut statement = reader.prepare_cached(&sql)?;
        statement.query_map(rusqlite::params_from_iter(values), job)?.collect()
    }

    /// How many jobs there are of each status.
    pub(super) fn counts(&self) -> rusqlite::Result<Vec<(Status, u64)>> {
        let reader = lock(&self.reader);
        let mut statement = reader.prepare_cached("SELECT count(*) FROM job WHERE status = ?1")?;
        let count = |status: Status| {
            statement
                .query_row([status.word()], |row| row.get(0))
                .map(|count: i64| (status, count.cast_unsigned()))
        };
        Status::ALL.into_iter().map(count).collect()
    }

    /// The jobs that a server which was killed had begun, and those that are due, in order.
    pub(super) fn unfinished(&self) -> rusqlite::Result<Vec<Job>> {
        let reader = lock(&self.reader);
        let mut statement = reader.prepare_cached(
            "SELECT * FROM job WHERE status IN ('CREATE_PENDING', 'CREATE_IN_PROGRESS', 'CREATE_STOPPING')
             ORDER BY number",
        )?;
        statement.query_map([], job)?.collect()
    }

    /// Moves a job from one status to the next, if it still has the former; returns whether it had.
    pub(super) fn step(
        &self,
        number: i64,
        from: &[Status],
        to: Status,
        message: Option<&str>,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<bool> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        let stepped = step(&change, number, from, to, message, now)?;
        change.commit()?;
        Ok(stepped)
    }

    /// Notes that a job is to stop. A job that nobody works on is stopped at once.
    pub(super) fn stop(&self, arn: &str, now: DateTime<Utc>) -> rusqlite::Result<Option<Job>> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        let find = |change: &Transaction<'_>| {
            change.query_row("SELECT * FROM job WHERE arn = ?1", [arn], job).optional()
        };
        let Some(before) = find(&change)? else { return Ok(None) };
        let (number, pending) = (before.number, Status::CreatePending);
        let unfinished = [pending, Status::CreateInProgress];
        let stepped = step(&change, number, &unfinished, Status::CreateStopping, None, now)?;
        if stepped && before.status == pending {
            step(&change, number, &[Status::CreateStopping], Status::CreateStopped, None, now)?;
        }
        let job = find(&change)?;
        change.commit()?;
        Ok(job)
    }

    /// Deletes a finished job and its tags. Its files stay.
    pub(super) fn delete(&self, arn: &str) -> Result<(), Problem> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        let job = change.query_row("SELECT * FROM job WHERE arn = ?1", [arn], job).optional()?;
        delete(&change, &job.ok_or_else(|| Problem::no_such(arn))?)?;
        change.commit()?;
        Ok(())
    }

    /// Deletes all jobs of a forecast, or none if one of them is unfinished.
    pub(super) fn delete_of_forecast(&self, forecast_arn: &str) -> Result<(), Problem> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        let jobs: Vec<Job> = change
            .prepare("SELECT * FROM job WHERE forecast_arn = ?1")?
            .query_map([forecast_arn], job)?
            .collect::<rusqlite::Result<_>>()?;
        for job in &jobs {
            delete(&change, job)?;
        }
        change.commit()?;
        Ok(())
    }

    pub(super) fn tags(&self, arn: &str) -> rusqlite::Result<Vec<(String, String)>> {
        let reader = lock(&self.reader);
        let mut statement =
            reader.prepare_cached("SELECT key, value FROM tag WHERE arn = ?1 ORDER BY key")?;
        statement.query_map([arn], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Adds tags to those that a resource has, and replaces those of the same key.
    pub(super) fn tag(&self, arn: &str, tags: &[(String, String)]) -> Result<(), Problem> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        set_tags(&change, arn, tags)?;
        change.commit()?;
        Ok(())
    }

    pub(super) fn untag(&self, arn: &str, keys: &[String]) -> rusqlite::Result<()> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        for key in keys {
            change.execute("DELETE FROM tag WHERE arn = ?1 AND key = ?2", [arn, key])?;
        }
        change.commit()
    }

    /// Adds a forecast, or changes the one of this name.
    pub(super) fn register(
        &self,
        name: &str,
        source: &str,
        choice: &str,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<()> {
        let mut writer = lock(&self.writer);
        let change = begin(&mut writer)?;
        change.execute(
            "INSERT INTO forecast (name, source, choice, created) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET source = excluded.source, choice = excluded.choice",
            params![name, source, choice, now.timestamp_millis()],
        )?;
        change.commit()
    }

    pub(super) fn registered(&self) -> rusqlite::Result<Vec<Registered>> {
        let reader = lock(&self.reader);
        let mut statement =
            reader.prepare_cached("SELECT name, source, choice, created FROM forecast ORDER BY name")?;
        let read = |row: &Row<'_>| {
            Ok(Registered {
                name: row.get(0)?,
                source: row.get(1)?,
                choice: row.get(2)?,
                created: instant(row.get(3)?),
            })
        };
        statement.query_map([], read)?.collect()
    }

    /// What became of a job, oldest first.
    pub(super) fn transitions(&self, number: i64) -> rusqlite::Result<Vec<(Status, DateTime<Utc>)>> {
        let reader = lock(&self.reader);
        let mut statement =
            reader.prepare_cached("SELECT status, at FROM transition WHERE job = ?1 ORDER BY number")?;
        statement.query_map([number], |row| Ok((status(row, 0)?, instant(row.get(1)?))))?.collect()
    }
}

/// A connection that a panicking thread held is still good: its transaction was rolled back.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transaction that may write from its beginning, so that it never fails half-way for want of a lock.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let change = begin(connection)?;
    let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let behind = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..));
    let Some(missing) = behind else { return Err(OpenError::Newer(version)) };
    for migration in missing {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    Ok(change.commit()?)
}

/// The first second from `now` on in which no job of this name writes or has written to the same place. Names are unique
/// per forecast only, a deleted job's name is free again, and the files of two runs must not be mixed.
fn free_stamp(change: &Transaction<'_>, new: &NewJob, now: i64) -> rusqlite::Result<i64> {
    change.execute("DELETE FROM left_files WHERE stamp < ?1", [now])?;
    let latest: Option<i64> = change.query_row(
        "SELECT max(stamp) FROM (SELECT name, path, stamp FROM job UNION ALL SELECT * FROM left_files)
         WHERE name = ?1 AND rtrim(path, '/') = rtrim(?2, '/')",
        [&new.name, &new.path],
        |row| row.get(0),
    )?;
    Ok(latest.map_or(now, |latest| now.max(latest + 1)))
}

fn step(
    change: &Transaction<'_>,
    number: i64,
    from: &[Status],
    to: Status,
    message: Option<&str>,
    now: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    let before = change
        .query_row("SELECT status FROM job WHERE number = ?1", [number], |row| status(row, 0))
        .optional()?;
    if !before.is_some_and(|before| from.contains(&before)) {
        return Ok(false);
    }
    let ended = to.is_final().then(|| now.timestamp_millis());
    change.execute(
        "UPDATE job SET status = ?2, message = ?3, ended = ?4 WHERE number = ?1",
        params![number, to.word(), message, ended],
    )?;
    note(change, number, to, message, now)?;
    Ok(true)
}

fn note(
    change: &Transaction<'_>,
    number: i64,
    status: Status,
    message: Option<&str>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    change.execute(
        "INSERT INTO transition (job, status, message, at) VALUES (?1, ?2, ?3, ?4)",
        params![number, status.word(), message, now.timestamp_millis()],
    )?;
    Ok(())
}

fn delete(change: &Transaction<'_>, job: &Job) -> Result<(), Problem> {
    if !job.status.is_final() {
        let message =
            format!("The job {} is {}; stop it, or wait until it has ended", job.arn, job.status.word());
        return Err(Problem::new(Name::ResourceInUse, message));
    }
    change.execute(
        "INSERT INTO left_files (name, path, stamp) VALUES (?1, ?2, ?3)",
        params![job.name, job.path, job.stamp],
    )?;
    change.execute("DELETE FROM tag WHERE arn = ?1", [&job.arn])?;
    change.execute("DELETE FROM job WHERE number = ?1", [job.number])?;
    Ok(())
}

fn set_tags(change: &Transaction<'_>, arn: &str, tags: &[(String, String)]) -> Result<(), Problem> {
    for (key, value) in tags {
        change.execute(
            "INSERT INTO tag (arn, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
            [arn, key, value],
        )?;
    }
    let count: i64 = change.query_row("SELECT count(*) FROM tag WHERE arn = ?1", [arn], |row| row.get(0))?;
    match count > MAX_TAGS {
        true => Err(Problem::new(
            Name::LimitExceeded,
            format!("A resource has at most {MAX_TAGS} tags; {arn} would have {count}"),
        )),
        false => Ok(()),
    }
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let ended: Option<i64> = row.get("ended")?;
    let status_index = row.as_ref().column_index("status")?;
    Ok(Job {
        number: row.get("number")?,
        arn: row.get("arn")?,
        name: row.get("name")?,
        forecast_arn: row.get("forecast_arn")?,
        path: row.get("path")?,
        role_arn: row.get("role_arn")?,
        kms_key_arn: row.get("kms_key_arn")?,
        format: row.get("format")?,
        stamp: row.get("stamp")?,
        status: status(row, status_index)?,
        message: row.get("message")?,
        created: instant(row.get("created")?),
        ended: ended.map(instant),
    })
}

fn status(row: &Row<'_>, index: usize) -> rusqlite::Result<Status> {
    let word: String = row.get(index)?;
    Status::parse(&word).ok_or_else(|| {
        let reason = format!("the status {word} is unknown");
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, reason.into())
    })
}

fn instant(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORECAST: &str = "arn:aws:forecast:us-east-1:123456789012:forecast/sales";

    fn new(name: &str) -> NewJob {
        NewJob {
            arn: format!("arn:aws:forecast:us-east-1:123456789012:forecast-export-job/sales/{name}"),
            name: name.into(),
            forecast_arn: FORECAST.into(),
            path: "s3://bucket/exports".into(),
            role_arn: "arn:aws:iam::123456789012:role/x".into(),
            kms_key_arn: None,
            format: None,
            tags: vec![("team".into(), "supply".into())],
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).expect("a time")
    }

    fn empty() -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::open(&folder.path().join("state.sqlite3")).expect("a database");
        (folder, state)
    }

    #[test]
    fn what_was_acknowledged_is_there_after_the_database_is_opened_again() {
        let (folder, state) = empty();
        let created = state.create(&new("a"), at(0), 10).expect("created");
        state
            .step(created.number, &[Status::CreatePending], Status::CreateInProgress, None, at(1))
            .expect("x");
        drop(state);
        let state = State::open(&folder.path().join("state.sqlite3")).expect("a database");
        let job = state.job(&created.arn).expect("read").expect("there");
        assert_eq!((job.status, job.created), (Status::CreateInProgress, at(0)));
        assert_eq!(state.tags(&job.arn).expect("read"), [("team".to_owned(), "supply".to_owned())]);
        assert_eq!(state.unfinished().expect("read"), [job]);
    }

    #[test]
    fn a_name_is_taken_until_its_job_is_deleted() {
        let (_folder, state) = empty();
        let job = state.create(&new("a"), at(0), 10).expect("created");
        let taken = state.create(&new("a"), at(0), 10).expect_err("taken");
        assert_eq!(taken.name, Name::ResourceAlreadyExists);
        assert_eq!(state.delete(&job.arn).expect_err("pending").name, Name::ResourceInUse);
        state.stop(&job.arn, at(1)).expect("stopped");
        state.delete(&job.arn).expect("deleted");
        assert_eq!(state.tags(&job.arn).expect("read"), []);
        state.create(&new("a"), at(2), 10).expect("free again");
    }

    #[test]
    fn two_runs_of_a_name_never_write_the_same_files() {
        let (_folder, state) = empty();
        let mut other = new("a");
        other.arn = "arn:aws:forecast:us-east-1:123456789012:forecast-export-job/other/a".into();
        other.path = "s3://bucket/exports/".into();
        let stamps = [&new("a"), &other].map(|new| state.create(new, at(0), 10).expect("created").stamp);
        assert_eq!(stamps, [at(0).timestamp(), at(1).timestamp()]);
    }

    #[test]
    fn a_job_never_gets_the_files_that_a_deleted_one_of_its_name_has_left() {
        let (_folder, state) = empty();
        let again = |second| {
            let job = state.create(&new("a"), at(second), 10).expect("created");
            state.stop(&job.arn, at(second)).expect("stopped");
            state.delete(&job.arn).expect("deleted");
            job.stamp - at(0).timestamp()
        };
        assert_eq!([0, 0, 0, 1, 9].map(again), [0, 1, 2, 3, 9]);
    }

    #[test]
    fn a_pending_job_is_stopped_at_once_and_one_in_progress_by_whoever_works_on_it() {
        let (_folder, state) = empty();
        let pending = state.create(&new("a"), at(0), 10).expect("created");
        let running = state.create(&new("b"), at(0), 10).expect("created");
        state
            .step(running.number, &[Status::CreatePending], Status::CreateInProgress, None, at(1))
            .expect("x");
        let status = |arn: &str| state.stop(arn, at(2)).expect("read").expect("there").status;
        assert_eq!(status(&pending.arn), Status::CreateStopped);
        assert_eq!(status(&running.arn), Status::CreateStopping);
        assert_eq!(status(&pending.arn), Status::CreateStopped, "once more");
        let seen: Vec<&str> = state
            .transitions(pending.number)
            .expect("read")
            .iter()
            .map(|(status, _)| status.word())
            .collect();
        assert_eq!(seen, ["CREATE_PENDING", "CREATE_STOPPING", "CREATE_STOPPED"]);
    }

    #[test]
    fn an_ended_job_does_not_change_any_more() {
        let (_folder, state) = empty();
        let job = state.create(&new("a"), at(0), 10).expect("created");
        let step = |from, to, second| state.step(job.number, &[from], to, None, at(second)).expect("written");
        assert!(step(Status::CreatePending, Status::CreateInProgress, 1));
        assert!(step(Status::CreateInProgress, Status::Active, 2));
        assert!(!step(Status::CreateInProgress, Status::CreateFailed, 3));
        assert_eq!(state.job(&job.arn).expect("read").expect("there").modified(at(9)), at(2));
    }

    #[test]
    fn the_fifty_first_tag_is_refused_and_changes_nothing() {
        let (_folder, state) = empty();
        let job = state.create(&new("a"), at(0), 10).expect("created");
        let tags: Vec<(String, String)> = (0..49).map(|i| (format!("k{i}"), String::new())).collect();
        state.tag(&job.arn, &tags).expect("50 with the first");
        state.tag(&job.arn, &[("team".into(), "other".into())]).expect("overwritten");
        let problem = state.tag(&job.arn, &[("k49".into(), String::new())]).expect_err("one too many");
        assert_eq!(problem.name, Name::LimitExceeded);
        assert_eq!(state.tags(&job.arn).expect("read").len(), 50);
    }

    #[test]
    fn lists_are_newest_first_and_conditions_are_anded() {
        let (_folder, state) = empty();
        for name in ["a", "b", "c"] {
            state.create(&new(name), at(0), 10).expect("created");
        }
        state.stop(&new("b").arn, at(1)).expect("stopped");
        let names = |conditions: &[Condition], before, most| -> Vec<String> {
            let jobs = state.jobs(conditions, before, most).expect("read");
            jobs.into_iter().map(|job| job.name).collect()
        };
        let is = |is, value: &str| Condition { column: Column::Status, is, value: value.into() };
        assert_eq!(names(&[], None, 2), ["c", "b"]);
        assert_eq!(names(&[], Some(2), 2), ["a"]);
        assert_eq!(names(&[is(false, "CREATE_STOPPED")], None, 9), ["c", "a"]);
        let of = Condition { column: Column::ForecastArn, is: true, value: FORECAST.into() };
        assert_eq!(names(&[of, is(true, "CREATE_STOPPED")], None, 9), ["b"]);
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let (folder, state) = empty();
        lock(&state.writer).pragma_update(None, "user_version", 99).expect("written");
        drop(state);
        let opened = State::open(&folder.path().join("state.sqlite3"));
        assert!(matches!(opened, Err(OpenError::Newer(99))));
    }
}
