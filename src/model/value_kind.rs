//! The kinds of value that a text can be parsed as, with their nouns and forms for messages.

use serde::Serialize;

/// What a text was parsed as.
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
    /// A KMS key.
    KmsKey,
    /// A [`Quantile`](crate::Quantile).
    Quantile,
    /// A [`Frequency`](crate::Frequency).
    Frequency,
    /// The name of a column.
    ColumnName,
    /// A job's name.
    JobName,
    /// A run's timestamp, as in file names.
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
            ValueKind::KmsKey => "KMS key",
            ValueKind::Quantile => "quantile",
            ValueKind::Frequency => "frequency",
            ValueKind::ColumnName => "column name",
            ValueKind::JobName => "job name",
            ValueKind::RunStamp => "run timestamp",
            ValueKind::Since => "point in time",
        }
    }

    /// How to write it, as the end of a sentence.
    pub(super) fn form(self) -> &'static str {
        match self {
            ValueKind::Run => "; use latest, all or a timestamp",
            ValueKind::Size => "; write 500KB, 64MB or 1GiB",
            ValueKind::Duration => "; write 90s, 30m or 1h30m",
            ValueKind::Location => "; name a folder, a file or a URL",
            ValueKind::KmsKey => "; use its ID, its ARN or alias/NAME",
            ValueKind::Quantile => "; write 0.01 to 0.99, or mean",
            ValueKind::Frequency => "; use 1-59min, 1-23H, 1-6D, 1-4W, 1-11M or 1-1Y",
            ValueKind::JobName => "; use a letter, then letters, digits and _, at most 63 characters in all",
            ValueKind::RunStamp => "; write it as file names have it, such as 2026-01-02T03-04-05Z",
            ValueKind::Since => "; write 2026-01-02T03-04-05Z, 2026-01-02, 7d or 12h",
            _ => "",
        }
    }
}
