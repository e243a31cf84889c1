//! File names of any text, by every preset: no panic, and what is read from a name is what stands in it.
#![no_main]

use forecast_export::{Pattern, Preset};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PATTERNS: LazyLock<Vec<Pattern>> =
    LazyLock::new(|| Preset::ALL.into_iter().map(Pattern::preset).collect());

fuzz_target!(|text: &str| {
    let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
    for pattern in PATTERNS.iter() {
        let Some(part) = pattern.parse(folder, name) else { continue };
        assert_eq!(part.as_str(), name);
        assert!(name.contains(part.job()));
        assert!(part.run().is_none_or(|run| name.contains(run.as_str())));
        assert!(!part.number().as_slice().is_empty());
        // A part of another number is one of the same run.
        let other = part.renumbered(7, ".csv");
        if let Some(again) = pattern.parse(folder, &other) {
            assert_eq!((again.kind(), again.job(), again.run()), (part.kind(), part.job(), part.run()));
        }
    }
});
