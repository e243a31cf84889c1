//! Names that mean harm: what a store calls its objects never decides where on disk something is written, nor what a
//! terminal is told.

use std::sync::Arc;

use forecast_export::{Error, Location, Options, Output, Pattern, plan, run};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::scratch::Scratch;

const TEXT: &[u8] = b"item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";

/// Converts the one part of this name into `out/deep/`, read by a pattern that takes any name.
fn convert(scratch: &Scratch, source: &Location) -> Result<Vec<String>, Error> {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let output = Output::folder(&scratch.path("out/deep").display().to_string())?;
        let mut options = Options::default();
        options.select.pattern = Pattern::custom("(?s)(?P<job>.*)(?P<part>[0-9]+)(?:.*)")?;
        run(plan(source, &output, &options).await?, |_| ()).await.map(drop)
    })?;
    Ok(scratch.written())
}

/// The part in a store, where object_store can address it: it refuses `..` and control characters by itself.
fn in_store(name: &str) -> Option<Location> {
    let store = Arc::new(InMemory::new());
    let path = Path::parse(format!("in/{name}")).ok()?;
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(store.put(&path, TEXT.into())).expect("memory takes all");
    Some(Location::in_store(store as Arc<dyn ObjectStore>, "memory://test/", "in/"))
}

/// The part on disk, where that takes such a name.
fn on_disk(scratch: &Scratch, name: &str) -> Option<Location> {
    std::fs::write(scratch.path("in").join(name), TEXT).ok()?;
    Some(Location::parse(&scratch.path("in").display().to_string()).expect("a path"))
}

#[test]
fn a_key_never_leads_out_of_the_folder_that_is_written_into() {
    for name in [
        "..\\..\\evil1.csv",
        "C:evil1.csv",
        "a\nb1.csv",
        "a\u{1b}[31m1.csv",
        "a\u{7f}1.csv",
        "a\u{202e}1.csv",
        "~evil1.csv",
        "-evil1.csv",
        "%2e%2e%2fevil1.csv",
        ".hidden1.csv",
        &format!("{}1.csv", "x".repeat(300)),
        &format!("{}1.csv", "é".repeat(150)),
    ] {
        let scratch = Scratch::new();
        let sources = [in_store(name), on_disk(&scratch, name)];
        assert!(sources.iter().any(Option::is_some), "{name:?}");
        for source in sources.into_iter().flatten() {
            match convert(&scratch, &source) {
                Ok(written) => {
                    assert_eq!(written, [format!("out/deep/{}", name.replace(".csv", ".parquet"))]);
                    let misleads = |c: char| c.is_control() || c == '\u{202e}';
                    assert!(!name.contains(misleads) && name.len() < 255, "{name:?} became a file");
                    std::fs::remove_dir_all(scratch.path("out")).expect("removed");
                }
                Err(error) => {
                    assert!(matches!(error, Error::Usage(_)), "{name:?}: {error:?}");
                    assert!(!error.to_string().contains(|c: char| c.is_control()), "{error:?}");
                    assert!(!scratch.path("out").exists(), "{name:?}: {error}");
                }
            }
        }
    }
}
