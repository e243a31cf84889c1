//! Compares what files declare besides their rows: the Parquet types of columns, and key-value metadata. Takes both
//! sides once their rows are equal; returns the first declaration in which they differ.

use crate::codec::parquet::{Likeness, arrow_schema_of, has_int96, is_same, told_apart};
use crate::model::{Difference, DifferenceKind, type_name};
use crate::plan::{Extent, key_values, receipt};
use crate::source::Input;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::schema::types::{Type, TypePtr};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The first declaration in which an output differs from its source; CSV declares nothing.
pub(super) fn difference(source: &Input, output: &Input) -> Option<Difference> {
    types(source, output).or_else(|| metadata(source, output))
}

fn footers(input: &Input) -> impl Iterator<Item = (usize, &str, Arc<ParquetMetaData>)> {
    let parts = input.parts.iter().enumerate();
    parts.filter_map(|(i, part)| Some((i, part.object.url.as_str(), part.parquet()?)))
}

fn columns(metadata: &ParquetMetaData) -> &[TypePtr] {
    metadata.file_metadata().schema_descr().root_schema().get_fields()
}

/// The first column whose Parquet type is not the one expected from the source's parts.
fn types(source: &Input, output: &Input) -> Option<Difference> {
    let carried = source.carried.as_ref()?;
    let (_, part, first) = footers(source).next()?;
    let wanted = carried.descriptor.root_schema().get_fields();
    // By name, because columns may be in another order.
    let own: HashMap<&str, &TypePtr> = columns(&first).iter().map(|column| (column.name(), column)).collect();
    for (_, file, metadata) in footers(output) {
        for (wanted, found) in wanted.iter().zip(columns(&metadata)) {
            // Copied INT96 stays as it was.
            let is_copied =
                || own.get(wanted.name()).is_some_and(|own| has_int96(own) && is_alike(own, found));
            if !is_alike(wanted, found) && !is_copied() {
                let (source_value, output_value) = told_apart(wanted, found);
                return Some(Difference {
                    column: Some(wanted.name().to_owned()),
                    source_value: Some(source_value),
                    output_value: Some(output_value),
                    ..declared(DifferenceKind::Types, part, file)
                });
            }
        }
    }
    None
}

fn is_alike(a: &Type, b: &Type) -> bool {
    is_same(a, b, Likeness::Meaning)
}

fn declared(kind: DifferenceKind, part: &str, file: &str) -> Difference {
    Difference {
        kind,
        row: None,
        part: Some(part.to_owned()),
        part_row: None,
        file: Some(file.to_owned()),
        file_row: None,
        column: None,
        key: None,
        source_value: None,
        output_value: None,
    }
}

/// The first key whose value in a file differs from its parts', or from what would hold for them together.
fn metadata(source: &Input, output: &Input) -> Option<Difference> {
    source.carried.as_ref()?;
    let (_, part, _) = footers(source).next()?;
    let all = 0..source.parts.len();
    for (i, file, metadata) in footers(output) {
        let (parts, extent) = match output.parts.len() {
            1 => (all.clone(), Extent::Whole),
            files if files == source.parts.len() => (i..i + 1, Extent::Whole),
            _ => (all.clone(), Extent::Cut),
        };
        let (wanted, _) = key_values(source, parts, extent);
        let found = metadata.file_metadata().key_value_metadata().map_or(&[][..], Vec::as_slice);
        let value_of = |key: &str| found.iter().find(|pair| pair.key == key).map(|pair| pair.value.clone());
        // Another tool need not preserve metadata, but if it does, it must preserve all of it.
        let carries_over = found.iter().any(|pair| pair.key == receipt::KEY)
            || wanted.iter().any(|pair| pair.key != ARROW_SCHEMA_META_KEY && value_of(&pair.key).is_some());
        for pair in &wanted {
            let found = value_of(&pair.key);
            let is_same = match &found {
                Some(value) => says_the_same(pair, value.as_deref()),
                None => !carries_over,
            };
            if !is_same {
                if pair.key == ARROW_SCHEMA_META_KEY
                    && let Some((column, ours, theirs)) = field_told_apart(pair, found.as_ref())
                {
                    return Some(Difference {
                        column: Some(column),
                        source_value: Some(ours),
                        output_value: Some(theirs),
                        ..declared(DifferenceKind::Types, part, file)
                    });
                }
                return Some(Difference {
                    key: Some(pair.key.clone()),
                    source_value: pair.value.clone(),
                    output_value: found.flatten(),
                    ..declared(DifferenceKind::Metadata, part, file)
                });
            }
        }
    }
    None
}

fn says_the_same(wanted: &KeyValue, found: Option<&str>) -> bool {
    let wanted_value = wanted.value.as_deref().unwrap_or_default();
    let found = found.unwrap_or_default();
    if wanted_value == found {
        return true;
    }
    if wanted.key == ARROW_SCHEMA_META_KEY {
        let plain = |text: &str| arrow_schema_of(text).map(|schema| plain(&schema));
        return plain(wanted_value).is_some_and(|wanted| plain(found) == Some(wanted));
    }
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    json(wanted_value).is_some_and(|wanted| json(found) == Some(wanted))
}

/// The first column that has another type or other metadata in two Arrow schemas, and what it is in each.
fn field_told_apart(wanted: &KeyValue, found: Option<&Option<String>>) -> Option<(String, String, String)> {
    let schema_of = |text: &Option<String>| Some(plain(&arrow_schema_of(text.as_deref()?)?));
    let (wanted, found) = (schema_of(&wanted.value)?, schema_of(found?)?);
    let mut pairs = wanted.fields().iter().zip(found.fields());
    let (ours, theirs) = pairs.find(|(ours, theirs)| ours != theirs)?;
    let shown = |field: &FieldRef, with_metadata: bool| match with_metadata {
        // Sorted, because the order in memory is a random one.
        true => {
            format!("{} with {:?}", type_name(field), field.metadata().iter().collect::<BTreeMap<_, _>>())
        }
        false => type_name(field),
    };
    let is_only_metadata = type_name(ours) == type_name(theirs);
    Some((ours.name().clone(), shown(ours, is_only_metadata), shown(theirs, is_only_metadata)))
}

/// An Arrow schema without mere layout differences, such as wide offsets and views, and without its metadata, which is
/// in the footer too.
fn plain(schema: &Schema) -> Schema {
    fn field(of: &FieldRef) -> FieldRef {
        let plain = Field::new(of.name(), data_type(of.data_type()), of.is_nullable());
        Arc::new(plain.with_metadata(of.metadata().clone()))
    }
    fn data_type(of: &DataType) -> DataType {
        match of {
            DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => DataType::List(field(item)),
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect::<Fields>()),
            DataType::Map(entries, is_sorted) => DataType::Map(field(entries), *is_sorted),
            DataType::Dictionary(key, values) => {
                DataType::Dictionary(key.clone(), Box::new(data_type(values)))
            }
            other => other.clone(),
        }
    }
    // The Parquet type already says whether a column may hold nulls.
    let fields = schema.fields().iter().map(|of| Arc::new(field(of).as_ref().clone().with_nullable(true)));
    Schema::new(fields.collect::<Vec<_>>())
}
