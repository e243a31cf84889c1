//! Derives the columns of rows from the footers of Parquet parts, or finds a difference and names file and column. A
//! column keeps the Parquet type of its parts: an output declares that type, not Arrow's translation of it.

use super::export::Part;
use super::footer::Footer;
use super::schema::{
    check_type_names, chosen_types, output_type, refuse_difference, refuse_duplicates, without_line,
};
use crate::codec::guard;
use crate::codec::parquet::{
    Edit, Given, Likeness, Treatment, View, arrow_schema_of, edited, has_int96, id, is_bytes, is_only_null,
    is_said_by_arrow, is_same, repetition, schema_of, shown, told_apart,
};
use crate::model::{
    ColumnType, DataErrorKind, Error, Options, Remedy, Result, SOURCE_COLUMNS, SchemaMode, Warning,
};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter};
use parquet::basic::Repetition;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::{SchemaDescPtr, Type, TypePtr};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The columns of Parquet parts.
pub(crate) struct ParquetColumns {
    /// The schema that rows are decoded to; a column is nullable if it is nullable in any part.
    pub(crate) schema: SchemaRef,
    pub(crate) carried: Carried,
    /// How to read each part.
    pub(crate) shapes: Vec<Arc<Shape>>,
    pub(crate) warnings: Vec<Warning>,
}

/// The columns on the way from Parquet to Parquet.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    /// The Arrow types that values travel in: numbers and bytes, as stored.
    pub(crate) schema: SchemaRef,
    /// The types that an output declares: the parts' own.
    pub(crate) descriptor: SchemaDescPtr,
    /// The columns that differ from the parts': of another type, or added.
    pub(crate) changed: HashSet<String>,
    /// The first column that can be copied but not re-encoded.
    pub(crate) not_encoded: Option<String>,
}

/// How to read the parts of one schema.
#[derive(Debug)]
pub(crate) struct Shape {
    /// For each column of the rows, the file's column.
    pub(crate) columns: Vec<Option<usize>>,
    /// By the meaning of values.
    pub(crate) values: Arc<View>,
    /// As values are stored.
    pub(crate) carried: Arc<View>,
}

/// A schema of some parts, and the first of these.
struct Known {
    descriptor: SchemaDescPtr,
    /// The text of their Arrow schema, which is identical in most parts.
    arrow: Option<String>,
    durations: Durations,
    values: Arc<View>,
}

/// For each column that holds durations: the units of its leaves, `None` for a leaf of another type. Parquet has no
/// duration type, so only Arrow's schema distinguishes durations from other numbers.
type Durations = HashMap<String, Vec<Option<TimeUnit>>>;

/// What parts agree on, column by column.
struct Agreed {
    field: Field,
    stored: TypePtr,
    /// As in [`Durations`].
    units: Vec<Option<TimeUnit>>,
    /// Whether it goes from Parquet to Parquet as stored.
    is_carried: bool,
    has_one_id: bool,
    /// The part that had it first.
    holder: usize,
}

/// Agrees on the columns of all Parquet parts.
pub(crate) fn of_parquet(parts: &[(&Part, &Footer)], options: &Options) -> Result<ParquetColumns> {
    let mut known: Vec<Known> = Vec::new();
    let mut places: Vec<usize> = Vec::with_capacity(parts.len());
    let asked = Asked { options, types: chosen_types(options) };
    let mut columns = Agreement { options, asked: &asked, parts, agreed: Vec::new(), places: HashMap::new() };
    for (index, (part, footer)) in parts.iter().enumerate() {
        let metadata = footer.metadata();
        let descriptor = metadata.file_metadata().schema_descr_ptr();
        let fields = descriptor.root_schema().get_fields();
        let arrow = arrow_text(&metadata);
        // Another part with a known schema adds nothing.
        let seen = known.iter().rposition(|known| {
            known.descriptor.root_schema().get_fields() == fields
                && (known.arrow.as_deref() == arrow || known.durations == durations_of(arrow))
        });
        places.push(seen.unwrap_or(known.len()));
        if seen.is_none() {
            let meant = |column: usize| asked.meant(fields[column].name());
            let values = View::new(&descriptor, meant).map_err(|reason| {
                let problem = format!("the Parquet schema cannot be read: {reason}");
                Error::data(DataErrorKind::Damaged, &part.object.url, problem)
            })?;
            let durations = durations_of(arrow);
            columns.add(index, fields, &durations, &values)?;
            let arrow = arrow.map(str::to_owned);
            known.push(Known { descriptor, arrow, durations, values: Arc::new(values) });
        }
    }
    columns.finish(&known, &places)
}

struct Agreement<'a> {
    options: &'a Options,
    asked: &'a Asked<'a>,
    parts: &'a [(&'a Part, &'a Footer)],
    agreed: Vec<Agreed>,
    places: HashMap<String, usize>,
}

impl Agreement<'_> {
    /// Adds a schema's columns to those of the parts before.
    fn add(&mut self, index: usize, stored: &[TypePtr], durations: &Durations, values: &View) -> Result<()> {
        let part = self.parts[index].0;
        let names: Vec<String> = stored.iter().map(|column| column.name().to_owned()).collect();
        refuse_duplicates(part, &names).map_err(without_line)?;
        if self.options.schema == SchemaMode::Strict && index > 0 {
            let first: Vec<String> = self.agreed.iter().map(|agreed| agreed.field.name().clone()).collect();
            refuse_difference(part, &names, self.parts[0].0, &first).map_err(without_line)?;
        }
        let mut is_here = vec![false; self.agreed.len()];
        for (stored, field) in stored.iter().zip(values.schema.fields()) {
            let units = durations.get(field.name()).map_or(&[][..], Vec::as_slice);
            match self.places.get(field.name()) {
                Some(&place) => {
                    is_here[place] = true;
                    self.join(place, index, (stored, units), field)?;
                }
                None => {
                    self.places.insert(field.name().clone(), self.agreed.len());
                    // Parts before this one lack it.
                    let field = field.as_ref().clone().with_nullable(field.is_nullable() || index > 0);
                    self.agreed.push(Agreed {
                        field,
                        stored: Arc::clone(stored),
                        units: units.to_vec(),
                        is_carried: true,
                        has_one_id: true,
                        holder: index,
                    });
                }
            }
        }
        for (agreed, is_here) in self.agreed.iter_mut().zip(is_here) {
            if !is_here {
                agreed.field.set_nullable(true);
            }
        }
        Ok(())
    }

    /// Merges a part's column with that of the parts before.
    fn join(
        &mut self,
        place: usize,
        index: usize,
        (stored, units): (&TypePtr, &[Option<TimeUnit>]),
        field: &FieldRef,
    ) -> Result<()> {
        let (options, agreed) = (self.options, &mut self.agreed[place]);
        let by_name = options.schema == SchemaMode::ByName;
        let nullable = agreed.field.is_nullable() || field.is_nullable();
        let is_typed = self.asked.is_typed(field.name());
        let is_one_null = is_only_null(stored) || is_only_null(&agreed.stored);
        let has_one_unit = agreed.units == units || is_one_null || is_typed;
        // A new type is derived from Arrow's.
        let has_units = !units.is_empty() || !agreed.units.is_empty();
        let can_be_made = !has_units && is_said_by_arrow(&agreed.stored) && is_said_by_arrow(stored);
        let wider = widened(agreed.field.data_type(), field.data_type()).filter(|_| can_be_made);
        if has_one_unit && is_same(&agreed.stored, stored, Likeness::Stored) {
            agreed.has_one_id &= is_same(&agreed.stored, stored, Likeness::Ids);
        } else if is_typed || (can_be_made && is_same(&agreed.stored, stored, Likeness::Meaning)) {
            agreed.is_carried = false;
        } else if by_name && is_only_null(stored) {
        } else if by_name && is_only_null(&agreed.stored) {
            (agreed.field, agreed.stored) = (field.as_ref().clone(), Arc::clone(stored));
            (agreed.units, agreed.holder) = (units.to_vec(), index);
        } else if let (true, Some(wider)) = (by_name, &wider) {
            agreed.field = Field::new(field.name(), wider.clone(), nullable);
            agreed.is_carried = false;
        } else {
            let other = self.parts[agreed.holder].0.object.file_name();
            let problem = if has_one_unit {
                let (here, there) = told_apart(stored, &agreed.stored);
                format!("the type is {here} here but {there} in {other}")
            } else {
                let (here, there) = (units_shown(units), units_shown(&agreed.units));
                format!("durations are in {here} here but in {there} in {other}")
            };
            let kind = DataErrorKind::SchemasDiffer;
            let can_widen = !by_name && (wider.is_some() || is_one_null);
            let column = field.name().clone();
            let remedy = if can_widen { Remedy::AlignTypes { column } } else { Remedy::GiveType { column } };
            let file = &self.parts[index].0.object.url;
            return Err(Error::data(kind, file, problem).column(field.name()).remedy(remedy).into());
        }
        agreed.field.set_nullable(nullable);
        Ok(())
    }

    fn finish(mut self, known: &[Known], places: &[usize]) -> Result<ParquetColumns> {
        let names: Vec<String> = self.agreed.iter().map(|agreed| agreed.field.name().clone()).collect();
        check_type_names(&names, self.options)?;
        let mut warnings = Vec::new();
        let mut declared = Vec::with_capacity(names.len());
        for agreed in &mut self.agreed {
            agreed.give_type(self.asked)?;
            if !agreed.has_one_id {
                warnings.push(Warning::FieldIdsDiffer { column: agreed.field.name().clone() });
            }
            declared.push(agreed.declared()?);
        }
        let mut fields: Vec<FieldRef> =
            self.agreed.iter().map(|agreed| Arc::new(agreed.field.clone())).collect();
        if self.options.source_columns {
            for name in SOURCE_COLUMNS {
                let field = Field::new(name, DataType::Utf8, true);
                declared.push(converted(&field)?);
                fields.push(Arc::new(field));
            }
        }
        let shapes = self.shapes(known)?;
        let like = known.first().map_or("schema", |known| known.descriptor.name());
        let mut carried =
            carried(like, declared, &fields, |i| self.agreed.get(i).is_some_and(|agreed| agreed.is_carried))?;
        let as_int64 = self.agreed.iter().filter(|agreed| has_int96(&agreed.stored));
        carried.changed.extend(as_int64.map(|agreed| agreed.field.name().clone()));
        Ok(ParquetColumns {
            schema: Arc::new(Schema::new(fields)),
            carried,
            shapes: places.iter().map(|place| Arc::clone(&shapes[*place])).collect(),
            warnings,
        })
    }

    /// How to read the parts of each schema.
    fn shapes(&self, known: &[Known]) -> Result<Vec<Arc<Shape>>> {
        let shape = |known: &Known| {
            let file = known.descriptor.root_schema().get_fields();
            let of_name: HashMap<&str, usize> =
                file.iter().enumerate().map(|(i, column)| (column.name(), i)).collect();
            let columns: Vec<Option<usize>> =
                self.agreed.iter().map(|agreed| of_name.get(agreed.field.name().as_str()).copied()).collect();
            let treatment = |column: usize| {
                let name = file[column].name();
                let agreed = self.places.get(name).map(|place| &self.agreed[*place]);
                match agreed {
                    // A column without values fits any type.
                    Some(agreed)
                        if agreed.is_carried
                            && is_only_null(&file[column]) == is_only_null(&agreed.stored) =>
                    {
                        Treatment::Carried
                    }
                    _ => self.asked.meant(name),
                }
            };
            let carried = View::new(&known.descriptor, treatment).map_err(Error::Internal)?;
            Ok(Arc::new(Shape { columns, values: Arc::clone(&known.values), carried: Arc::new(carried) }))
        };
        known.iter().map(shape).collect()
    }
}

impl Agreed {
    /// Gives the column the requested type.
    fn give_type(&mut self, asked: &Asked<'_>) -> Result<()> {
        if asked.is_typed(self.field.name()) {
            let asked = asked.type_of(&self.field);
            let plain = Field::new(self.field.name(), asked, self.field.is_nullable());
            self.is_carried &= is_same(&*converted(&plain)?, &self.stored, Likeness::Stored);
            if !self.is_carried {
                self.field = plain;
            }
        }
        self.is_carried &= !(is_bytes(&self.stored) && *self.field.data_type() == DataType::Utf8);
        // A repeated column cannot hold a null.
        let is_repeated = repetition(&self.stored) == Some(Repetition::REPEATED);
        self.is_carried &= !(is_repeated && self.field.is_nullable());
        Ok(())
    }

    /// The Parquet type that an output declares.
    fn declared(&self) -> Result<TypePtr> {
        if !self.is_carried {
            let converted = converted(&self.field)?;
            return Ok(match id(&self.stored).filter(|_| self.has_one_id) {
                Some(id) => {
                    let given = Given { id: Some(id), ..Given::default() };
                    guard(|| edited(&converted, given, Edit::default())).map_err(|_| self.unsupported())?
                }
                None => converted,
            });
        }
        let is_required = repetition(&self.stored) == Some(Repetition::REQUIRED);
        let optional = (is_required && self.field.is_nullable()).then_some(Repetition::OPTIONAL);
        let edit = Edit { without_int96: true, without_ids: !self.has_one_id, ..Edit::default() };
        guard(|| edited(&self.stored, Given { repetition: optional, id: None }, edit))
            .map_err(|_| self.unsupported())
    }

    fn unsupported(&self) -> Error {
        let problem = format!("the type {} cannot be re-encoded", shown(&self.stored));
        Error::data(DataErrorKind::Unsupported, "the output", problem).column(self.field.name()).into()
    }
}

/// The requested types.
struct Asked<'a> {
    options: &'a Options,
    types: HashMap<&'a str, ColumnType>,
}

impl Asked<'_> {
    fn is_typed(&self, name: &str) -> bool {
        self.options.all_strings || self.types.contains_key(name)
    }

    fn type_of(&self, field: &Field) -> DataType {
        output_type(field, self.types.get(field.name().as_str()).copied(), self.options.all_strings)
    }

    /// The type to read a column as, when its values are wanted; a requested type takes precedence.
    fn meant(&self, name: &str) -> Treatment {
        match self.options.binary {
            Some(text) if !self.is_typed(name) => Treatment::Text(text),
            _ => Treatment::Meant,
        }
    }
}

/// The Parquet type for values of an Arrow type.
fn converted(field: &Field) -> Result<TypePtr> {
    let alone = Schema::new(vec![field.clone()]);
    let converted = guard(|| ArrowSchemaConverter::new().convert(&alone)).map_err(|reason| {
        let problem = format!("Parquet cannot hold the type {}: {reason}", field.data_type());
        Error::data(DataErrorKind::Unsupported, "the output", problem).column(field.name())
    })?;
    let fields = converted.root_schema().get_fields();
    fields.first().cloned().ok_or_else(|| Error::Internal("a column without a type".into()))
}

/// The columns on the way from Parquet to Parquet.
fn carried(
    like: &str,
    declared: Vec<TypePtr>,
    fields: &[FieldRef],
    is_carried: impl Fn(usize) -> bool,
) -> Result<Carried> {
    let internal = |reason: String| Error::Internal(format!("a schema of columns that exist: {reason}"));
    let root = guard(|| Type::group_type_builder(like).build()).map_err(internal)?;
    let descriptor = guard(|| schema_of(&root, declared)).map_err(internal)?;
    let treatment = |i| if is_carried(i) { Treatment::Carried } else { Treatment::Meant };
    let view = View::new(&descriptor, treatment).map_err(internal)?;
    let field = |(i, (carried, value)): (usize, (&FieldRef, &FieldRef))| {
        Arc::clone(if is_carried(i) { carried } else { value })
    };
    let schema =
        Schema::new(view.schema.fields().iter().zip(fields).enumerate().map(field).collect::<Fields>());
    // Levels say which value belongs to which row. They are computed from Arrow's types and must be the declared ones.
    let worked_out = guard(|| ArrowSchemaConverter::new().convert(&schema)).map_err(internal)?;
    let levels = |descriptor: &parquet::schema::types::SchemaDescriptor, i: usize| {
        let columns = descriptor.columns().iter().enumerate();
        columns
            .filter(|(leaf, _)| descriptor.get_column_root_idx(*leaf) == i)
            .map(|(_, leaf)| (leaf.physical_type(), leaf.max_def_level(), leaf.max_rep_level()))
            .collect::<Vec<_>>()
    };
    let changed =
        fields.iter().enumerate().filter(|(i, _)| !is_carried(*i)).map(|(_, field)| field.name().clone());
    let changed = changed.collect();
    let is_nested = |i: &usize| descriptor.root_schema().get_fields()[*i].is_group();
    let not_encoded = (0..fields.len())
        .filter(is_nested)
        .find(|i| levels(&worked_out, *i) != levels(&descriptor, *i))
        .map(|i| fields[i].name().clone());
    Ok(Carried { schema: Arc::new(schema), descriptor: Arc::new(descriptor), changed, not_encoded })
}

impl Carried {
    /// Whether an encoder would give a column the type of its parts.
    pub(crate) fn keeps_types_of(&self, metadata: &ParquetMetaData) -> bool {
        let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
        self.not_encoded.is_none()
            && !fields.iter().any(|column| has_int96(column))
            && self.descriptor.root_schema().get_fields() == fields
    }
}

/// The text of the Arrow schema that a file carries.
fn arrow_text(metadata: &ParquetMetaData) -> Option<&str> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == ARROW_SCHEMA_META_KEY)?.value.as_deref()
}

/// What Arrow's schema says about durations.
fn durations_of(arrow: Option<&str>) -> Durations {
    fn units(of: &DataType, found: &mut Vec<Option<TimeUnit>>) {
        match of {
            DataType::Duration(unit) => found.push(Some(*unit)),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => units(item.data_type(), found),
            DataType::Struct(fields) => fields.iter().for_each(|field| units(field.data_type(), found)),
            DataType::Dictionary(_, values) => units(values, found),
            _ => found.push(None),
        }
    }
    let Some(schema) = arrow.and_then(arrow_schema_of) else { return Durations::new() };
    let column = |field: &FieldRef| {
        let mut found = Vec::new();
        units(field.data_type(), &mut found);
        found.iter().any(Option::is_some).then(|| (field.name().clone(), found))
    };
    schema.fields().iter().filter_map(column).collect()
}

fn units_shown(units: &[Option<TimeUnit>]) -> String {
    let names: Vec<&str> = units
        .iter()
        .flatten()
        .map(|unit| match unit {
            TimeUnit::Second => "seconds",
            TimeUnit::Millisecond => "milliseconds",
            TimeUnit::Microsecond => "microseconds",
            TimeUnit::Nanosecond => "nanoseconds",
        })
        .collect();
    if names.is_empty() { "numbers of no unit".into() } else { names.join(" and ") }
}

/// The type that holds every value of two types.
fn widened(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Decimal128, Decimal256, Float16, Float32, Float64, Int8, Int16, Int32, Int64, List, Struct, Time32,
        Time64, Timestamp, UInt8, UInt16, UInt32, UInt64,
    };
    if a == b {
        return Some(a.clone());
    }
    let whole = |of: &DataType| {
        Some(match of {
            Int8 => (true, 8),
            Int16 => (true, 16),
            Int32 => (true, 32),
            Int64 => (true, 64),
            UInt8 => (false, 8),
            UInt16 => (false, 16),
            UInt32 => (false, 32),
            UInt64 => (false, 64),
            _ => return None,
        })
    };
    if let (Some((a_signed, a_bits)), Some((b_signed, b_bits))) = (whole(a), whole(b)) {
        let (signed, unsigned) = if a_signed { (a_bits, b_bits) } else { (b_bits, a_bits) };
        let holds_both = a_signed == b_signed || signed > unsigned;
        return holds_both
            .then(|| if a_bits > b_bits || (a_bits == b_bits && a_signed) { a } else { b }.clone());
    }
    let finer = |a: TimeUnit, b: TimeUnit| {
        let rank = |unit| match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 1,
            TimeUnit::Microsecond => 2,
            TimeUnit::Nanosecond => 3,
        };
        if rank(a) >= rank(b) { a } else { b }
    };
    let decimal = |of: &DataType| match of {
        Decimal128(precision, scale) | Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    };
    if let (Some((a_precision, a_scale)), Some((b_precision, b_scale))) = (decimal(a), decimal(b)) {
        let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
        let scale = a_scale.max(b_scale);
        let precision = whole(a_precision, a_scale).max(whole(b_precision, b_scale)) + i16::from(scale);
        return match u8::try_from(precision).ok()? {
            precision @ ..=38 => Some(Decimal128(precision, scale)),
            precision @ ..=76 => Some(Decimal256(precision, scale)),
            _ => None,
        };
    }
    let field = |a: &FieldRef, b: &FieldRef| {
        let nullable = a.is_nullable() || b.is_nullable();
        let wider = widened(a.data_type(), b.data_type())?;
        Some(Arc::new(Field::new(a.name(), wider, nullable)))
    };
    Some(match (a, b) {
        (Float16, Float32) | (Float32, Float16) => Float32,
        (Float16 | Float32, Float64) | (Float64, Float16 | Float32) => Float64,
        (Timestamp(a, a_zone), Timestamp(b, b_zone)) if a_zone == b_zone => {
            Timestamp(finer(*a, *b), a_zone.clone())
        }
        (Time32(a) | Time64(a), Time32(b) | Time64(b)) => Time64(finer(*a, *b)),
        (List(a), List(b)) => List(field(a, b)?),
        (Struct(a), Struct(b))
            if a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name()) =>
        {
            Struct(a.iter().zip(b).map(|(a, b)| field(a, b)).collect::<Option<Fields>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_type_holds_every_value_of_both() {
        use DataType::*;
        let micros = |zone: Option<&str>| Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let millis = |zone: Option<&str>| Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
        let cases = [
            (Int32, Int64, Some(Int64)),
            (UInt32, Int64, Some(Int64)),
            (UInt64, Int64, None),
            (Int32, UInt32, None),
            (Float32, Float64, Some(Float64)),
            (Int32, Float64, None),
            (millis(None), micros(None), Some(micros(None))),
            (millis(Some("UTC")), micros(None), None),
            (Decimal128(9, 2), Decimal128(12, 4), Some(Decimal128(12, 4))),
            (Decimal128(38, 0), Decimal128(38, 10), Some(Decimal256(48, 10))),
            (Utf8, Binary, None),
            (Utf8, Int64, None),
        ];
        for (a, b, expected) in cases {
            assert_eq!(widened(&a, &b), expected, "{a} and {b}");
            assert_eq!(widened(&b, &a), expected, "{b} and {a}");
        }
    }
}
