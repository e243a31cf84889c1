//! What the server counts, as Prometheus reads it.

use super::state::Status;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// A label and its value.
type Label = (&'static str, &'static str);

/// The counts of one server.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Vec<Label>, Counter>,
    request_time: Family<Vec<Label>, Histogram>,
    connections: Gauge,
    refused: Counter,
    jobs: Family<Vec<Label>, Gauge>,
    rows: Counter,
    bytes: Counter,
    export_time: Histogram,
}

fn request_times() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0])
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("forecast_export"),
            requests: Family::default(),
            request_time: Family::new_with_constructor(request_times),
            connections: Gauge::default(),
            refused: Counter::default(),
            jobs: Family::default(),
            rows: Counter::default(),
            bytes: Counter::default(),
            export_time: Histogram::new([0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0]),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "requests",
            "Requests to the API, by operation and result",
            metrics.requests.clone(),
        );
        let help = "Time from a request to its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, metrics.request_time.clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        let help = "Connections that were refused because there were too many";
        registry.register("connections_refused", help, metrics.refused.clone());
        registry.register("jobs", "Export jobs, by status", metrics.jobs.clone());
        registry.register("exported_rows", "Rows of completed exports", metrics.rows.clone());
        let help = "Bytes of the files of completed exports";
        registry.register_with_unit("exported", help, Unit::Bytes, metrics.bytes.clone());
        let help = "Time from a job's start to its completion";
        registry.register_with_unit("export_duration", help, Unit::Seconds, metrics.export_time.clone());
        metrics
    }

    /// A request was answered; the result is `ok` or an error's name.
    pub(super) fn request(&self, operation: &'static str, result: &'static str, time: Duration) {
        self.requests.get_or_create(&vec![("operation", operation), ("result", result)]).inc();
        self.request_time.get_or_create(&vec![("operation", operation)]).observe(time.as_secs_f64());
    }

    /// Counts a connection until what it returns is dropped.
    pub(super) fn connection(&self) -> Connection {
        self.connections.inc();
        Connection(self.connections.clone())
    }

    pub(super) fn connection_refused(&self) {
        self.refused.inc();
    }

    pub(super) fn exported(&self, rows: u64, bytes: u64, time: Duration) {
        self.rows.inc_by(rows);
        self.bytes.inc_by(bytes);
        self.export_time.observe(time.as_secs_f64());
    }

    /// The text for Prometheus, with how many jobs there are of each status now.
    pub(super) fn render(&self, jobs: &[(Status, u64)]) -> String {
        for (status, count) in jobs {
            self.jobs.get_or_create(&vec![("status", status.word())]).set(count.cast_signed());
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// An open connection.
pub(super) struct Connection(Gauge);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_under_their_names() {
        let metrics = Metrics::new();
        metrics.request("ListForecasts", "ok", Duration::from_millis(2));
        metrics.exported(36, 3304, Duration::from_millis(20));
        let open = metrics.connection();
        let text = metrics.render(&[(Status::Active, 2)]);
        for line in [
            "forecast_export_requests_total{operation=\"ListForecasts\",result=\"ok\"} 1",
            "forecast_export_request_duration_seconds_count{operation=\"ListForecasts\"} 1",
            "forecast_export_jobs{status=\"ACTIVE\"} 2",
            "forecast_export_exported_rows_total 36",
            "forecast_export_exported_bytes_total 3304",
            "forecast_export_connections 1",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        drop(open);
        assert!(metrics.render(&[]).contains("forecast_export_connections 0"));
    }
}
