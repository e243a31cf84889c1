//! The walls of `src`: a room imports only from rooms to its left, no file of a room imports from the room's own face,
//! and neither files nor folders import each other in a circle.
//!
//! The order is written once, in the docs of `src/lib.rs`; see `docs/contributing.md` for what the rooms are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What is allowed to stand where.
struct Rooms {
    /// From left to right.
    flow: Vec<String>,
    /// Rooms that nothing on the flow may import.
    beside: Vec<String>,
}

impl Rooms {
    /// Reads the order from the docs of the library.
    fn of_docs(lib: &str) -> Self {
        let docs: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("//! ")).collect();
        let flow = docs.iter().find(|line| line.starts_with("model | ")).expect("the flow in lib.rs");
        let beside =
            docs.iter().find_map(|line| line.strip_prefix("Beside the flow: ")).expect("what is beside it");
        Rooms {
            flow: flow.split('|').map(|room| room.trim().to_owned()).collect(),
            // Names stand in backquotes there.
            beside: beside.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        }
    }

    /// Why `from` must not import from `to`, if so.
    fn refusal(&self, from: &str, to: &str) -> Option<String> {
        let place = |room: &str| self.flow.iter().position(|known| known == room);
        let is_beside = |room: &str| self.beside.iter().any(|known| known == room);
        match (place(from), place(to)) {
            (Some(from_place), Some(to_place)) if to_place > from_place => {
                Some(format!("`{from}` must not import from `{to}`, which lies to its right"))
            }
            (Some(_), None) if is_beside(to) => {
                Some(format!("`{from}` must not import from `{to}`, which lies beside the flow"))
            }
            (_, None) if !is_beside(to) => Some(format!("`{from}` imports `{to}`, which is not a room")),
            _ => None,
        }
    }
}

/// An absolute path within the crate, and the line it stands on.
struct Import {
    line: usize,
    path: Vec<String>,
}

/// Where a file's module lies: `src/codec/csv/index.rs` is `codec`, `csv`, `index`; a `mod.rs` is its folder.
fn module_of(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').map(str::to_owned).collect()
}

/// Code without its tests and comments; lines stay where they are.
fn code_of(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let without =
        |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
    code.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate` or `super`, in `use` lines and elsewhere.
fn imports(file: &str, text: &str) -> Vec<Import> {
    let code = code_of(text);
    let module = module_of(file);
    let parent = &module[..module.len() - 1];
    let mut found = Vec::new();
    for (start, root) in ["crate::", "super::"].iter().flat_map(|root| code.match_indices(root)) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let base = if root == "crate::" { Vec::new() } else { parent.to_vec() };
        let line = code[..start].matches('\n').count() + 1;
        let mut paths = Vec::new();
        read_tree(&code[start + root.len()..], &base, &mut paths);
        found.extend(paths.into_iter().map(|path| Import { line, path }));
    }
    found
}

/// Reads a path, or a tree of them in braces, and returns what follows it.
fn read_tree<'a>(text: &'a str, base: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() || rest.starts_with('}') {
                return rest.get(1..).unwrap_or_default();
            }
            rest = read_tree(rest, base, paths);
            // What stands behind a name: `as other`.
            rest = rest.trim_start_matches(|c| !matches!(c, ',' | '}'));
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = base.to_vec();
    match name {
        "super" => drop(path.pop()),
        "self" => {}
        name => path.push(name.to_owned()),
    }
    match rest.strip_prefix("::") {
        Some(inner) => read_tree(inner, &path, paths),
        None => {
            paths.push(path);
            rest
        }
    }
}

/// What breaks the rules, a line each.
fn broken(rooms: &Rooms, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    // Of each folder, which of its children import which.
    let mut arrows: BTreeMap<Vec<String>, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
    let folders: BTreeSet<Vec<String>> =
        files.keys().filter(|file| file.ends_with("/mod.rs")).map(|file| module_of(file)).collect();
    for (file, text) in files {
        let module = module_of(file);
        for Import { line, path } in imports(file, text) {
            let at = format!("{file}:{line}");
            if path.first().is_some_and(|room| *room != module[0])
                && let Some(why) = rooms.refusal(&module[0], &path[0])
            {
                faults.push(format!("{at}: {why}"));
            }
            let shared = module.iter().zip(&path).take_while(|(one, other)| one == other).count();
            let folder = module[..shared.min(module.len() - 1)].to_vec();
            let Some(child) = path.get(folder.len()) else { continue };
            if folder.is_empty() || *child == module[folder.len()] {
                continue;
            }
            let is_module = |name: &str| {
                let inner = [folder.as_slice(), &[name.to_owned()]].concat();
                folders.contains(&inner) || files.contains_key(&format!("src/{}.rs", inner.join("/")))
            };
            if !is_module(child) {
                let (room, name) = (folder.join("::"), path.join("::"));
                faults.push(format!("{at}: `{name}` is what the face of `{room}` passes on; name its file"));
                continue;
            }
            let from = module[folder.len()].clone();
            arrows.entry(folder).or_default().entry(from).or_default().entry(child.clone()).or_insert(at);
        }
    }
    for (folder, of_folder) in &arrows {
        faults
            .extend(circle(of_folder).map(|circle| format!("a circle in `{}`: {circle}", folder.join("::"))));
    }
    faults
}

/// The first circle of arrows, shown with the line of each.
fn circle(arrows: &BTreeMap<String, BTreeMap<String, String>>) -> Option<String> {
    fn follow<'a>(
        arrows: &'a BTreeMap<String, BTreeMap<String, String>>,
        at: &'a str,
        way: &mut Vec<(&'a str, &'a str)>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<String> {
        for (next, line) in arrows.get(at).into_iter().flatten() {
            way.push((at, line));
            if let Some(start) = way.iter().position(|(passed, _)| passed == next) {
                let shown = way[start..].iter().map(|(from, line)| format!("{from} ({line})"));
                return Some(format!("{} -> {next}", shown.collect::<Vec<_>>().join(" -> ")));
            }
            if !done.contains(next.as_str())
                && let Some(found) = follow(arrows, next, way, done)
            {
                return Some(found);
            }
            way.pop();
        }
        done.insert(at);
        None
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|start| follow(arrows, start, &mut Vec::new(), &mut done))
}

fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        walkdir::WalkDir::new(root.join("src")).into_iter().map(|entry| entry.expect("a file of src"));
    files
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"))
        .map(|entry| {
            let file = entry.path().strip_prefix(root).expect("below the root").display().to_string();
            (file, fs::read_to_string(entry.path()).expect("text"))
        })
        // The library's root only names the rooms, and the command line is a program that uses the library.
        .filter(|(file, _)| file != "src/lib.rs" && !file.starts_with("src/bin/"))
        .collect()
}

fn rooms() -> Rooms {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    Rooms::of_docs(&fs::read_to_string(lib).expect("lib.rs"))
}

#[test]
fn no_import_runs_back_and_there_is_no_circle() {
    let faults = broken(&rooms(), &sources());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_lies_in_a_room_and_every_room_has_files() {
    let rooms = rooms();
    let known: BTreeSet<String> = rooms.flow.iter().chain(&rooms.beside).cloned().collect();
    let there: BTreeSet<String> = sources().keys().map(|file| module_of(file)[0].clone()).collect();
    assert_eq!(there, known);
}

#[test]
fn what_breaks_the_walls_is_named_with_its_line_and_both_rooms() {
    let broken_by = |file: &str, text: &str| {
        let mut files: BTreeMap<String, String> = sources();
        files.insert(file.to_owned(), text.to_owned());
        broken(&rooms(), &files)
    };
    let names = |file: &str, text: &str, expected: &str| {
        let faults = broken_by(file, text);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{text}: {faults:?}");
    };
    names(
        "src/codec/new.rs",
        "\nuse crate::plan::Plan;\n",
        "src/codec/new.rs:2: `codec` must not import from `plan`",
    );
    names(
        "src/codec/new.rs",
        "fn f() -> crate::run::Report {}",
        "src/codec/new.rs:1: `codec` must not import from `run`",
    );
    names(
        "src/store/new.rs",
        "use crate::{model::Error,\n    verify::verify};",
        "src/store/new.rs:1: `store` must not import from `verify`",
    );
    names(
        "src/run/new.rs",
        "use crate::sample::sample;",
        "`run` must not import from `sample`, which lies beside the flow",
    );
    names("src/jobs/new.rs", "use crate::Object;", "`jobs` imports `Object`, which is not a room");
    names(
        "src/store/new.rs",
        "use super::Location;",
        "`store::Location` is what the face of `store` passes on",
    );
    names("src/store/failure.rs", "use super::handle::Store;", "a circle in `store`: ");
    names("src/codec/value/time.rs", "use crate::codec::csv::Decoder;", "a circle in `codec`");
    for harmless in [
        "use crate::model::Error;",
        "// use crate::plan::Plan;",
        "\n#[cfg(test)]\nmod tests { use crate::plan::Plan; }",
    ] {
        assert_eq!(broken_by("src/codec/new.rs", harmless), Vec::<String>::new(), "{harmless}");
    }
}
