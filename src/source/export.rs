//! Groups objects into exports: takes objects and a pattern, returns one [`Export`] per folder, kind, job and run, its
//! parts in numeric order, with gaps, duplicates and strays; and chooses among them. Reads no contents.

use crate::model::{
    Format, Gap, GapRule, Incomplete, Kind, NotFound, PartName, PartNumber, Pattern, Result, RunChoice,
    RunStamp, Selection, Warning, is_receipt, strip_extension,
};
use crate::store::{Glob, Object};

use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// One part of an export. In JSON it has the fields of its file and `number`.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// The file, shared with everything derived from the part.
    #[serde(flatten, serialize_with = "file_of")]
    pub object: Arc<Object>,
    /// Its parsed name; `None` for a file of another name that was named explicitly.
    #[serde(rename = "number", serialize_with = "number_of")]
    pub name: Option<PartName>,
}

fn file_of<S: Serializer>(object: &Arc<Object>, to: S) -> Result<S::Ok, S::Error> {
    object.as_ref().serialize(to)
}

fn number_of<S: Serializer>(name: &Option<PartName>, to: S) -> Result<S::Ok, S::Error> {
    name.as_ref().map(PartName::number).serialize(to)
}

impl From<Part> for Object {
    fn from(part: Part) -> Self {
        Arc::unwrap_or_clone(part.object)
    }
}

impl From<&Part> for Object {
    fn from(part: &Part) -> Self {
        Object::clone(&part.object)
    }
}

/// All parts of one run of one job in one folder.
#[derive(Debug, Clone, Serialize)]
pub struct Export {
    /// The folder's path or key.
    pub folder: String,
    /// The kind of export, as far as it is known.
    pub kind: Kind,
    /// The job's name; empty if the names have none.
    pub job: String,
    /// The run's timestamp; `None` if the names have none.
    pub run: Option<RunStamp>,
    /// The parts by number.
    pub parts: Vec<Part>,
    /// Missing numbers.
    pub gaps: Vec<Gap>,
    /// Files with the same number as the file before them.
    pub duplicates: Vec<String>,
}

impl Export {
    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.object.size).sum()
    }

    /// Whether its files may have a format, as far as their names tell.
    pub(crate) fn may_be(&self, format: Format) -> bool {
        let named = |part: &Part| Format::of_name(part.object.file_name()).map(|(format, _)| format);
        self.parts.iter().any(|part| named(part).is_none_or(|named| named == format))
    }

    /// The job and run, for messages.
    pub(crate) fn title(&self) -> String {
        let mut text = if self.job.is_empty() { "(no job name)".to_owned() } else { self.job.clone() };
        if let Some(run) = &self.run {
            let _ = write!(text, " {run}");
        }
        text
    }

    fn check(&self, selection: &Selection) -> Result<()> {
        // Archived parts pass here, because the caller may have them restored.
        let here = self.parts.iter().filter(|part| part.object.archive().is_none());
        here.map(|part| &*part.object).try_for_each(Object::must_be_file)?;
        let number = |part: &Part| part.name.as_ref().map(PartName::number);
        let claim_the_same =
            |[one, other]: &&[Part; 2]| number(one).is_some() && number(one) == number(other);
        if let Some(files) = self.parts.array_windows().find(claim_the_same) {
            let files = files.each_ref().map(|part| part.object.file_name().to_owned());
            return Err(Incomplete::Duplicate { run: self.title(), files }.into());
        }
        if !selection.allow_gaps && !self.gaps.is_empty() {
            let (run, gaps, parts) = (self.title(), self.gaps.clone(), self.least_parts());
            return Err(Incomplete::Gaps { run, gaps, parts }.into());
        }
        Ok(())
    }

    /// A warning about missing parts, if there are any.
    pub(super) fn gap_warning(&self) -> Option<Warning> {
        let (run, gaps, parts) = (self.title(), self.gaps.clone(), self.least_parts());
        (!gaps.is_empty()).then_some(Warning::Gaps { run, gaps, parts })
    }

    /// The least number of parts that there must be, judging by the highest number.
    fn least_parts(&self) -> u64 {
        let last = self.parts.last().and_then(|part| part.name.as_ref());
        last.map_or(0, |name| name.number().split_last().0).saturating_add(1)
    }
}

/// All exports at a location, and the other files there.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Found {
    /// By folder, kind, job and run, oldest run first.
    pub exports: Vec<Export>,
    /// Files that do not match the pattern, except for the service's own markers.
    pub strays: Vec<Object>,
    /// `_CHECK`, `_SUCCESS` and the empty objects that represent folders.
    pub markers: Vec<Object>,
    /// Receipts that this crate's runs wrote next to their outputs.
    pub receipts: Vec<Object>,
}

type Key = (String, Kind, String, Option<RunStamp>);

/// Groups objects by their names.
pub(crate) fn group(objects: Vec<Object>, pattern: &Pattern) -> Found {
    let mut found = Found::default();
    let mut groups: BTreeMap<Key, Vec<Part>> = BTreeMap::new();
    for object in objects {
        if is_receipt(object.file_name()) {
            found.receipts.push(object);
            continue;
        }
        let folder = object.folder();
        match pattern.parse(folder, object.file_name()) {
            Some(mut name) if !object.is_endless() => {
                let key = (folder.to_owned(), name.kind(), name.job().to_owned(), name.run().cloned());
                let parts = groups.entry(key).or_default();
                if let Some(Part { name: Some(first), .. }) = parts.first() {
                    name.share_with(first);
                }
                parts.push(Part { object: Arc::new(object), name: Some(name) });
            }
            None if is_marker(object.file_name()) => found.markers.push(object),
            _ => found.strays.push(object),
        }
    }
    found.exports = groups
        .into_iter()
        .map(|((folder, kind, job, run), mut parts)| {
            // Apart from that, their names are equal.
            parts.sort_by(|a, b| place(a).cmp(&place(b)));
            parts.shrink_to_fit();
            let (gaps, duplicates) = inspect(&parts, pattern.gaps());
            Export { folder, kind, job, run, parts, gaps, duplicates }
        })
        .collect();
    found
}

/// What orders the parts of a run; the text decides between equal numbers.
fn place(part: &Part) -> Option<(PartNumber, &str)> {
    part.name.as_ref().map(|name| (name.number(), name.as_str()))
}

/// A single file that was named explicitly: it is read alone, whatever its name.
pub(crate) fn single(object: Object, pattern: &Pattern) -> Export {
    let name = pattern.parse(object.folder(), object.file_name());
    let (kind, job, run) = match &name {
        Some(name) => (name.kind(), name.job().to_owned(), name.run().cloned()),
        None => (Kind::Forecast, strip_extension(object.file_name()).to_owned(), None),
    };
    let (folder, object) = (object.folder().to_owned(), Arc::new(object));
    Export {
        folder,
        kind,
        job,
        run,
        parts: vec![Part { object, name }],
        gaps: Vec::new(),
        duplicates: Vec::new(),
    }
}

/// The name of a file without its extension.
pub(crate) fn strip_extension_of(object: &Object) -> &str {
    strip_extension(object.file_name())
}

fn is_marker(name: &str) -> bool {
    matches!(name, "_CHECK" | "_SUCCESS" | "_started" | "_committed") || name.ends_with("_$folder$")
}

fn inspect(parts: &[Part], rule: GapRule) -> (Vec<Gap>, Vec<String>) {
    let mut gaps = Vec::new();
    let mut duplicates = Vec::new();
    let mut before: Option<(PartNumber, &str)> = None;
    for part in parts {
        let Some(name) = &part.name else { continue };
        let number = name.number();
        let (last, leading) = number.split_last();
        let sibling = before.filter(|(earlier, _)| earlier.split_last().1 == leading);
        let expected = match (rule, sibling) {
            (GapRule::Any, _) => last,
            (_, Some((earlier, _))) => earlier.split_last().0.saturating_add(1),
            (GapRule::FromLowest, None) => last,
            (GapRule::FromZero | GapRule::LastFromZero, None) => 0,
        };
        if before.is_some_and(|(earlier, _)| earlier == number) {
            let earlier = before.map_or("", |(_, text)| text);
            duplicates.push(format!("{earlier} and {name}"));
        } else if last > expected {
            let after = sibling.map(|(_, text)| text.to_owned());
            gaps.push(Gap { from: expected, to: last - 1, after, before: name.to_string() });
        }
        before = Some((number, name.as_str()));
    }
    (gaps, duplicates)
}

/// Chooses what to read: one run, or with [`RunChoice::All`] every run of one job, oldest first.
///
/// `place` is the source's name in messages. Kinds must be settled before, see `settle_kinds`.
pub(crate) fn select(found: Found, selection: &Selection, place: &str) -> Result<Vec<Export>> {
    let mut exports = found.exports;
    if exports.is_empty() {
        return Err(nothing_found(&found.strays, place).into());
    }
    if let Some(kind) = selection.kind {
        let before: Vec<Kind> = exports.iter().map(|export| export.kind).collect();
        exports.retain(|export| export.kind == kind);
        if exports.is_empty() {
            return Err(NotFound::Kind { place: place.to_owned(), kind, found: before }.into());
        }
    }
    if let Some(job) = &selection.job {
        let glob = Glob::new(job);
        let before: Vec<String> = exports.iter().map(|export| export.job.clone()).collect();
        exports.retain(|export| glob.matches(&export.job));
        if exports.is_empty() {
            let (place, job) = (place.to_owned(), job.clone());
            return Err(NotFound::Job { place, job, found: before }.into());
        }
    }
    if let Some(format) = selection.format {
        exports.retain(|export| export.may_be(format));
        if exports.is_empty() {
            return Err(NotFound::Format { place: place.to_owned(), format }.into());
        }
    }
    if let RunChoice::At(text) = &selection.run {
        let wanted = RunStamp::new(text);
        let before: Vec<String> = exports.iter().map(Export::title).collect();
        exports.retain(|export| export.run.as_ref() == Some(&wanted));
        if exports.is_empty() {
            let (place, run, is_timestamp) = (place.to_owned(), text.clone(), wanted.instant().is_some());
            return Err(NotFound::Run { place, run, is_timestamp, found: before }.into());
        }
    }
    let jobs: BTreeSet<&str> = exports.iter().map(|export| export.job.as_str()).collect();
    if jobs.len() > 1 {
        let jobs = jobs.into_iter().map(str::to_owned).collect();
        return Err(Incomplete::SeveralJobs { place: place.to_owned(), jobs }.into());
    }
    let kinds: BTreeSet<Kind> = exports.iter().map(|export| export.kind).collect();
    if kinds.len() > 1 {
        let kinds = kinds.into_iter().collect();
        return Err(Incomplete::SeveralKinds { place: place.to_owned(), kinds }.into());
    }
    if selection.run == RunChoice::Latest {
        let latest = exports.iter().map(|export| export.run.clone()).max().flatten();
        exports.retain(|export| export.run == latest);
    }
    exports.sort_by(|a, b| (&a.run, &a.folder).cmp(&(&b.run, &b.folder)));
    for pair in exports.windows(2) {
        if pair[0].run == pair[1].run {
            let folders = [pair[0].folder.clone(), pair[1].folder.clone()];
            return Err(Incomplete::TwoFolders { run: pair[0].title(), folders }.into());
        }
    }
    if exports.len() > 1 && selection.run == RunChoice::Only {
        let runs = exports.iter().map(|export| export.run.as_ref().map(ToString::to_string)).collect();
        let (place, job) = (place.to_owned(), exports[0].job.clone());
        return Err(Incomplete::SeveralRuns { place, job, runs }.into());
    }
    for export in &exports {
        export.check(selection)?;
    }
    let parts: usize = exports.iter().map(|export| export.parts.len()).sum();
    if let Some(expected) = selection.expect_parts
        && parts as u64 != expected
    {
        let (place, found) = (place.to_owned(), parts as u64);
        return Err(Incomplete::Parts { place, found, expected }.into());
    }
    Ok(exports)
}

fn nothing_found(strays: &[Object], place: &str) -> NotFound {
    let place = place.to_owned();
    match strays.first() {
        None => NotFound::Empty { place },
        Some(stray) => {
            NotFound::NoParts { place, files: strays.len(), example: stray.file_name().to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Error, Preset};

    fn object(key: &str) -> Object {
        Object { key: key.into(), url: key.into(), size: 1, modified: None, e_tag: None, no_file: None }
    }

    fn found(keys: &[&str]) -> Found {
        group(keys.iter().map(|key| object(key)).collect(), &Pattern::default())
    }

    fn names(export: &Export) -> Vec<&str> {
        export.parts.iter().map(|part| part.object.file_name()).collect()
    }

    fn chosen(keys: &[&str], change: impl FnOnce(&mut Selection)) -> Result<Vec<Export>> {
        let mut selection = Selection::default();
        change(&mut selection);
        select(found(keys), &selection, "here")
    }

    const RUN: &str = "2026-01-02T03-04-05Z";

    #[test]
    fn parts_are_ordered_by_number_not_by_text() {
        let keys: Vec<String> = (0..12).map(|n| format!("x/a_{RUN}_part{n}.csv")).collect();
        let mut shuffled: Vec<&str> = keys.iter().map(String::as_str).collect();
        shuffled.sort();
        let found = found(&shuffled);
        let expected: Vec<&str> = keys.iter().map(|key| &key[2..]).collect();
        assert_eq!(names(&found.exports[0]), expected);
        assert!(found.exports[0].gaps.is_empty());
    }

    #[test]
    fn a_gap_names_its_neighbours_and_the_setting_that_helps() {
        let keys = [0, 1, 2, 4].map(|n| format!("a_{RUN}_part{n}.csv"));
        let error = chosen(&keys.each_ref().map(String::as_str), |_| ()).expect_err("a gap");
        assert_eq!(
            error.to_string(),
            format!(
                "part 3 of 5 is missing between a_{RUN}_part2.csv and a_{RUN}_part4.csv; allow_gaps merges \
                 without it"
            )
        );
        assert!(chosen(&keys.each_ref().map(String::as_str), |s| s.allow_gaps = true).is_ok());
    }

    #[test]
    fn parts_are_told_in_json_with_the_names_that_an_inventory_has() {
        let keys = [format!("a_{RUN}_part7.csv")];
        let found = found(&keys.each_ref().map(String::as_str));
        let json = serde_json::to_value(&found.exports[0].parts).expect("JSON");
        let part = &json[0];
        assert_eq!(
            (&part["file"], &part["bytes"], &part["number"]),
            (&keys[0].as_str().into(), &1.into(), &7.into())
        );
    }

    #[test]
    fn a_missing_first_part_is_a_gap() {
        let keys = [1, 2].map(|n| format!("a_{RUN}_part{n}.csv"));
        let error = chosen(&keys.each_ref().map(String::as_str), |_| ()).expect_err("a gap");
        assert!(
            error.to_string().starts_with(&format!("part 0 of 3 is missing before a_{RUN}_part1.csv")),
            "{error}"
        );
    }

    #[test]
    fn one_number_in_two_files_is_refused_even_with_gaps_allowed() {
        let keys = [format!("a_{RUN}_part0.csv"), format!("a_{RUN}_part0.parquet")];
        let error =
            chosen(&keys.each_ref().map(String::as_str), |s| s.allow_gaps = true).expect_err("a double");
        assert!(matches!(error, Error::Incomplete(_)), "{error}");
    }

    #[test]
    fn several_runs_are_an_error_that_lists_them() {
        let keys = ["a_2026-01-02T03-04-05Z_part0.csv", "a_2026-01-03T03-04-05Z_part0.csv"];
        let error = chosen(&keys, |_| ()).expect_err("two runs");
        assert!(error.to_string().contains("2026-01-02T03-04-05Z, 2026-01-03T03-04-05Z"), "{error}");
        let latest = chosen(&keys, |s| s.run = RunChoice::Latest).expect("the newest");
        assert_eq!(names(&latest[0]), [keys[1]]);
        let all = chosen(&keys, |s| s.run = RunChoice::All).expect("all");
        assert_eq!(all.iter().flat_map(names).collect::<Vec<_>>(), keys);
        let at = chosen(&keys, |s| s.run = RunChoice::At("2026-01-02T03:04:05Z".into())).expect("one");
        assert_eq!(names(&at[0]), [keys[0]]);
        let none = chosen(&keys, |s| s.run = RunChoice::At("2027-01-02T03-04-05Z".into())).expect_err("none");
        assert!(matches!(none, Error::NotFound(_)));
    }

    #[test]
    fn the_newest_run_of_a_format_passes_over_a_newer_one_of_the_other() {
        let keys = [
            "a_2026-01-02T03-04-05Z_part0.csv",
            "a_2026-01-03T03-04-05Z_part0.csv",
            "a_2026-01-04T03-04-05Z_part0.snappy.parquet",
        ];
        let of = |format| {
            chosen(&keys, |s| {
                s.run = RunChoice::Latest;
                s.format = Some(format);
            })
        };
        assert_eq!(names(&of(Format::Csv).expect("one run")[0]), [keys[1]]);
        assert_eq!(names(&of(Format::Parquet).expect("one run")[0]), [keys[2]]);
        let bare = ["a_2026-01-02T03-04-05Z_part0"];
        assert!(chosen(&bare, |s| s.format = Some(Format::Parquet)).is_ok(), "a name may tell nothing");
        assert!(matches!(
            chosen(&keys[..2], |s| s.format = Some(Format::Parquet)),
            Err(Error::NotFound(NotFound::Format { format: Format::Parquet, .. }))
        ));
    }

    #[test]
    fn jobs_that_share_a_prefix_are_told_apart() {
        let keys = ["a_2026-01-02T03-04-05Z_part0.csv", "a_b_2026-01-02T03-04-05Z_part0.csv"];
        assert!(matches!(chosen(&keys, |_| ()), Err(Error::Incomplete(_))));
        let one = chosen(&keys, |s| s.job = Some("a".into())).expect("one job");
        assert_eq!(names(&one[0]), [keys[0]]);
        let glob = chosen(&keys, |s| s.job = Some("a_*".into())).expect("one job");
        assert_eq!(names(&glob[0]), [keys[1]]);
    }

    #[test]
    fn a_backtest_root_needs_a_kind() {
        let keys = [
            "x/accuracy-metrics-values/Accuracy_a_2026-01-02T03-04-05Z_part0.csv",
            "x/forecasted-values/Forecasts_a_2026-01-02T03-04-05Z_part0.csv",
        ];
        assert!(matches!(chosen(&keys, |_| ()), Err(Error::Incomplete(Incomplete::SeveralKinds { .. }))));
        let one = chosen(&keys, |s| s.kind = Some(Kind::BacktestAccuracy)).expect("one kind");
        assert_eq!(one[0].parts[0].object.key, keys[0]);
    }

    #[test]
    fn a_run_in_two_folders_is_ambiguous() {
        let keys = ["x/a_2026-01-02T03-04-05Z_part0.csv", "x/copy/a_2026-01-02T03-04-05Z_part0.csv"];
        let error = chosen(&keys, |_| ()).expect_err("two folders");
        assert!(error.to_string().contains("is in two folders, x/ and x/copy/"), "{error}");
    }

    #[test]
    fn markers_and_strays_are_set_apart() {
        let found = found(&["_CHECK", "_SUCCESS", "a_processed.csv", "a_2026-01-02T03-04-05Z_part0.csv.bak"]);
        assert_eq!((found.markers.len(), found.strays.len(), found.exports.len()), (2, 2, 0));
    }

    #[test]
    fn slices_of_redshift_may_be_missing_but_not_the_files_of_one() {
        let pattern = Pattern::preset(Preset::Redshift);
        let complete =
            group(["p0000_part_00", "p0002_part_00", "p0002_part_01"].map(object).into(), &pattern);
        assert!(complete.exports[0].gaps.is_empty());
        let cut = group(["p0000_part_00", "p0002_part_01"].map(object).into(), &pattern);
        assert_eq!(cut.exports[0].gaps.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn every_object_lands_in_exactly_one_place(keys in proptest::collection::vec("[ab_/]{0,3}(a|b)_2026-01-0[12]T03-04-05Z_part[0-9]{1,2}(\\.csv|\\.bak)?|[a-z_]{1,8}", 0..30)) {
            let total = keys.len();
            let found = group(keys.iter().map(|key| object(key)).collect(), &Pattern::default());
            let parts: usize = found.exports.iter().map(|export| export.parts.len()).sum();
            proptest::prop_assert_eq!(parts + found.strays.len() + found.markers.len(), total);
        }
    }
}
