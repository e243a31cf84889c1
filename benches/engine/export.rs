//! What every bench works on: a sample of some 24 MB of text, and runs over it.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use forecast_export::{
    Error, Format, InventoryOptions, Location, Options, Output, SampleOptions, Strategy, plan, read, run,
    sample,
};
use futures::TryStreamExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Rows of a sample: two and a half thousand series of a hundred steps.
pub(crate) const ROWS: u64 = 250_000;

/// Where what is scanned, decoded or encoded goes when nobody wants it.
pub(crate) const NOWHERE: &str = "/dev/null";

/// As the command has it.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// The options of a bench: so many threads, this format.
pub(crate) fn options(threads: usize, to: Format) -> Options {
    let mut options = Options::default();
    options.threads = Some(threads);
    options.to = Some(to);
    options.overwrite = true;
    options
}

/// An export in a folder of its own, which also holds what is made of it.
pub(crate) struct Export {
    folder: TempDir,
    runtime: Runtime,
}

impl Export {
    pub(crate) fn make(format: Format, parts: u32) -> Self {
        let export = Export { folder: scratch(), runtime: runtime() };
        let mut options = SampleOptions::default();
        options.items = ROWS / 100;
        options.steps = 100;
        options.parts = parts;
        options.to = format;
        let made = export.runtime.block_on(sample(&export.source(), &options, |_event| ()));
        assert_eq!(made.expect("a sample can be made").rows, ROWS);
        export
    }

    /// CSV with the text of every part changed.
    pub(crate) fn rewritten(parts: u32, change: impl Fn(String) -> String) -> Self {
        let export = Export::make(Format::Csv, parts);
        for part in export.parts() {
            let text = std::fs::read_to_string(&part).expect("a part");
            std::fs::write(&part, change(text)).expect("a changed part");
        }
        export
    }

    /// The parts, in order.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let source = self.source();
        let inventory =
            self.runtime.block_on(forecast_export::inventory(&source, &InventoryOptions::default()));
        let exports = inventory.expect("a sample can be listed").exports;
        exports[0].parts.iter().map(|part| PathBuf::from(&part.file)).collect()
    }

    /// Bytes of all parts.
    pub(crate) fn bytes(&self) -> u64 {
        self.parts().iter().map(|part| part.metadata().expect("a part").len()).sum()
    }

    /// A file beside the parts' folder.
    pub(crate) fn output(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Merges the export, and makes sure that it was done in the way that the bench is about.
    pub(crate) fn merge(&self, output: &str, options: &Options, strategy: Strategy) {
        let report = self.runtime.block_on(async {
            let plan = plan(&self.source(), &Output::file(output)?, options).await?;
            run(plan, |_event| ()).await
        });
        let report = report.expect("the run succeeds");
        assert_eq!((report.rows, report.strategy), (Some(ROWS), strategy));
    }

    /// Reads the export as record batches, and gives their rows.
    pub(crate) fn read(&self, options: &Options) -> u64 {
        let rows = self.runtime.block_on(async {
            let mut batches = read(&self.source(), options).await?;
            let mut rows = 0;
            while let Some(batch) = batches.try_next().await? {
                rows += std::hint::black_box(batch).num_rows() as u64;
            }
            Ok::<_, Error>(rows)
        });
        rows.expect("the export can be read")
    }

    /// All rows of the export.
    pub(crate) fn rows(&self, options: &Options) -> RecordBatch {
        self.rows_at(&self.source(), options)
    }

    /// All rows of a file made of the export.
    pub(crate) fn rows_of(&self, output: &str) -> RecordBatch {
        self.rows_at(&Location::parse(output).expect("a path"), &Options::default())
    }

    fn rows_at(&self, location: &Location, options: &Options) -> RecordBatch {
        let rows = self.runtime.block_on(async {
            let rows = read(location, options).await?;
            let schema = rows.schema();
            let batches: Vec<RecordBatch> = rows.try_collect().await?;
            Ok::<_, Error>((schema, batches))
        });
        let (schema, batches) = rows.expect("the rows can be read");
        concat_batches(&schema, &batches).expect("batches of one schema")
    }

    fn source(&self) -> Location {
        let folder = self.folder.path().join("in/");
        Location::parse(&folder.display().to_string()).expect("a path")
    }
}

/// On a memory file system, where there is one: the disk is not what is measured.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a scratch folder")
}
