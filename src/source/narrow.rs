//! Narrows an input to some of its columns and parts.

use super::footer::Footer;
use super::input::{Contents, Input, PlannedPart};
use super::parquet_columns::Shape;
use crate::codec::csv::{Layout, Typing};
use crate::codec::filter::Known;
use crate::codec::parquet::{known, narrowed};
use crate::model::{DataErrorKind, Error, Format, Result};

use arrow::datatypes::DataType;
use std::sync::Arc;

impl Input {
    /// The number of source columns, which are not in the parts but say where a row came from. They come last.
    pub(crate) fn constants(&self) -> usize {
        self.parts.first().map_or(0, |part| part.constants.len())
    }

    /// The same parts with only these columns, given in ascending order.
    pub(crate) fn narrowed(mut self, columns: &[usize]) -> Result<Self> {
        let width = self.schema.fields().len() - self.constants();
        let split = columns.partition_point(|column| *column < width);
        let (columns_of_file, constants) = columns.split_at(split);
        let mut shapes = Vec::new();
        for part in &mut self.parts {
            part.constants = constants.iter().map(|column| part.constants[*column - width].clone()).collect();
            part.narrow(columns_of_file, &mut shapes)?;
        }
        let schema = self.schema.project(columns).map_err(|error| Error::Internal(error.to_string()))?;
        self.schema = Arc::new(schema);
        self.typing = Arc::new(Typing {
            schema: Arc::clone(&self.schema),
            types: match self.format {
                Format::Csv => columns.iter().map(|column| self.typing.types[*column]).collect(),
                Format::Parquet => Vec::new(),
            },
            nulls: self.typing.nulls.clone(),
            constants: constants.len(),
        });
        // Rows are read by their meaning.
        self.carried = None;
        Ok(self)
    }

    /// The leaf of a Parquet part from which a column's values are read unchanged, and the type of both.
    pub(crate) fn leaf(&self, part: usize, column: usize) -> Option<(usize, &DataType)> {
        let Contents::Parquet { shape, .. } = &self.parts[part].contents else { return None };
        let stored = (*shape.columns.get(column)?)?;
        let read = shape.values.schema.field(stored).data_type();
        let is_unchanged = shape.values.is_unchanged(stored) && read == self.schema.field(column).data_type();
        Some((shape.values.leaf(stored).filter(|_| is_unchanged)?, read))
    }

    /// What is known about a column's values in a part, or in a row group of a Parquet part.
    pub(crate) fn known(&self, index: usize, group: Option<usize>, column: usize) -> Known<'_> {
        let part = &self.parts[index];
        let width = self.schema.fields().len() - part.constants.len();
        if let Some(constant) = column.checked_sub(width) {
            return match &part.constants[constant] {
                Some(text) => Known::text(text),
                None => Known::NULLS,
            };
        }
        match (&part.contents, group) {
            (Contents::Csv { layout, .. }, _) if layout.fields[column].is_none() => Known::NULLS,
            (Contents::Parquet { footer, shape }, Some(group)) => match self.leaf(index, column) {
                // A footer that is not available is not worth parsing; the rows will tell.
                Some((leaf, data_type)) => match footer.at_hand() {
                    Some(metadata) => known(metadata, group, leaf, data_type),
                    None => Known::NOTHING,
                },
                None if shape.columns[column].is_none() => Known::NULLS,
                None => Known::NOTHING,
            },
            _ => Known::NOTHING,
        }
    }
}

impl PlannedPart {
    /// Keeps only some of the columns; parts that share a shape still share one.
    fn narrow(&mut self, columns: &[usize], shapes: &mut Vec<(Arc<Shape>, Arc<Shape>)>) -> Result<()> {
        let damaged = |reason: String| {
            let problem = format!("the Parquet footer cannot be read: {reason}");
            Error::from(Error::data(DataErrorKind::Damaged, &self.object.url, problem))
        };
        match &mut self.contents {
            Contents::Empty => {}
            Contents::Csv { layout, .. } => {
                let fields = columns.iter().map(|column| layout.fields[*column]).collect();
                *layout = Arc::new(Layout { fields, ..Layout::clone(layout) });
            }
            Contents::Parquet { footer, shape } => {
                let mut stored: Vec<usize> =
                    columns.iter().filter_map(|column| shape.columns[*column]).collect();
                stored.sort_unstable();
                *footer = Footer::new(narrowed(&footer.metadata(), &stored).map_err(damaged)?);
                let known = shapes.iter().rfind(|(wide, _)| Arc::ptr_eq(wide, shape));
                *shape = match known {
                    Some((_, narrow)) => Arc::clone(narrow),
                    None => {
                        let place = |column: &usize| {
                            shape.columns[*column].and_then(|column| stored.binary_search(&column).ok())
                        };
                        let view = Arc::new(shape.values.narrowed(&stored).map_err(damaged)?);
                        let narrow = Arc::new(Shape {
                            columns: columns.iter().map(place).collect(),
                            carried: Arc::clone(&view),
                            values: view,
                        });
                        shapes.push((Arc::clone(shape), Arc::clone(&narrow)));
                        narrow
                    }
                };
            }
        }
        Ok(())
    }
}
