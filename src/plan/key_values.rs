//! Merges the key-value metadata of Parquet parts so that it holds for the output. Most keys are copied. Some describe
//! the number of rows, geometries or columns: those are recomputed, or left out with a warning if that is not possible.

use super::output::Outputs;
use super::receipt;
use crate::codec::guard;
use crate::codec::parquet::{arrow_schema, arrow_schema_of};
use crate::model::Warning;
use crate::source::{Footer, Input, PlannedPart};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, parquet_to_arrow_schema};
use parquet::file::metadata::KeyValue;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

const PANDAS: &str = "pandas";
const GEO: &str = "geo";
const SPARK: &str = "org.apache.spark.sql.parquet.row.metadata";
/// Other descriptions of all columns, in formats that we do not parse.
const DESCRIPTIONS: [&str; 4] =
    ["parquet.avro.schema", "avro.schema", "iceberg.schema", "parquet.proto.descriptor"];

/// How the rows of an output are distributed over its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All rows of the parts are in one file.
    Whole,
    /// They are resplit into files whose contents are not known yet.
    Cut,
}

/// Metadata of a Parquet file made from these parts, each key once, and warnings about it.
pub(crate) fn key_values(
    input: &Input,
    parts: Range<usize>,
    extent: Extent,
) -> (Vec<KeyValue>, Vec<Warning>) {
    if input.carried.is_none() {
        return (vec![arrow_schema(&input.schema)], Vec::new());
    }
    let footers = |parts: Range<usize>| input.parts[parts].iter().filter_map(PlannedPart::footer);
    let rows = footers(parts.clone()).map(Footer::rows).reduce(|one, other| one + other);
    // A file made from empty parts has the columns of the others, so it also has their Arrow schema.
    let is_empty = rows.is_none();
    let parts = if is_empty { 0..input.parts.len() } else { parts };
    let rows = i64::try_from(rows.unwrap_or(0)).unwrap_or(i64::MAX);
    let mut made = Made {
        input,
        said: Said::of(footers(parts)),
        rows: (extent == Extent::Whole).then_some(rows),
        changed: Vec::new(),
        warnings: Vec::new(),
    };
    let mut pairs = made.pairs();
    if is_empty {
        pairs.retain(|pair| pair.key == ARROW_SCHEMA_META_KEY);
    }
    (pairs, made.warnings)
}

/// The parts' values under each key.
struct Said {
    keys: Vec<String>,
    /// For each key the parts' values, each text once, in order of parts; `None` for a part without the key.
    values: HashMap<String, Vec<Option<String>>>,
}

impl Said {
    fn of<'a>(footers: impl Iterator<Item = &'a Footer>) -> Self {
        let mut said = Said { keys: Vec::new(), values: HashMap::new() };
        for (part, footer) in footers.enumerate() {
            let metadata = footer.metadata();
            let pairs = metadata.file_metadata().key_value_metadata().map_or(&[][..], Vec::as_slice);
            let mut own: HashMap<&str, Option<&str>> = HashMap::new();
            for pair in pairs.iter().filter(|pair| pair.key != receipt::KEY) {
                own.entry(&pair.key).or_insert(Some(pair.value.as_deref().unwrap_or_default()));
                if !said.values.contains_key(&pair.key) {
                    said.keys.push(pair.key.clone());
                    let missing = if part > 0 { vec![None] } else { Vec::new() };
                    said.values.insert(pair.key.clone(), missing);
                }
            }
            for (key, values) in &mut said.values {
                let value = own.get(key.as_str()).copied().flatten();
                // Neighbours usually have the same value, but a RangeIndex must be seen part by part.
                if values.last().map(Option::as_deref) != Some(value) || key == PANDAS || key == GEO {
                    values.push(value.map(str::to_owned));
                }
            }
        }
        said
    }

    /// The value that all parts share.
    fn one(&self, key: &str) -> Option<&str> {
        match self.values.get(key)?.as_slice() {
            [Some(first), rest @ ..] if rest.iter().all(|other| other.as_ref() == Some(first)) => Some(first),
            _ => None,
        }
    }

    /// Each part's value, if all have one.
    fn each(&self, key: &str) -> Option<Vec<&str>> {
        self.values.get(key)?.iter().map(Option::as_deref).collect()
    }
}

struct Made<'a> {
    input: &'a Input,
    said: Said,
    /// Rows of the file, if they are known.
    rows: Option<i64>,
    /// Recomputed keys that the Arrow schema repeats; `None` if a key is left out.
    changed: Vec<(&'static str, Option<String>)>,
    warnings: Vec<Warning>,
}

impl Made<'_> {
    fn pairs(&mut self) -> Vec<KeyValue> {
        let mut pairs = Vec::new();
        let keys = self.said.keys.clone();
        for key in keys.iter().filter(|key| *key != ARROW_SCHEMA_META_KEY) {
            let known = [
                (PANDAS, Self::pandas as fn(&Self) -> Option<String>),
                (GEO, Self::geo),
                (SPARK, Self::spark),
            ];
            let value = match known.into_iter().find(|(known, _)| known == key) {
                Some((known, make)) => {
                    let made = make(self);
                    if made.as_deref() != self.said.one(key) {
                        self.changed.push((known, made.clone()));
                    }
                    made
                }
                None if DESCRIPTIONS.contains(&key.as_str()) => {
                    self.said.one(key).filter(|_| self.keeps_columns()).map(str::to_owned)
                }
                None => {
                    let values = &self.said.values[key];
                    let first = values.iter().flatten().next().cloned();
                    if values.iter().any(|other| other.is_some() && *other != first) {
                        self.warnings.push(Warning::MetadataDiffers { key: key.clone() });
                    }
                    first
                }
            };
            match value {
                Some(value) => pairs.push(KeyValue::new(key.clone(), value)),
                None => self.warnings.push(Warning::MetadataLeftOut { key: key.clone() }),
            }
        }
        if keys.iter().any(|key| key == ARROW_SCHEMA_META_KEY) {
            match self.arrow() {
                Some(value) => pairs.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), value)),
                None => {
                    self.warnings.push(Warning::MetadataLeftOut { key: ARROW_SCHEMA_META_KEY.to_owned() })
                }
            }
        }
        pairs
    }

    /// The columns whose types are those of the parts.
    fn keeps(&self, name: &str) -> bool {
        self.input.carried.as_ref().is_some_and(|carried| !carried.changed.contains(name))
    }

    /// Whether the columns are those of every part.
    fn keeps_columns(&self) -> bool {
        self.input.schema.fields().iter().all(|field| self.keeps(field.name()))
    }

    /// pandas' description of columns and index. Most tables have only a range of numbers as their index, which depends
    /// on the number of rows; without it pandas counts them itself.
    fn pandas(&self) -> Option<String> {
        let each = self.said.each(PANDAS)?;
        let tables: Vec<Value> =
            each.iter().map(|text| serde_json::from_str(text).ok()).collect::<Option<_>>()?;
        let mut whole = tables.first()?.clone();
        let ranges: Vec<Option<Value>> = tables.iter().map(range_of).collect();
        let without = |table: &Value| {
            let mut table = table.clone();
            set_range(&mut table, None);
            table
        };
        let rest = without(&whole);
        if tables.iter().any(|table| without(table) != rest) {
            return None;
        }
        if let Some(columns) = whole.get_mut("columns").and_then(Value::as_array_mut) {
            columns.retain(|column| {
                column.get("field_name").and_then(Value::as_str).is_none_or(|name| self.keeps(name))
            });
        }
        set_range(&mut whole, self.rows.and_then(|rows| joined_range(&ranges, rows)));
        Some(if whole == tables[0] { each[0].to_owned() } else { whole.to_string() })
    }

    /// The location of geometries: the bounding box of all, if every part has one.
    fn geo(&self) -> Option<String> {
        let each = self.said.each(GEO)?;
        let files: Vec<Value> =
            each.iter().map(|text| serde_json::from_str(text).ok()).collect::<Option<_>>()?;
        let mut whole = files.first()?.clone();
        for other in &files[1..] {
            whole = joined_geo(&whole, other)?;
        }
        if self.rows.is_none()
            && let Some(columns) = whole.get_mut("columns").and_then(Value::as_object_mut)
        {
            columns.values_mut().filter_map(Value::as_object_mut).for_each(|column| {
                column.remove("bbox");
            });
        }
        Some(if whole == files[0] { each[0].to_owned() } else { whole.to_string() })
    }

    /// Spark's description of the columns, by which it reads the file.
    fn spark(&self) -> Option<String> {
        if let (Some(one), true) = (self.said.one(SPARK), self.keeps_columns()) {
            return Some(one.to_owned());
        }
        let mut known: HashMap<String, Value> = HashMap::new();
        for text in self.said.each(SPARK)? {
            let schema: Value = serde_json::from_str(text).ok()?;
            for field in schema.get("fields")?.as_array()? {
                let name = field.get("name")?.as_str()?;
                let mut field = field.clone();
                field.as_object_mut()?.insert("nullable".into(), true.into());
                if *known.entry(name.to_owned()).or_insert_with(|| field.clone()) != field {
                    return None;
                }
            }
        }
        let fields = self.input.schema.fields().iter().map(|field| {
            let name = field.name().as_str();
            let mut described = match known.get(name).filter(|_| self.keeps(name)) {
                Some(known) => known.clone(),
                None => json!({"name": name, "type": spark_type(field.data_type())?, "metadata": {}}),
            };
            described.as_object_mut()?.insert("nullable".into(), field.is_nullable().into());
            Some(described)
        });
        let fields: Vec<Value> = fields.collect::<Option<_>>()?;
        Some(json!({"type": "struct", "fields": fields}).to_string())
    }

    /// Arrow's description of the columns: dictionaries, zones, durations, extension types, field metadata.
    fn arrow(&mut self) -> Option<String> {
        if let (Some(one), true, true) =
            (self.said.one(ARROW_SCHEMA_META_KEY), self.keeps_columns(), self.changed.is_empty())
        {
            return Some(one.to_owned());
        }
        let schemas: Vec<Schema> =
            self.said.each(ARROW_SCHEMA_META_KEY)?.into_iter().map(arrow_schema_of).collect::<Option<_>>()?;
        let mut known: HashMap<&str, Option<&FieldRef>> = HashMap::new();
        for field in schemas.iter().flat_map(|schema| schema.fields()) {
            let seen = known.entry(field.name().as_str()).or_insert(Some(field));
            if seen.is_some_and(|seen| !is_same_but_for_nulls(seen, field)) {
                *seen = None;
            }
        }
        let carried = self.input.carried.as_ref()?;
        let declared = guard(|| parquet_to_arrow_schema(&carried.descriptor, None)).ok()?;
        let mut fields = Vec::with_capacity(declared.fields().len());
        for (field, declared) in self.input.schema.fields().iter().zip(declared.fields()) {
            let name = field.name().as_str();
            fields.push(match known.get(name) {
                Some(Some(known)) if self.keeps(name) => {
                    Arc::new(known.as_ref().clone().with_nullable(field.is_nullable()))
                }
                seen => {
                    if matches!(seen, Some(None)) {
                        self.warnings.push(Warning::ArrowTypesDiffer { column: name.to_owned() });
                    }
                    Arc::clone(declared)
                }
            });
        }
        let mut metadata = schemas.first()?.metadata().clone();
        for (key, value) in &self.changed {
            match value {
                Some(value) if metadata.contains_key(key) => _ = metadata.insert(*key, value),
                Some(_) => {}
                None => _ = metadata.remove(key),
            }
        }
        arrow_schema(&Schema::new_with_metadata(Fields::from(fields), metadata)).value
    }
}

fn is_same_but_for_nulls(a: &Field, b: &Field) -> bool {
    a.data_type() == b.data_type() && a.metadata() == b.metadata()
}

/// A type by Spark's name.
fn spark_type(of: &DataType) -> Option<String> {
    Some(match of {
        DataType::Utf8 => "string".into(),
        DataType::Binary | DataType::FixedSizeBinary(_) => "binary".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "byte".into(),
        DataType::Int16 => "short".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "long".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, Some(_)) => "timestamp".into(),
        DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, None) => "timestamp_ntz".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        _ => return None,
    })
}

/// The range that is the index of a pandas table.
fn range_of(table: &Value) -> Option<Value> {
    table.get("index_columns")?.as_array()?.iter().find(|column| is_range(column)).cloned()
}

fn is_range(column: &Value) -> bool {
    column.get("kind").and_then(Value::as_str) == Some("range")
}

fn set_range(table: &mut Value, range: Option<Value>) {
    let Some(columns) = table.get_mut("index_columns").and_then(Value::as_array_mut) else { return };
    columns.retain(|column| !is_range(column));
    columns.extend(range);
}

/// The range of all rows, if those of the parts restart in each or continue from one to the next.
fn joined_range(ranges: &[Option<Value>], rows: i64) -> Option<Value> {
    let number = |range: &Value, key: &str| range.get(key)?.as_i64();
    let ranges: Vec<&Value> = ranges.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let (first, last) = (ranges.first()?, ranges.last()?);
    if let [one] = ranges.as_slice() {
        return Some(Value::clone(one));
    }
    if ranges.iter().any(|range| range.get("name") != first.get("name")) {
        return None;
    }
    let (start, step) = (number(first, "start")?, number(first, "step")?);
    let is_anew = step == 1
        && ranges.iter().all(|range| number(range, "start") == Some(0) && number(range, "step") == Some(1));
    let goes_on = ranges.array_windows().all(|[one, next]| {
        number(next, "step") == Some(step) && number(one, "stop") == number(next, "start")
    });
    let stop = match (goes_on, is_anew) {
        (true, _) => number(last, "stop")?,
        (false, true) => rows,
        _ => return None,
    };
    // Each number corresponds to a row.
    let counted = step != 0 && (stop - start).checked_rem(step) == Some(0) && (stop - start) / step == rows;
    counted.then(|| {
        let mut range: Map<String, Value> = first.as_object().cloned().unwrap_or_default();
        range.insert("start".into(), start.into());
        range.insert("stop".into(), stop.into());
        Value::Object(range)
    })
}

/// The merged metadata of two GeoParquet files; `None` if they cannot be merged.
fn joined_geo(a: &Value, b: &Value) -> Option<Value> {
    let mut whole = a.clone();
    let columns = whole.get_mut("columns")?.as_object_mut()?;
    let others = b.get("columns")?.as_object()?;
    let mut others_rest = b.clone();
    for (name, column) in columns.iter_mut() {
        let (column, other) = (column.as_object_mut()?, others.get(name)?.as_object()?);
        match joined_box(column.get("bbox"), other.get("bbox")) {
            Some(joined) => _ = column.insert("bbox".into(), joined),
            None => _ = column.remove("bbox"),
        }
        if let (Some(Value::Array(kinds)), Some(Value::Array(more))) =
            (column.get_mut("geometry_types"), other.get("geometry_types"))
        {
            // An empty list means that nothing is known.
            if kinds.is_empty() || more.is_empty() {
                kinds.clear();
            } else {
                more.iter().for_each(|kind| {
                    if !kinds.contains(kind) {
                        kinds.push(kind.clone());
                    }
                });
            }
        }
        let rest = others_rest.get_mut("columns")?.get_mut(name)?.as_object_mut()?;
        for key in ["bbox", "geometry_types"] {
            match column.get(key) {
                Some(joined) => _ = rest.insert(key.into(), joined.clone()),
                None => _ = rest.remove(key),
            }
        }
    }
    (whole == others_rest).then_some(whole)
}

/// The bounding box of two; none if one is missing, has other dimensions or wraps around the globe.
fn joined_box(a: Option<&Value>, b: Option<&Value>) -> Option<Value> {
    let numbers = |of: &Value| of.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    let (a, b) = (numbers(a?)?, numbers(b?)?);
    let dimensions = a.len() / 2;
    if a.len() != b.len() || a.len() % 2 != 0 {
        return None;
    }
    let wraps = |of: &[f64]| (0..dimensions).any(|i| of[i] > of[dimensions + i]);
    if wraps(&a) || wraps(&b) {
        return None;
    }
    let lows = (0..dimensions).map(|i| a[i].min(b[i]));
    let highs = (dimensions..2 * dimensions).map(|i| a[i].max(b[i]));
    Some(lows.chain(highs).collect::<Vec<f64>>().into())
}

/// Warnings about the metadata of a Parquet output.
pub(super) fn warnings(input: &Input, outputs: &Outputs) -> Vec<Warning> {
    let all = 0..input.parts.len();
    match outputs {
        Outputs::Files(files) => {
            let first = files.first().map_or(all, |file| file.parts.clone());
            key_values(input, first, Extent::Whole).1
        }
        Outputs::Resplit(_) => key_values(input, all, Extent::Cut).1,
    }
}
