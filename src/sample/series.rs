//! Generates the IDs and values of a series from only the seed and the series' number. So they do not depend on the
//! part or thread that makes them. Nor do they depend on the machine, because only `+ - * /` and `sqrt` are used, which
//! are exactly rounded everywhere.

use super::layout::{AGGREGATE, ATTRIBUTES, Layout, WINDOWS};
use super::options::Quantile;
use crate::model::Kind;

use std::fmt::Write;

/// Random numbers: SplitMix64 by Steele, Lea and Flood (2014).
struct Random {
    state: u64,
}

impl Random {
    /// The generator for one series.
    fn new(seed: u64, series: u64) -> Self {
        let mut random = Random { state: seed };
        random.state = random.next() ^ series;
        random.state = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`.
    fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    /// At least 0 and less than 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One series at a time; the buffers are reused for the next one.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) item: String,
    pub(super) dimensions: Vec<String>,
    /// For each column of doubles, a value for each row. NaN means `not defined`.
    pub(super) values: Vec<Vec<f64>>,
}

/// IDs that look like something else, as in some exports; all others are like `item_000042`.
const AWKWARD_IDS: [(u64, &str); 4] = [(1, "00042"), (2, "1e5"), (3, "true"), (4, "nan")];

/// By day of the week, if steps are days.
const SEASON: [f64; 7] = [-0.2, -0.1, 0.0, 0.05, 0.1, 0.3, 0.25];

impl Series {
    /// Generates the series with this number.
    pub(super) fn draw(&mut self, layout: &Layout, seed: u64, number: u64) {
        let mut random = Random::new(seed, number);
        let is_aggregate = number >= layout.items;
        self.item.clear();
        // Writing to a string cannot fail.
        let _ = match AWKWARD_IDS.iter().find(|(at, _)| *at == number) {
            _ if is_aggregate => self.item.write_str(AGGREGATE),
            Some((_, id)) => self.item.write_str(id),
            None => write!(self.item, "item_{number:06}"),
        };
        self.dimensions.resize(super::options::MOST_DIMENSIONS, String::new());
        for (i, dimension) in self.dimensions.iter_mut().enumerate() {
            let value = random.below(40);
            dimension.clear();
            let _ = match i {
                _ if is_aggregate => dimension.write_str(AGGREGATE),
                0 => write!(dimension, "store_{value}"),
                1 => write!(dimension, "{value:05}"),
                _ => write!(dimension, "d{i}-{value}"),
            };
        }
        self.values.resize(layout.values, Vec::new());
        self.values.iter_mut().for_each(Vec::clear);
        match layout.kind {
            Kind::BacktestAccuracy => self.draw_metrics(layout, &mut random),
            Kind::Explainability => self.draw_impacts(layout, &mut random),
            Kind::Forecast | Kind::WhatIf | Kind::BacktestForecasts => {
                self.draw_forecast(layout, &mut random)
            }
        }
    }

    fn draw_forecast(&mut self, layout: &Layout, random: &mut Random) {
        let character = random.below(64);
        let is_intermittent = character < 4;
        let scale = match character {
            4 => 1e-4,
            5 => 2e7,
            other => [1.0, 10.0, 100.0, 1000.0][other as usize % 4],
        };
        let level = scale * (0.25 + random.unit());
        let trend = 0.004 * (random.unit() - 0.5);
        let (targets, quantiles) =
            self.values.split_at_mut(usize::from(layout.kind == Kind::BacktestForecasts));
        for row in 0..layout.rows {
            let step = row % layout.steps;
            let middle = level * (1.0 + SEASON[row % 7] + trend * row as f64 + 0.2 * (random.unit() - 0.5));
            // Uncertainty grows with the horizon: the low quantiles of a long forecast fall below zero.
            let spread = level * (0.2 + 0.1 * random.unit()) * (1.0 + 0.02 * step as f64);
            let kept = |value: f64| if is_intermittent && value < level { 0.0 } else { value };
            for (quantile, values) in layout.quantiles.iter().zip(&mut *quantiles) {
                values.push(kept(middle + spread * deviation(*quantile)));
            }
            for values in &mut *targets {
                // Counts are whole numbers.
                values.push(kept((middle + spread * 2.0 * (random.unit() - 0.5)).floor()));
            }
        }
    }

    fn draw_metrics(&mut self, layout: &Layout, random: &mut Random) {
        let scale = 100.0 * random.unit() * random.unit();
        for row in 0..layout.rows {
            // If nothing was sold in a window, there is nothing to divide by.
            let is_defined = row as u32 == WINDOWS || random.below(24) > 0;
            // Some forecasts are very good: errors such as 2.295408381527212E-4.
            let error = random.unit() * random.unit() * random.unit();
            let mut columns = self.values.iter_mut();
            let mut push = |value: f64| {
                if let Some(values) = columns.next() {
                    values.push(if is_defined { value } else { f64::NAN });
                }
            };
            let (mut sum, mut count) = (0.0, 0.0);
            for percent in layout.percents() {
                let p = f64::from(percent) / 100.0;
                let loss = error * (0.25 + 3.0 * p * (1.0 - p));
                sum += loss;
                count += 1.0;
                push(loss);
            }
            if count > 0.0 {
                push(sum / count);
            }
            push(scale * error);
            push(error * (0.9 + 0.1 * random.unit()));
            push(error * (1.0 + 0.1 * random.unit()));
            push(error * 1.5);
        }
    }

    fn draw_impacts(&mut self, layout: &Layout, random: &mut Random) {
        let (normalized, raw) = self.values.split_at_mut(ATTRIBUTES.len());
        for _ in 0..layout.rows {
            for (normalized, raw) in normalized.iter_mut().zip(&mut *raw) {
                let (sign, size) = (random.below(2), random.unit() * random.unit());
                let impact = match random.below(16) {
                    0 => 0.0,
                    _ if sign == 0 => -size,
                    _ => size,
                };
                normalized.push(impact);
                raw.push(12.5 * impact);
            }
        }
    }
}

/// The distance of a quantile from the median, for Student's t with two degrees of freedom, which has a closed form.
fn deviation(quantile: Quantile) -> f64 {
    match quantile {
        Quantile::Percent(percent) => {
            let p = f64::from(percent) / 100.0;
            (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt()
        }
        Quantile::Mean => 0.05,
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::SampleOptions;
    use super::*;

    fn drawn(kind: Kind, number: u64) -> (Layout, Series) {
        let options = SampleOptions { kind, ..SampleOptions::default() };
        let layout = Layout::new(&options).expect("a layout");
        let mut series = Series::default();
        series.draw(&layout, options.seed, number);
        (layout, series)
    }

    #[test]
    fn the_random_numbers_are_those_of_the_paper() {
        let mut random = Random { state: 1_234_567 };
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([(); 3].map(|()| random.next()), expected);
    }

    #[test]
    fn a_series_depends_on_the_seed_and_its_number_alone() {
        let (layout, series) = drawn(Kind::Forecast, 7);
        let mut again = Series::default();
        again.draw(&layout, 1, 8);
        assert_ne!(series.values, again.values);
        again.draw(&layout, 2, 7);
        assert_ne!(series.values, again.values);
        again.draw(&layout, 1, 7);
        assert_eq!((&series.item, &series.values), (&again.item, &again.values));
    }

    #[test]
    fn every_column_has_a_value_in_every_row() {
        for kind in Kind::ALL {
            let (layout, series) = drawn(kind, 0);
            assert_eq!(series.values.len(), layout.values, "{kind}");
            assert!(series.values.iter().all(|values| values.len() == layout.rows), "{kind}");
        }
    }

    #[test]
    fn quantiles_do_not_cross() {
        for number in 0..200 {
            let (layout, series) = drawn(Kind::Forecast, number);
            for row in 0..layout.rows {
                let quantiles = [0, 1, 2].map(|column| series.values[column][row]);
                assert!(quantiles.is_sorted(), "series {number}, row {row}: {quantiles:?}");
            }
        }
    }

    #[test]
    fn values_take_every_form_that_an_export_has() {
        let mut text = Vec::new();
        let mut undefined = 0;
        for kind in Kind::ALL {
            for number in 0..200 {
                for value in drawn(kind, number).1.values.concat() {
                    if value.is_nan() {
                        undefined += 1;
                        continue;
                    }
                    crate::codec::value::write_java(value, &mut text);
                    text.push(b'\n');
                }
            }
        }
        assert!(undefined > 0);
        let text = String::from_utf8(text).expect("text");
        let digits = |line: &str| {
            line.split('E').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count()
        };
        for (form, found) in [
            ("0.0", text.lines().any(|line| line == "0.0")),
            ("negative", text.lines().any(|line| line.starts_with('-'))),
            ("small", text.lines().any(|line| line.contains("E-4"))),
            ("large", text.lines().any(|line| line.contains("E7"))),
            ("whole", text.lines().any(|line| line.len() > 3 && line.ends_with(".0"))),
            ("16 digits", text.lines().any(|line| digits(line) == 16)),
            ("17 digits", text.lines().any(|line| digits(line) == 17)),
        ] {
            assert!(found, "no value is {form}");
        }
        assert!(text.lines().all(|line| line != "-0.0" && line != "Infinity"));
    }
}
