//! Combines several texts into one place: files and folders of one folder, such as a shell makes from an unquoted glob.

use super::location::Location;
use super::options::StoreOptions;
use super::place::Place;
use crate::model::{PlaceProblem, Result, UsageError, ValueKind};

impl Location {
    /// Reads several paths or URLs as one source: files and folders of one folder, in any order, such as a shell makes
    /// from a glob. A file that is named twice counts once.
    ///
    /// ```
    /// use forecast_export::{Location, StoreOptions};
    ///
    /// let parts = ["exports/sales_part0.csv", "exports/sales_part1.csv"];
    /// let both = Location::parse_all(&parts, &StoreOptions::default())?;
    /// assert_eq!(both.to_string(), "exports/sales_part0.csv and 1 more");
    /// assert!(Location::parse_all(&["exports/a.csv", "other/b.csv"], &StoreOptions::default()).is_err());
    /// # Ok::<(), forecast_export::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Location::parse`], and [`UsageError::Place`] if they are in several folders or stores.
    pub fn parse_all<T: AsRef<str>>(texts: &[T], options: &StoreOptions) -> Result<Self> {
        let parsed = texts.iter().map(|text| Self::parse_with(text.as_ref(), options));
        let named = parsed.collect::<Result<Vec<_>>>()?;
        let Some(first) = named.first().cloned() else {
            return Err(UsageError::Empty { what: ValueKind::Location }.into());
        };
        if named.len() == 1 {
            return Ok(first);
        }
        let folder = Place::of_folder(&first.folder());
        for other in &named {
            let is_beside = first.store.is_local() == other.store.is_local()
                && !other.path.is_empty()
                && folder.is(&Place::of_folder(&other.folder()));
            if !is_beside {
                let (place, first) = (other.to_string(), first.to_string());
                return Err(UsageError::Place { place, problem: PlaceProblem::OtherFolder { first } }.into());
            }
        }
        // Each web address may have its own signature.
        let store = named.iter().skip(1).fold(first.store.clone(), |store, other| store.joined(&other.store));
        let in_one_spelling = |one: Location| {
            let path = first.folder().child(one.split().1).path;
            one.by(&store, path)
        };
        let named = named.into_iter().map(in_one_spelling).collect();
        let path = first.path.clone();
        Ok(first.by(&store, path).with_all(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_places_of_one_folder_are_one_however_the_folder_is_spelled() {
        let parse = |texts: &[&str]| Location::parse_all(texts, &StoreOptions::default());
        let both = parse(&["src/lib.rs", "./src/store/", "src/../src/lib.rs"]).expect("one folder");
        assert_eq!(both.to_string(), "src/lib.rs and 2 more");
        let named: Vec<(&str, bool)> =
            both.named().iter().map(|one| (one.path.as_str(), one.is_folder)).collect();
        assert_eq!(named, [("src/lib.rs", false), ("src/store", true), ("src/lib.rs", false)]);
        assert_eq!(parse(&["src/lib.rs"]).expect("one").named().len(), 0);
        for texts in [
            &["src/lib.rs", "tests/memory.rs"][..],
            &["a", "memory://b/a"],
            &["memory://a/x", "memory://b/x"],
        ] {
            let error = parse(texts).expect_err("two folders").to_string();
            assert_eq!(
                error,
                format!(
                    "{} and {} are not in the same folder; name files of one folder, or a folder that \
                     contains both",
                    texts[1], texts[0]
                )
            );
        }
    }
}
