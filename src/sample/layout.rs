//! Lays out the columns of each kind of export, in the service's order, and what all series have in common: takes
//! options, returns a [`Layout`]. Generates no values.

use super::options::{Quantile, SampleOptions};
use crate::codec::csv::CellType;
use crate::codec::value::{TimestampFormatter, Unit, Zone};
use crate::model::{Error, Kind, Result, UsageError};
use crate::source::schema;

use arrow::datatypes::SchemaRef;

/// Windows of a backtest.
pub(super) const WINDOWS: u32 = 5;
/// The value for all items or times together in an explainability export.
pub(super) const AGGREGATE: &str = "Aggregate";
/// Attributes whose impact is explained.
pub(super) const ATTRIBUTES: [&str; 3] = ["price", "promotion", "holiday"];
/// The name of the what-if forecast, which its quantile columns carry.
const WHAT_IF_FORECAST: &str = "promotion";

const DIMENSIONS: [&str; super::options::MOST_DIMENSIONS] = [
    "store",
    "region",
    "country",
    "channel",
    "category",
    "brand",
    "supplier",
    "warehouse",
    "segment",
    "season",
];

/// The columns of an export, and the rows that each of its series has.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    pub(super) columns: Vec<Column>,
    /// The quantiles in the order of their columns.
    pub(super) quantiles: Vec<Quantile>,
    /// Points in time per series, or per window of it.
    pub(super) steps: usize,
    /// Rows of one series.
    pub(super) rows: usize,
    pub(super) items: u64,
    /// The number of series: one for each item, and one more if all items are also explained together.
    pub(super) series: u64,
    /// Columns of doubles.
    pub(super) values: usize,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) cells: Cells,
}

/// The source of a column's cells.
#[derive(Debug)]
pub(super) enum Cells {
    /// The item's id.
    Item,
    /// The item's value in this dimension.
    Dimension(usize),
    /// The same texts in every series, one per row.
    Words(Vec<String>),
    /// The same points in time in every series, as text and in microseconds.
    Times { texts: Vec<String>, micros: Vec<i64>, zone: Zone },
    /// The doubles of this number.
    Value(usize),
}

impl Layout {
    pub(super) fn new(options: &SampleOptions) -> Result<Self> {
        let kind = options.kind;
        let mut quantiles = options.quantiles.clone();
        // Sorted; the mean comes last, or first in a backtest.
        quantiles.sort_unstable();
        if kind == Kind::BacktestForecasts && quantiles.last() == Some(&Quantile::Mean) {
            quantiles.rotate_right(1);
        }
        let mut layout = Layout {
            kind,
            columns: Vec::new(),
            quantiles,
            steps: options.steps as usize,
            rows: 0,
            items: options.items,
            series: options.items,
            values: 0,
        };
        layout.push("item_id", Cells::Item);
        let calendar = Calendar { options };
        match kind {
            Kind::BacktestForecasts => {
                layout.push_dimensions(options);
                layout.push("timestamp", calendar.times(0..WINDOWS * options.steps, Zone::Utc)?);
                layout.push_value("target_value");
                let windows = (0..WINDOWS).flat_map(|window| (0..options.steps).map(move |_| window));
                layout.push_windows(&calendar, windows.map(|window| (window, window)))?;
                layout.push_quantiles("");
            }
            Kind::BacktestAccuracy => {
                let computed = (0..WINDOWS).map(|_| "Computed".to_owned());
                layout
                    .push("backtest_window", Cells::Words(computed.chain(["Summary".to_owned()]).collect()));
                let windows = (0..WINDOWS).map(|window| (window, window)).chain([(0, WINDOWS - 1)]);
                layout.push_windows(&calendar, windows)?;
                layout.push_metrics();
            }
            Kind::Explainability => {
                layout.push_dimensions(options);
                let Cells::Times { mut texts, .. } = calendar.times(0..options.steps, Zone::Utc)? else {
                    return Err(Error::Internal("a calendar without times".into()));
                };
                texts.push(AGGREGATE.to_owned());
                layout.push("timestamp", Cells::Words(texts));
                for score in ["Normalized", "Raw"] {
                    for attribute in ATTRIBUTES {
                        layout.push_value(&format!("{attribute}-{score}ImpactScore"));
                    }
                }
                layout.series += 1;
            }
            Kind::WhatIf => {
                layout.push_dimensions(options);
                layout.push("date", calendar.times(0..options.steps, Zone::Utc)?);
                layout.push_quantiles(&format!("{WHAT_IF_FORECAST}_"));
            }
            Kind::Forecast => {
                layout.push("date", calendar.times(0..options.steps, Zone::Utc)?);
                layout.push_dimensions(options);
                layout.push_quantiles("");
            }
        }
        Ok(layout)
    }

    fn push(&mut self, name: &str, cells: Cells) {
        if let Cells::Words(texts) | Cells::Times { texts, .. } = &cells {
            self.rows = texts.len();
        }
        self.columns.push(Column { name: name.to_owned(), cells });
    }

    fn push_value(&mut self, name: &str) {
        self.push(name, Cells::Value(self.values));
        self.values += 1;
    }

    fn push_dimensions(&mut self, options: &SampleOptions) {
        for (i, name) in DIMENSIONS.iter().take(options.dimensions as usize).enumerate() {
            self.push(name, Cells::Dimension(i));
        }
    }

    fn push_quantiles(&mut self, prefix: &str) {
        for quantile in self.quantiles.clone() {
            self.push_value(&format!("{prefix}{quantile}"));
        }
    }

    fn push_metrics(&mut self) {
        let percents: Vec<u8> = self.percents().collect();
        for percent in &percents {
            // 0.1 and 0.65, as the user writes them.
            self.push_value(&format!("wQL[{}]", f64::from(*percent) / 100.0));
        }
        if !percents.is_empty() {
            self.push_value("Average wQL");
        }
        for metric in ["RMSE", "WAPE", "MAPE", "MASE"] {
            self.push_value(metric);
        }
    }

    /// The quantiles without the mean.
    pub(super) fn percents(&self) -> impl Iterator<Item = u8> {
        self.quantiles.iter().filter_map(|quantile| match quantile {
            Quantile::Percent(percent) => Some(*percent),
            Quantile::Mean => None,
        })
    }

    /// For each row, its first and last window.
    fn push_windows(
        &mut self,
        calendar: &Calendar<'_>,
        windows: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> Result<()> {
        let steps = calendar.options.steps;
        let starts = windows.clone().map(|(first, _)| first * steps);
        self.push("backtestwindow_start_time", calendar.times(starts, Zone::None)?);
        let ends = windows.map(|(_, last)| (last + 1) * steps - 1);
        self.push("backtestwindow_end_time", calendar.times(ends, Zone::None)?);
        Ok(())
    }

    /// The schema that a conversion from CSV would find.
    pub(super) fn schema(&self) -> SchemaRef {
        let columns: Vec<schema::Column> = self
            .columns
            .iter()
            .map(|column| {
                let cell_type = match &column.cells {
                    Cells::Item | Cells::Dimension(_) | Cells::Words(_) => CellType::String,
                    Cells::Times { zone, .. } => CellType::Timestamp(*zone),
                    Cells::Value(_) => CellType::Double,
                };
                schema::Column { name: column.name.clone(), cell_type }
            })
            .collect();
        schema::arrow_of(&columns)
    }
}

struct Calendar<'a> {
    options: &'a SampleOptions,
}

impl Calendar<'_> {
    /// The points in time at these steps after the first one.
    fn times(&self, steps: impl Iterator<Item = u32>, zone: Zone) -> Result<Cells> {
        let (start, frequency) = (self.options.start, self.options.frequency);
        let mut formatter = TimestampFormatter::new();
        let (mut texts, mut micros) = (Vec::new(), Vec::new());
        for step in steps {
            let mut text = Vec::new();
            let time = frequency
                .after(start, step)
                .map(|time| time.and_utc().timestamp_micros())
                .filter(|time| formatter.write(*time, Unit::Micro, zone, &mut text))
                .ok_or_else(|| {
                    Error::from(UsageError::BeyondCalendar {
                        step: step.into(),
                        frequency: frequency.to_string(),
                        start: start.to_string(),
                    })
                })?;
            micros.push(time);
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
        Ok(Cells::Times { texts, micros, zone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(change: impl FnOnce(&mut SampleOptions)) -> Layout {
        let mut options = SampleOptions::default();
        change(&mut options);
        Layout::new(&options).expect("a layout")
    }

    fn header(kind: Kind) -> String {
        let layout = layout(|options| {
            options.kind = kind;
            options.quantiles = vec![Quantile::Mean, Quantile::Percent(90), Quantile::Percent(5)];
            options.dimensions = 2;
        });
        layout.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn every_kind_has_the_columns_of_the_service_in_its_order() {
        assert_eq!(header(Kind::Forecast), "item_id,date,store,region,p5,p90,mean");
        assert_eq!(
            header(Kind::BacktestForecasts),
            "item_id,store,region,timestamp,target_value,backtestwindow_start_time,backtestwindow_end_time,\
             mean,p5,p90"
        );
        assert_eq!(
            header(Kind::BacktestAccuracy),
            "item_id,backtest_window,backtestwindow_start_time,backtestwindow_end_time,wQL[0.05],wQL[0.9],\
             Average wQL,RMSE,WAPE,MAPE,MASE"
        );
        assert_eq!(
            header(Kind::Explainability),
            "item_id,store,region,timestamp,price-NormalizedImpactScore,promotion-NormalizedImpactScore,\
             holiday-NormalizedImpactScore,price-RawImpactScore,promotion-RawImpactScore,holiday-RawImpactScore"
        );
        assert_eq!(
            header(Kind::WhatIf),
            "item_id,store,region,date,promotion_p5,promotion_p90,promotion_mean"
        );
    }

    #[test]
    fn the_windows_of_a_backtest_follow_each_other_and_the_summary_spans_them() {
        let layout = layout(|options| {
            options.kind = Kind::BacktestAccuracy;
            options.steps = 24;
            options.frequency = "1H".parse().expect("a frequency");
        });
        let column = |name: &str| match layout.columns.iter().find(|column| column.name == name) {
            Some(Column { cells: Cells::Times { texts, .. } | Cells::Words(texts), .. }) => texts.clone(),
            _ => panic!("no column {name}"),
        };
        let rows: Vec<String> = (0..layout.rows)
            .map(|row| {
                ["backtest_window", "backtestwindow_start_time", "backtestwindow_end_time"]
                    .map(|name| column(name)[row].clone())
                    .join(",")
            })
            .collect();
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[0], "Computed,2026-01-03T00:00:00,2026-01-03T23:00:00");
        assert_eq!(rows[4], "Computed,2026-01-07T00:00:00,2026-01-07T23:00:00");
        assert_eq!(rows[5], "Summary,2026-01-03T00:00:00,2026-01-07T23:00:00");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_refused() {
        let options = SampleOptions {
            frequency: "1Y".parse().expect("a frequency"),
            start: "9990-01-01T00:00:00".parse().expect("a time"),
            ..SampleOptions::default()
        };
        let error = Layout::new(&options).expect_err("the year 10000");
        assert!(error.to_string().contains("step 10 of 1Y after 9990-01-01 00:00:00"), "{error}");
    }
}
