//! Rules on columns by name and type: which names Forecast uses for times, quantiles, metrics and scores, which kind of
//! export a header belongs to, and how summaries and receipts write a type.

use super::kind::Kind;
use arrow::datatypes::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

/// The columns that `--source-columns` adds.
pub(crate) const SOURCE_COLUMNS: [&str; 3] = ["_job", "_run", "_part"];

/// Whether a column of this name holds points in time.
pub(crate) fn is_time_column(name: &str) -> bool {
    matches!(name, "date" | "timestamp" | "backtestwindow_start_time" | "backtestwindow_end_time")
}

/// `p1` to `p99` and `mean`.
pub(crate) fn is_quantile(name: &str) -> bool {
    let is_percentile =
        |digits: &str| matches!(digits.as_bytes(), [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9']);
    name == "mean" || name.strip_prefix('p').is_some_and(is_percentile)
}

/// `<ForecastName>_p50`, as a what-if export names its quantiles.
pub(crate) fn is_named_quantile(name: &str) -> bool {
    name.rsplit_once('_').is_some_and(|(forecast, quantile)| !forecast.is_empty() && is_quantile(quantile))
}

pub(crate) fn is_impact_score(name: &str) -> bool {
    name.ends_with("-NormalizedImpactScore") || name.ends_with("-RawImpactScore")
}

pub(crate) fn is_metric(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(name);
    matches!(bare, "RMSE" | "WAPE" | "MAPE" | "MASE" | "Average wQL")
        || (bare.starts_with("wQL[") && bare.ends_with(']'))
}

/// The kind of export according to its columns, for when names and folders cannot tell.
pub(crate) fn kind_of(header: &[String], named: Kind) -> Kind {
    if named != Kind::Forecast {
        return named;
    }
    let has = |test: fn(&str) -> bool| header.iter().any(|name| test(name));
    if has(is_impact_score) {
        Kind::Explainability
    } else if has(|name| name == "backtest_window") {
        Kind::BacktestAccuracy
    } else if has(|name| name == "target_value") && has(|name| name == "backtestwindow_start_time") {
        Kind::BacktestForecasts
    } else if has(is_named_quantile) && !has(is_quantile) {
        Kind::WhatIf
    } else {
        Kind::Forecast
    }
}

/// The metadata key under which a field says what its Arrow type does not, such as that it is a [`UUID`].
pub(crate) const MEANING_KEY: &str = "PARQUET:logical_type";
pub(crate) const UUID: &str = "UUID";

/// What a column is beyond its Arrow type: `UUID`, `JSON`, `ENUM`, `BSON`.
pub(crate) fn meaning(field: &Field) -> Option<&str> {
    field.metadata().get(MEANING_KEY).map(String::as_str)
}

/// A column in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its type, in Arrow's words.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether it may hold nulls.
    pub nullable: bool,
}

pub(crate) fn column_summaries(schema: &Schema) -> Vec<ColumnSummary> {
    schema
        .fields()
        .iter()
        .map(|field| ColumnSummary {
            name: field.name().clone(),
            data_type: type_name(field),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// A type by its name in `--type` if it has one, else by Arrow's name.
pub(crate) fn type_name(field: &Field) -> String {
    use arrow::datatypes::{IntervalUnit, TimeUnit};
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    if let Some(meaning) = meaning(field) {
        return meaning.to_lowercase();
    }
    match field.data_type() {
        DataType::Utf8 => "string".into(),
        DataType::Float64 => "double".into(),
        DataType::Int64 => "int64".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(of, Some(zone)) => format!("timestamp({}, {zone})", unit(of)),
        DataType::Timestamp(of, None) => format!("timestamp({})", unit(of)),
        DataType::Time32(of) | DataType::Time64(of) => format!("time({})", unit(of)),
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval".into(),
        other => other.to_string(),
    }
}
