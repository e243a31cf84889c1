//! Plans the second listing of a source, before anything is published: takes the keys of the first listing and the
//! chosen runs, returns the ranges of keys that can contain parts of those runs. So one run of a thousand can be
//! checked without listing the others.

use super::export::Export;
use crate::model::{Pattern, Requests};
use crate::store::KeySpan;

/// Keys per request: a page has a thousand, and a few may have been added meanwhile.
const PAGE: usize = 990;

/// How to list a source again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relisting {
    /// The ranges to list; empty means everything.
    spans: Vec<KeySpan>,
    requests: Requests,
}

impl Relisting {
    /// Everything in one listing, which took these requests before.
    pub(crate) fn whole(requests: Requests) -> Self {
        Relisting { spans: Vec::new(), requests }
    }

    /// The smallest ranges that contain all parts of these exports. The keys are in the store's order.
    pub(crate) fn of(keys: &[String], exports: &[Export], pattern: &Pattern, listed: Requests) -> Self {
        if keys.len() <= PAGE {
            return Relisting::whole(listed);
        }
        let all = Relisting::cut(keys, KeySpan::default());
        let Some(mut ranges) =
            exports.iter().map(|export| range_of(export, pattern)).collect::<Option<Vec<_>>>()
        else {
            return all;
        };
        ranges.sort();
        let mut joined: Vec<(String, String)> = Vec::new();
        for (after, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if after <= *end => *end = last.max(std::mem::take(end)),
                _ => joined.push((after, last)),
            }
        }
        let mut narrow = Relisting::default();
        for (after, last) in joined {
            let cut = Relisting::cut(keys, KeySpan { after: Some(after), last: Some(last) });
            narrow.spans.extend(cut.spans);
            narrow.requests += cut.requests;
        }
        if narrow.requests.list < all.requests.list { narrow } else { all }
    }

    /// A range of keys, cut into pieces of roughly a page.
    fn cut(keys: &[String], KeySpan { after, last }: KeySpan) -> Self {
        let from = after.as_ref().map_or(0, |after| keys.partition_point(|key| key <= after));
        let to = last.as_ref().map_or(keys.len(), |last| keys.partition_point(|key| key <= last));
        let mut spans = Vec::new();
        let mut begin = after;
        for at in (from + PAGE..to).step_by(PAGE) {
            spans.push(KeySpan { after: begin.replace(keys[at].clone()), last: Some(keys[at].clone()) });
        }
        spans.push(KeySpan { after: begin, last });
        let requests = Requests { list: spans.len() as u64, ..Requests::default() };
        Relisting { spans, requests }
    }

    pub(crate) fn spans(&self) -> &[KeySpan] {
        &self.spans
    }

    /// Whether it is one listing of everything.
    pub(crate) fn is_whole(&self) -> bool {
        self.spans.is_empty()
    }

    /// The requests that it takes.
    pub(crate) fn requests(&self) -> Requests {
        self.requests
    }
}

/// The range of keys that contains all parts of an export, including future ones.
fn range_of(export: &Export, pattern: &Pattern) -> Option<(String, String)> {
    let name = export.parts.first()?.name.as_ref()?;
    let (after, last) = pattern.names_of_run(name)?;
    let slash = if export.folder.is_empty() { "" } else { "/" };
    let key = |name: String| format!("{}{slash}{name}", export.folder);
    Some((key(after), key(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::export::group;
    use crate::store::Object;

    fn exports(keys: &[String]) -> Vec<Export> {
        exports_by(keys, &Pattern::default())
    }

    fn exports_by(keys: &[String], pattern: &Pattern) -> Vec<Export> {
        let object = |key: &String| Object {
            key: key.clone(),
            url: key.clone(),
            size: 1,
            modified: None,
            e_tag: None,
            no_file: None,
        };
        group(keys.iter().map(object).collect(), pattern).exports
    }

    const ALL: Requests = Requests {
        list: 20,
        get: 0,
        head: 0,
        put: 0,
        create_upload: 0,
        upload_part: 0,
        upload_part_copy: 0,
        complete_upload: 0,
    };

    /// A number of runs of twenty parts, one a night.
    fn nightly(runs: u64) -> Vec<String> {
        let first = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).expect("a day");
        let days = (0..runs).map(|day| first + chrono::Days::new(day));
        let keys = days.flat_map(|day| (0..20).map(move |n| format!("in/a_{day}T03-04-05Z_part{n}.csv")));
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys
    }

    fn holds(relisting: &Relisting, key: &str) -> bool {
        relisting.is_whole()
            || relisting.spans().iter().any(|span| {
                span.after.as_deref().is_none_or(|after| after < key)
                    && span.last.as_deref().is_none_or(|last| key <= last)
            })
    }

    #[test]
    fn one_run_of_many_is_listed_again_by_one_request_that_holds_whatever_could_join_it() {
        let keys = nightly(1_000);
        let all = exports(&keys);
        let one = Relisting::of(&keys, &all[500..501], &Pattern::default(), ALL);
        assert_eq!((one.spans().len(), one.requests().list), (1, 1));
        // Read one by one, as what may be added would be; a pattern takes longer to make than a name to read.
        let pattern = Pattern::default();
        let run_of = |key: &String| exports_by(std::slice::from_ref(key), &pattern)[0].run.clone();
        let of_run = keys.iter().filter(|key| run_of(key) == all[500].run);
        assert_eq!(of_run.filter(|key| holds(&one, key)).count(), 20);
        // The same instant in other zones.
        let run = all[500].run.as_ref().and_then(|run| run.instant()).expect("a moment");
        for offset in [-9999_i32, -1200, -1, 0, 30, 1400, 9999] {
            let seconds = i64::from(offset / 100) * 3600 + i64::from(offset % 100) * 60;
            let local = chrono::DateTime::from_timestamp(run + seconds, 0).expect("a time");
            let sign = if offset < 0 { '-' } else { '+' };
            let name = format!("a_{}{sign}{:04}", local.format("%Y-%m-%dT%H-%M-%S"), offset.abs());
            for end in ["_part7.csv", "_7", "_part00000000000.snappy.parquet"] {
                let key = format!("in/{name}{end}");
                assert_eq!(exports(std::slice::from_ref(&key))[0].run, all[500].run, "{key}");
                assert!(holds(&one, &key), "{key}");
            }
        }
        assert!(!holds(&one, &keys[0]) && !holds(&one, &keys[19_999]));
    }

    #[test]
    fn many_runs_are_listed_again_page_by_page() {
        let keys = nightly(1_000);
        let all = exports(&keys);
        let relisting = Relisting::of(&keys, &all, &Pattern::default(), ALL);
        assert_eq!(relisting.requests().list, 21);
        assert!(keys.iter().all(|key| holds(&relisting, key)));
        assert!(holds(&relisting, "a") && holds(&relisting, "z"), "whatever lies there");
        let spans = relisting.spans();
        assert!(spans.windows(2).all(|pair| pair[0].last == pair[1].after));
        let two = Relisting::of(&keys, &[all[3].clone(), all[900].clone()], &Pattern::default(), ALL);
        assert_eq!((two.spans().len(), two.requests().list), (2, 2));
    }

    #[test]
    fn names_that_do_not_tell_where_a_run_lies_are_listed_as_a_whole() {
        let keys: Vec<String> = (0..2_000).map(|n| format!("in/x-{n:04}.csv")).collect();
        let pattern = Pattern::custom("(?P<job>x)-(?P<part>[0-9]+)[.]csv").expect("a pattern");
        let found = exports_by(&keys, &pattern);
        assert_eq!(Relisting::of(&keys, &found, &pattern, ALL).requests().list, 3);
        let few = nightly(2);
        let whole = Relisting::of(&few, &exports(&few)[..1], &Pattern::default(), ALL);
        assert!(whole.is_whole() && whole.requests() == ALL);
    }
}
