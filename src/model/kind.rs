//! The kinds of export.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// `CreateForecastExportJob`, and any other exporter's files.
    Forecast,
    /// `CreatePredictorBacktestExportJob`, folder `forecasted-values`.
    BacktestForecasts,
    /// `CreatePredictorBacktestExportJob`, folder `accuracy-metrics-values`.
    BacktestAccuracy,
    /// `CreateExplainabilityExport`; known by its columns, as its names are those of a forecast.
    Explainability,
    /// `CreateWhatIfForecastExport`; known by its columns, as its names are those of a forecast.
    WhatIf,
}

impl Kind {
    /// Every kind, in the order they are listed.
    pub const ALL: [Kind; 5] =
        [Kind::Forecast, Kind::BacktestForecasts, Kind::BacktestAccuracy, Kind::Explainability, Kind::WhatIf];

    /// The word for it on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Forecast => "forecast",
            Kind::BacktestForecasts => "backtest-forecasts",
            Kind::BacktestAccuracy => "backtest-accuracy",
            Kind::Explainability => "explainability",
            Kind::WhatIf => "what-if",
        }
    }

    /// The folder a backtest export job makes for this kind, and the prefix of the files in it.
    pub fn backtest_folder(self) -> Option<(&'static str, &'static str)> {
        match self {
            Kind::BacktestForecasts => Some(("forecasted-values", "Forecasts_")),
            Kind::BacktestAccuracy => Some(("accuracy-metrics-values", "Accuracy_")),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
