//! Compares, names and converts Parquet types. A column's annotation distinguishes text from bytes, a UUID from any
//! sixteen bytes, an interval from any twelve. Takes types as in footers; returns them in another form.

use parquet::basic::{
    ConvertedType, IntType, LogicalType, Repetition, TimeType, TimeUnit, TimestampType, Type as Physical,
};
use parquet::errors::Result;
use parquet::schema::printer::print_schema;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use std::sync::Arc;

/// The meaning of a type, whether a footer expresses it as a converted type (old) or as a logical type (new).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Annotation {
    Logical(LogicalType),
    /// Only converted types have intervals.
    Interval,
}

/// The annotation of a type; integers with the physical type's width have none.
pub(crate) fn annotation(of: &Type) -> Option<Annotation> {
    let info = of.get_basic_info();
    let is_wide = of.is_primitive() && of.get_physical_type() == Physical::INT64;
    let integer = |bit_width, is_signed| LogicalType::Integer(IntType { bit_width, is_signed });
    let time = |unit| LogicalType::Time(TimeType { is_adjusted_to_u_t_c: true, unit });
    let timestamp = |unit| LogicalType::Timestamp(TimestampType { is_adjusted_to_u_t_c: true, unit });
    let logical = match info.logical_type_ref() {
        Some(logical) => logical.clone(),
        None => match info.converted_type() {
            ConvertedType::NONE => return None,
            ConvertedType::INTERVAL => return Some(Annotation::Interval),
            ConvertedType::UTF8 => LogicalType::String,
            ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => LogicalType::Map,
            ConvertedType::LIST => LogicalType::List,
            ConvertedType::ENUM => LogicalType::Enum,
            ConvertedType::DECIMAL => LogicalType::decimal(of.get_scale(), of.get_precision()),
            ConvertedType::DATE => LogicalType::Date,
            ConvertedType::TIME_MILLIS => time(TimeUnit::MILLIS),
            ConvertedType::TIME_MICROS => time(TimeUnit::MICROS),
            ConvertedType::TIMESTAMP_MILLIS => timestamp(TimeUnit::MILLIS),
            ConvertedType::TIMESTAMP_MICROS => timestamp(TimeUnit::MICROS),
            ConvertedType::UINT_8 => integer(8, false),
            ConvertedType::UINT_16 => integer(16, false),
            ConvertedType::UINT_32 => integer(32, false),
            ConvertedType::UINT_64 => integer(64, false),
            ConvertedType::INT_8 => integer(8, true),
            ConvertedType::INT_16 => integer(16, true),
            ConvertedType::INT_32 => integer(32, true),
            ConvertedType::INT_64 => integer(64, true),
            ConvertedType::JSON => LogicalType::Json,
            ConvertedType::BSON => LogicalType::Bson,
        },
    };
    match logical {
        LogicalType::Integer(IntType { bit_width: 32, is_signed: true }) if !is_wide => None,
        LogicalType::Integer(IntType { bit_width: 64, is_signed: true }) if is_wide => None,
        other => Some(Annotation::Logical(other)),
    }
}

/// How to compare two types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Everything, including field IDs.
    Ids,
    /// Everything except field IDs.
    Stored,
    /// Their meaning: a decimal is the same however it is stored.
    Meaning,
}

/// Whether two columns have the same type. The column itself may be required in one and optional in the other; for
/// nested fields this must be equal.
pub(crate) fn is_same(a: &Type, b: &Type, by: Likeness) -> bool {
    let repeated = |of: &Type| repetition(of) == Some(Repetition::REPEATED);
    repeated(a) == repeated(b) && is_same_within(a, b, by)
}

fn is_same_within(a: &Type, b: &Type, by: Likeness) -> bool {
    if by == Likeness::Ids && id(a) != id(b) {
        return false;
    }
    let means = annotation(a);
    if a.is_group() != b.is_group() || means != annotation(b) {
        return false;
    }
    if a.is_group() {
        let same = |(a, b): (&TypePtr, &TypePtr)| {
            a.name() == b.name() && repetition(a) == repetition(b) && is_same_within(a, b, by)
        };
        let (a, b) = (a.get_fields(), b.get_fields());
        return a.len() == b.len() && a.iter().zip(b).all(same);
    }
    let is_decimal = matches!(means, Some(Annotation::Logical(LogicalType::Decimal { .. })));
    let is_stored_alike =
        a.get_physical_type() == b.get_physical_type() && length(a).unwrap_or(0) == length(b).unwrap_or(0);
    is_stored_alike || (by == Likeness::Meaning && is_decimal)
}

/// Whether Arrow preserves the type's whole meaning, so that converting to Arrow and back changes nothing.
pub(crate) fn is_said_by_arrow(of: &Type) -> bool {
    use LogicalType::{Date, Decimal, Float16, Integer, List, Map, String, Time, Timestamp, Unknown};
    let is_said = match annotation(of) {
        None => true,
        Some(Annotation::Interval) => false,
        Some(Annotation::Logical(logical)) => match logical {
            // Arrow has no UTC time of day.
            Time(time) => !time.is_adjusted_to_u_t_c,
            String | Decimal(_) | Date | Timestamp(_) | Integer(_) | Float16 | Unknown | List | Map => true,
            _ => false,
        },
    };
    is_said && (!of.is_group() || of.get_fields().iter().all(|field| is_said_by_arrow(field)))
}

/// Whether a column has INT96 leaves, which should no longer be written.
pub(crate) fn has_int96(of: &Type) -> bool {
    match of.is_group() {
        true => of.get_fields().iter().any(|field| has_int96(field)),
        false => of.get_physical_type() == Physical::INT96,
    }
}

/// Whether a column's type allows only nulls.
pub(crate) fn is_only_null(of: &Type) -> bool {
    annotation(of) == Some(Annotation::Logical(LogicalType::Unknown))
}

/// Whether a column holds binary values: not text, not numbers, nor anything else that has a text form.
pub(crate) fn is_bytes(of: &Type) -> bool {
    use LogicalType::{_Unknown, Bson, Geography, Geometry};
    of.is_primitive()
        && matches!(of.get_physical_type(), Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY)
        && matches!(
            annotation(of),
            None | Some(Annotation::Logical(Bson | Geometry { .. } | Geography { .. } | _Unknown { .. }))
        )
}

/// A type for messages: its annotation, or its physical type if it has none.
pub(crate) fn shown(of: &Type) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => "MILLIS",
        TimeUnit::MICROS => "MICROS",
        TimeUnit::NANOS => "NANOS",
    };
    let zone = |is_utc: bool| if is_utc { ", UTC" } else { "" };
    match annotation(of) {
        Some(Annotation::Interval) => "INTERVAL".into(),
        Some(Annotation::Logical(logical)) => match &logical {
            LogicalType::Decimal(decimal) => format!("DECIMAL({}, {})", decimal.precision, decimal.scale),
            LogicalType::Time(time) => {
                format!("TIME({}{})", unit(&time.unit), zone(time.is_adjusted_to_u_t_c))
            }
            LogicalType::Timestamp(time) => {
                format!("TIMESTAMP({}{})", unit(&time.unit), zone(time.is_adjusted_to_u_t_c))
            }
            LogicalType::Integer(int) => {
                format!("{}INT({})", if int.is_signed { "" } else { "U" }, int.bit_width)
            }
            LogicalType::List | LogicalType::Map => {
                let within: Vec<String> = leaves(of).iter().map(|leaf| shown(leaf)).collect();
                let kind = if logical == LogicalType::List { "LIST" } else { "MAP" };
                format!("{kind}({})", within.join(", "))
            }
            other => {
                let text = format!("{other:?}");
                text.split(['(', ' ']).next().unwrap_or_default().to_uppercase()
            }
        },
        None if of.is_group() => {
            let field = |field: &TypePtr| format!("{} {}", field.name(), shown(field));
            format!("STRUCT({})", of.get_fields().iter().map(field).collect::<Vec<_>>().join(", "))
        }
        None => match length(of) {
            Some(length) => format!("FIXED_LEN_BYTE_ARRAY({length})"),
            None => of.get_physical_type().to_string(),
        },
    }
}

/// Two different types for messages: in full if their names are the same.
pub(crate) fn told_apart(a: &Type, b: &Type) -> (String, String) {
    let (short_a, short_b) = (shown(a), shown(b));
    if short_a == short_b { (in_full(a), in_full(b)) } else { (short_a, short_b) }
}

fn in_full(of: &Type) -> String {
    let mut text = Vec::new();
    print_schema(&mut text, of);
    let text = String::from_utf8_lossy(&text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The leaves of a column, in order.
pub(super) fn leaves(of: &Type) -> Vec<&Type> {
    match of.is_group() {
        true => of.get_fields().iter().flat_map(|field| leaves(field)).collect(),
        false => vec![of],
    }
}

/// How to convert a type.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Edit {
    /// Leaves lose their annotation, so that Arrow takes their values as they are stored.
    pub(crate) bare: bool,
    /// As [`Edit::bare`], for leaves whose annotation Arrow cannot keep.
    pub(crate) bare_where_lost: bool,
    /// All text becomes STRING, because the parquet crate treats other text as bytes, or trusts that it is UTF-8.
    pub(crate) text_as_string: bool,
    /// INT96 becomes INT64 in microseconds.
    pub(crate) without_int96: bool,
    pub(crate) without_ids: bool,
}

/// Overrides for the column itself, not for nested fields.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given {
    pub(crate) repetition: Option<Repetition>,
    pub(crate) id: Option<i32>,
}

/// Converts a type, with overrides for the column.
pub(crate) fn edited(of: &TypePtr, given: Given, edit: Edit) -> Result<TypePtr> {
    let info = of.get_basic_info();
    let repetition = given.repetition.or_else(|| repetition(of)).unwrap_or(Repetition::REQUIRED);
    let id = given.id.or_else(|| id(of).filter(|_| !edit.without_ids));
    if of.is_group() {
        let fields = of
            .get_fields()
            .iter()
            .map(|field| edited(field, Given::default(), edit))
            .collect::<Result<Vec<_>>>()?;
        return Type::group_type_builder(of.name())
            .with_repetition(repetition)
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields)
            .with_id(id)
            .build()
            .map(Arc::new);
    }
    let physical = of.get_physical_type();
    if physical == Physical::INT96 && edit.without_int96 {
        let micros = TimestampType { is_adjusted_to_u_t_c: false, unit: TimeUnit::MICROS };
        return Type::primitive_type_builder(of.name(), Physical::INT64)
            .with_repetition(repetition)
            .with_logical_type(Some(LogicalType::Timestamp(micros)))
            .with_id(id)
            .build()
            .map(Arc::new);
    }
    let is_bare = edit.bare || (edit.bare_where_lost && is_lost(of));
    if !is_bare && edit.text_as_string && is_other_text(of) {
        return Type::primitive_type_builder(of.name(), physical)
            .with_repetition(repetition)
            .with_logical_type(Some(LogicalType::String))
            .with_id(id)
            .build()
            .map(Arc::new);
    }
    if !is_bare && Some(repetition) == self::repetition(of) && id == self::id(of) {
        return Ok(Arc::clone(of));
    }
    let mut builder = Type::primitive_type_builder(of.name(), physical)
        .with_repetition(repetition)
        .with_length(length(of).unwrap_or(-1))
        .with_id(id);
    if !is_bare {
        builder = builder
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_precision(of.get_precision())
            .with_scale(of.get_scale());
    }
    builder.build().map(Arc::new)
}

/// Whether Arrow would lose values if it read them by their annotation: an interval's months, and types unknown to this
/// version of the format.
fn is_lost(of: &Type) -> bool {
    matches!(annotation(of), Some(Annotation::Interval | Annotation::Logical(LogicalType::_Unknown { .. })))
}

/// Whether values are text of a kind.
fn is_other_text(of: &Type) -> bool {
    of.get_physical_type() == Physical::BYTE_ARRAY
        && matches!(annotation(of), Some(Annotation::Logical(LogicalType::Json | LogicalType::Enum)))
}

/// A schema with other columns and this one's name.
pub(crate) fn schema_of(like: &Type, columns: Vec<TypePtr>) -> Result<SchemaDescriptor> {
    let root = Type::group_type_builder(like.name()).with_fields(columns).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

pub(crate) fn repetition(of: &Type) -> Option<Repetition> {
    let info = of.get_basic_info();
    info.has_repetition().then(|| info.repetition())
}

pub(crate) fn id(of: &Type) -> Option<i32> {
    let info = of.get_basic_info();
    info.has_id().then(|| info.id())
}

fn length(of: &Type) -> Option<i32> {
    match of {
        Type::PrimitiveType { physical_type: Physical::FIXED_LEN_BYTE_ARRAY, type_length, .. } => {
            Some(*type_length)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::schema::parser::parse_message_type;

    fn column(text: &str) -> TypePtr {
        let message = parse_message_type(&format!("message schema {{ {text} }}")).expect("a schema");
        Arc::clone(&message.get_fields()[0])
    }

    #[test]
    fn types_that_differ_are_told_apart() {
        let cases = [
            ("optional int32 x;", "optional int64 x;", ("INT32", "INT64")),
            ("optional binary x (UTF8);", "optional binary x;", ("STRING", "BYTE_ARRAY")),
            (
                "optional group x (LIST) { repeated group list { required int32 element; } }",
                "optional group x (LIST) { repeated group list { optional int32 element; } }",
                (
                    "OPTIONAL group x (LIST) { REPEATED group list { REQUIRED INT32 element; } }",
                    "OPTIONAL group x (LIST) { REPEATED group list { OPTIONAL INT32 element; } }",
                ),
            ),
        ];
        for (a, b, (shown_a, shown_b)) in cases {
            let (a, b) = (column(a), column(b));
            assert!(!is_same(&a, &b, Likeness::Stored), "{a:?} and {b:?}");
            assert_eq!(told_apart(&a, &b), (shown_a.to_owned(), shown_b.to_owned()));
        }
    }
}
