//! What a text can be read as, with the noun for it and the form it is written in.

use serde::Serialize;

/// What a text was read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ValueKind {
    /// A [`Kind`](crate::Kind).
    Kind,
    /// A [`Preset`](crate::Preset).
    Preset,
    /// A [`Format`](crate::Format).
    Format,
    /// A [`Compression`](crate::Compression).
    Compression,
    /// A [`SchemaMode`](crate::SchemaMode).
    SchemaMode,
    /// A [`HeaderMode`](crate::HeaderMode).
    HeaderMode,
    /// An [`OnServer`](crate::OnServer).
    OnServer,
    /// A [`BinaryText`](crate::BinaryText).
    BinaryText,
    /// A [`ColumnType`](crate::ColumnType).
    ColumnType,
    /// A [`RunChoice`](crate::RunChoice).
    Run,
    /// A number of bytes.
    Size,
    /// A length of time.
    Duration,
    /// A [`Location`](crate::Location).
    Location,
    /// A [`Checksum`](crate::Checksum).
    Checksum,
    /// An [`Encryption`](crate::Encryption).
    Encryption,
    /// A storage class of S3.
    StorageClass,
    /// A key of KMS.
    KmsKey,
    /// A [`Quantile`](crate::Quantile).
    Quantile,
    /// A [`Frequency`](crate::Frequency).
    Frequency,
    /// The name of a column.
    ColumnName,
    /// A job's name.
    JobName,
    /// A run's timestamp, as file names have it.
    RunStamp,
    /// What [`parse_since`](crate::parse_since) reads.
    Since,
}

impl ValueKind {
    /// The noun for it.
    pub(super) fn noun(self) -> &'static str {
        match self {
            ValueKind::Kind => "kind",
            ValueKind::Preset => "preset",
            ValueKind::Format => "format",
            ValueKind::Compression => "compression",
            ValueKind::SchemaMode => "schema mode",
            ValueKind::HeaderMode => "header mode",
            ValueKind::OnServer => "choice",
            ValueKind::BinaryText => "way to write bytes",
            ValueKind::ColumnType => "type",
            ValueKind::Run => "run",
            ValueKind::Size => "size",
            ValueKind::Duration => "length of time",
            ValueKind::Location => "location",
            ValueKind::Checksum => "checksum",
            ValueKind::Encryption => "encryption",
            ValueKind::StorageClass => "storage class",
            ValueKind::KmsKey => "key of KMS",
            ValueKind::Quantile => "quantile",
            ValueKind::Frequency => "frequency",
            ValueKind::ColumnName => "column name",
            ValueKind::JobName => "job name",
            ValueKind::RunStamp => "run's timestamp as file names have it",
            ValueKind::Since => "point in time",
        }
    }

    /// How it is written, as the end of a sentence.
    pub(super) fn form(self) -> &'static str {
        match self {
            ValueKind::Run => "; use latest, all or a timestamp",
            ValueKind::Size => "; write 500KB, 64MB or 1GiB",
            ValueKind::Duration => "; write 90s, 30m or 1h30m",
            ValueKind::Location => "; name a folder, a file or a URL",
            ValueKind::KmsKey => "; give its id, its ARN, or alias/NAME",
            ValueKind::Quantile => "; write 0.01 to 0.99, or mean",
            ValueKind::Frequency => "; known are 1-59min, 1-23H, 1-6D, 1-4W, 1-11M, 1-1Y",
            ValueKind::JobName => ": a letter, then letters, digits and _, 63 at most",
            ValueKind::RunStamp => ", such as 2026-01-02T03-04-05Z",
            ValueKind::Since => "; write 2026-01-02T03-04-05Z, 2026-01-02, 7d or 12h",
            _ => "",
        }
    }
}
