//! Derives one Arrow schema from headers and footers, or finds a difference and names file and column.
//!
//! A column's name and the values seen decide its type, never a guess that could change an ID: a column is text unless
//! its name is one that the service uses for numbers or points in time.

use super::csv_head::{CsvHead, Seen};
use super::export::Part;
use super::header::no_name;
use crate::codec::csv::{CellType, Layout};
use crate::codec::value::Zone;
use crate::model::{
    ColumnType, DataErrorKind, Error, Kind, Options, Remedy, Result, SOURCE_COLUMNS, SchemaMode, Setting,
    UsageError, is_impact_score, is_metric, is_named_quantile, is_quantile, is_time_column, kind_of,
};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One future column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) cell_type: CellType,
}

/// The columns of CSV parts, and the layout of each part.
#[derive(Debug)]
pub(crate) struct CsvSchema {
    pub(crate) columns: Vec<Column>,
    /// One for each part that has a header.
    pub(crate) layouts: Vec<Option<Arc<Layout>>>,
}

/// Agrees on the columns of all parts with a header.
pub(crate) fn of_csv(
    parts: &[(&Part, Option<&CsvHead>)],
    kind: Kind,
    options: &Options,
) -> Result<CsvSchema> {
    let first = parts.iter().find_map(|(part, head)| head.map(|head| (*part, head)));
    if first.is_none() && options.columns.is_empty() {
        let file = parts.first().map_or("", |(part, _)| part.object.url.as_str());
        return Err(no_header(file));
    }
    // Named columns exist even if no part has a row.
    let mut names: Vec<String> = options.columns.clone();
    let mut place: HashMap<String, usize> = names.iter().cloned().zip(0..).collect();
    let mut seen = vec![Seen::default(); names.len()];
    // Parts with the same header share a layout, given here by its index.
    let mut layouts: Vec<Layout> = Vec::new();
    let mut places = Vec::with_capacity(parts.len());
    for (part, head) in parts {
        let Some(head) = head else {
            places.push(None);
            continue;
        };
        refuse_duplicates(part, &head.header)?;
        if let (Some((first_part, first)), SchemaMode::Strict) = (first, options.schema) {
            refuse_difference(part, &head.header, first_part, &first.header)?;
        }
        let mut fields = vec![None; names.len()];
        for (field, name) in head.header.iter().enumerate() {
            let column = *place.entry(name.clone()).or_insert_with(|| {
                names.push(name.clone());
                seen.push(Seen::default());
                names.len() - 1
            });
            fields.resize(names.len(), None);
            fields[column] = Some(field);
            let (all, one) = (&mut seen[column], head.seen[field]);
            all.aggregate |= one.aggregate;
            all.zone = all.zone.or(one.zone);
        }
        let (header, has_header) = (Arc::clone(&head.header), head.has_header);
        if !layouts.last().is_some_and(|last| last.header == header && last.has_header == has_header) {
            layouts.push(Layout { header, has_header, quotes: options.select.pattern.quotes(), fields });
        }
        places.push(Some(layouts.len() - 1));
    }
    for layout in &mut layouts {
        layout.fields.resize(names.len(), None);
    }
    let layouts: Vec<Arc<Layout>> = layouts.into_iter().map(Arc::new).collect();
    let layouts = places.into_iter().map(|place| Some(Arc::clone(&layouts[place?]))).collect();
    check_type_names(&names, options)?;
    let kind = kind_of(&names, kind);
    let chosen = chosen_types(options);
    let columns = names.iter().zip(&seen).map(|(name, seen)| {
        let cell_type = cell_type(name, *seen, kind, chosen.get(name.as_str()).copied(), options.all_strings);
        Column { name: name.clone(), cell_type }
    });
    let columns = columns.collect();
    Ok(CsvSchema { columns, layouts })
}

/// All parts are empty.
pub(crate) fn no_header(file: &str) -> Error {
    Error::data(DataErrorKind::NoHeader, file, "no part has a header, so the columns are unknown")
        .remedy(Remedy::LeaveEmptyPartsAway)
        .into()
}

/// The types chosen for columns, by name; the last one counts.
pub(super) fn chosen_types(options: &Options) -> HashMap<&str, ColumnType> {
    options.types.iter().map(|(column, chosen)| (column.as_str(), *chosen)).collect()
}

fn cell_type(name: &str, seen: Seen, kind: Kind, chosen: Option<ColumnType>, all_strings: bool) -> CellType {
    // If no value tells, the windows of a backtest have no zone, and all other times have one.
    let zone = seen.zone.unwrap_or(if name.starts_with("backtestwindow_") { Zone::None } else { Zone::Utc });
    if let Some(chosen) = chosen {
        return match chosen {
            ColumnType::String => CellType::String,
            ColumnType::Double => CellType::Double,
            ColumnType::Int64 => CellType::Int64,
            ColumnType::Boolean => CellType::Boolean,
            ColumnType::Date => CellType::Date,
            ColumnType::Timestamp => CellType::Timestamp(zone),
            ColumnType::TimestampNs => CellType::Nanoseconds(zone),
        };
    }
    let is_number = is_quantile(name)
        || name == "target_value"
        || is_impact_score(name)
        || is_metric(name)
        || (kind == Kind::WhatIf && is_named_quantile(name));
    if all_strings {
        CellType::String
    } else if is_time_column(name) {
        if kind == Kind::Explainability && seen.aggregate {
            CellType::String
        } else {
            CellType::Timestamp(zone)
        }
    } else if is_number {
        CellType::Double
    } else {
        CellType::String
    }
}

pub(super) fn check_type_names(names: &[String], options: &Options) -> Result<()> {
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    if let Some((column, _)) = options.types.iter().find(|(column, _)| !known.contains(column.as_str())) {
        let (column, known) = (column.clone(), names.to_vec());
        return Err(UsageError::NoSuchColumn { setting: Setting::Types, column, known }.into());
    }
    if options.source_columns
        && let Some(taken) = names.iter().find(|name| SOURCE_COLUMNS.contains(&name.as_str()))
    {
        return Err(UsageError::ColumnTaken { column: taken.clone() }.into());
    }
    Ok(())
}

pub(super) fn refuse_duplicates(part: &Part, names: &[String]) -> Result<()> {
    let mut known = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !known.insert(*name)) {
        None => Ok(()),
        Some(name) => {
            let (kind, file) = (DataErrorKind::DuplicateColumn, &part.object.url);
            let error = Error::data(kind, file, "two columns have the same name").line(1).column(name);
            Err(error.remedy(Remedy::ExportDistinctNames).into())
        }
    }
}

pub(super) fn refuse_difference(
    part: &Part,
    names: &[String],
    first_part: &Part,
    first: &[String],
) -> Result<()> {
    let Some(at) = (0..names.len().max(first.len())).find(|&i| names.get(i) != first.get(i)) else {
        return Ok(());
    };
    let shown = |names: &[String]| names.get(at).map_or("missing".to_owned(), |name| format!("\"{name}\""));
    Err(Error::data(
        DataErrorKind::SchemasDiffer,
        &part.object.url,
        format!(
            "the header differs from that of {}: column {} is {} there and {} here",
            first_part.object.file_name(),
            at + 1,
            shown(first),
            shown(names)
        ),
    )
    .line(1)
    .column(names.get(at).or(first.get(at)).map_or("", String::as_str))
    .remedy(if may_be_headers([first, names]) { Remedy::AlignByName } else { Remedy::ReadFirstLineAsRow })
    .into())
}

/// Whether two lines may both be headers of one table: aligning columns by a line that is a row would lose that row.
fn may_be_headers(lines: [&[String]; 2]) -> bool {
    let first: HashSet<&String> = lines[0].iter().collect();
    lines.into_iter().all(|names| no_name(names).is_none())
        && lines[1].iter().any(|name| first.contains(name))
}

/// The Arrow schema of CSV columns, with the source columns if they are wanted.
pub(crate) fn arrow_of(columns: &[Column]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, column.cell_type.data_type(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// Parquet has no lines.
pub(super) fn without_line(error: Error) -> Error {
    match error {
        Error::Data(mut data) => {
            data.line = None;
            Error::Data(data)
        }
        other => other,
    }
}

/// The type of a column of the output, if options change that of a Parquet part.
pub(crate) fn output_type(field: &Field, chosen: Option<ColumnType>, all_strings: bool) -> DataType {
    let is_local = matches!(field.data_type(), DataType::Timestamp(_, None));
    let zone = if is_local { Zone::None } else { Zone::Utc };
    match chosen {
        None if all_strings => DataType::Utf8,
        None => field.data_type().clone(),
        Some(ColumnType::String) => DataType::Utf8,
        Some(ColumnType::Double) => DataType::Float64,
        Some(ColumnType::Int64) => DataType::Int64,
        Some(ColumnType::Boolean) => DataType::Boolean,
        Some(ColumnType::Date) => DataType::Date32,
        Some(ColumnType::Timestamp) => CellType::Timestamp(zone).data_type(),
        Some(ColumnType::TimestampNs) => CellType::Nanoseconds(zone).data_type(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(name: &str, kind: Kind) -> CellType {
        cell_type(name, Seen::default(), kind, None, false)
    }

    #[test]
    fn names_that_the_service_gives_to_numbers_are_doubles() {
        for name in ["p1", "p10", "p99", "mean", "target_value", "wQL[0.65]", "[Average wQL]", "RMSE", "WAPE"]
        {
            assert_eq!(typed(name, Kind::Forecast), CellType::Double, "{name}");
        }
        assert_eq!(typed("price-NormalizedImpactScore", Kind::Explainability), CellType::Double);
        assert_eq!(typed("summer_p50", Kind::WhatIf), CellType::Double);
    }

    #[test]
    fn every_other_name_is_text() {
        for name in
            ["item_id", "p", "p0", "p100", "p1a", "store", "P50", "mean2", "summer_p50", "backtest_window"]
        {
            assert_eq!(typed(name, Kind::Forecast), CellType::String, "{name}");
        }
    }

    #[test]
    fn times_follow_the_zone_of_the_values_seen() {
        assert_eq!(typed("date", Kind::Forecast), CellType::Timestamp(Zone::Utc));
        assert_eq!(typed("backtestwindow_end_time", Kind::Forecast), CellType::Timestamp(Zone::None));
        let seen = Seen { zone: Some(Zone::None), aggregate: false };
        assert_eq!(cell_type("date", seen, Kind::Forecast, None, false), CellType::Timestamp(Zone::None));
        let aggregate = Seen { zone: Some(Zone::Utc), aggregate: true };
        assert_eq!(cell_type("timestamp", aggregate, Kind::Explainability, None, false), CellType::String);
    }

    #[test]
    fn kinds_without_names_of_their_own_are_known_by_their_columns() {
        let kind = |names: &[&str]| {
            kind_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), Kind::Forecast)
        };
        assert_eq!(kind(&["item_id", "timestamp", "price-RawImpactScore"]), Kind::Explainability);
        assert_eq!(kind(&["item_id", "date", "summer_p10", "summer_p50"]), Kind::WhatIf);
        // A dimension may be named like a quantile; the plain quantiles next to it tell them apart.
        assert_eq!(kind(&["item_id", "date", "store_p50", "p10"]), Kind::Forecast);
        assert_eq!(kind(&["item_id", "backtest_window", "RMSE"]), Kind::BacktestAccuracy);
    }
}
