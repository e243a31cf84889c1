#!/usr/bin/env python3
"""Says what is in the program, or in the Python package: release/inventory.py [--python] TARGET FOLDER [ZIG]

ZIG is the folder of the Zig that linked it, if one did. Writes into FOLDER
  LICENSES-THIRD-PARTY.txt    the licence texts of every crate that is linked, each text once
  rust-standard-library.html  the licences of Rust's standard library, from the toolchain
  forecast-export.cdx.json    the same crates as a bill of materials, CycloneDX 1.6; not for the package, where maturin
                              makes one

The texts come from the sources of the crates, so no host is asked. A crate that ships no text needs one in
release/licences/CRATE.txt; without it this fails. Crates that only help to compile are left out: build scripts, macros and
tests are not in the binary.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROVIDED = pathlib.Path(__file__).resolve().parent / "licences"
IS_LICENCE = re.compile(r"(?i)(.*licen[cs]e.*|copying.*|notice.*|copyright.*|patents.*)")
# What is built, and with which features besides the default.
PROGRAM = ("--features", "serve")
PACKAGE = ("--manifest-path", "python/Cargo.toml")
RULE = "=" * 100


def run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def linked(built: tuple[str, ...], target: str) -> list[dict]:
    """The packages that are linked, with the edges between them, as Cargo resolves them for this target alone."""
    # Only this command resolves features without those that tests and build scripts ask for.
    tree = run("cargo", "tree", "--locked", *built, "--target", target, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}")
    chosen = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    # Only this one tells edges and folders.
    metadata = json.loads(run("cargo", "metadata", "--locked", *built, "--format-version", "1", "--filter-platform", target))
    packages = {package["id"]: package for package in metadata["packages"] if (package["name"], f"v{package['version']}") in chosen}
    if len(packages) != len(chosen):
        sys.exit(f"error: {len(chosen)} crates are linked, but `cargo metadata` knows {len(packages)} of them")
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in packages:
            packages[node["id"]]["uses"] = sorted(
                dependency["pkg"]
                for dependency in node["deps"]
                if dependency["pkg"] in packages and any(kind["kind"] is None for kind in dependency["dep_kinds"])
            )
    return sorted(packages.values(), key=lambda package: (package["name"], package["version"]))


def texts(package: dict) -> list[str]:
    """The licence texts of a package, those of C sources within it too."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(
        path
        for path in folder.rglob("*")
        if IS_LICENCE.fullmatch(path.name) and path.is_file() and path.suffix not in {".rs", ".c", ".h", ".py", ".toml"}
    )
    own = PROVIDED / f"{package['name']}.txt"
    # A text of a part does not stand for the whole.
    is_shipped = any(path.parent == folder for path in files)
    if is_shipped and own.exists():
        sys.exit(f"error: {package['name']} ships its licence text now; remove {own.relative_to(ROOT)}")
    if not is_shipped:
        if not own.exists():
            sys.exit(
                f"error: {package['name']} {package['version']} ({package['license']}) ships no licence text; "
                f"put the one of {package['repository']} into {own.relative_to(ROOT)}"
            )
        files.insert(0, own)
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


def expression(package: dict) -> str:
    if not package["license"]:
        sys.exit(f"error: {package['name']} {package['version']} names no licence in its Cargo.toml")
    # An older spelling of OR.
    return re.sub(r"\s*/\s*", " OR ", package["license"])


def others(rust: str, zig: pathlib.Path | None) -> list[dict]:
    """What is linked but is not a crate, each with its licence file. Rust's licence is beside it."""
    found = [
        {"name": "rust-std", "version": rust, "license": "MIT OR Apache-2.0", "description": "The standard library of Rust", "file": None}
    ]
    if zig:
        version = subprocess.run([zig / "zig", "version"], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()
        runtime = {"name": "zig-compiler-rt", "license": "MIT", "description": "Arithmetic that processors lack", "file": zig / "LICENSE"}
        unwind = {
            "name": "zig-libunwind",
            "license": "Apache-2.0 WITH LLVM-exception",
            "description": "LLVM's library that unwinds a stack, as Zig brings it",
            "file": zig / "lib/libunwind/LICENSE.TXT",
        }
        found += [other | {"version": version} for other in (runtime, unwind)]
    return found


def write_licences(path: pathlib.Path, packages: list[dict], others: list[dict]) -> None:
    numbers: dict[str, int] = {}  # each text without its line breaks, as copies differ in those
    shown: list[str] = []
    users: list[list[str]] = []
    listed = []

    def numbered(title: str, texts: list[str]) -> str:
        found = []
        for text in texts:
            number = numbers.setdefault(" ".join(text.split()), len(shown))
            if number == len(shown):
                shown.append(text)
                users.append([])
            if title not in users[number]:
                users[number].append(title)
                found.append(str(number + 1))
        return ", ".join(found)

    for package in packages:
        title = f"{package['name']} {package['version']}"
        listed.append(f"{title} ({expression(package)}): {numbered(title, texts(package))}")
        if package["repository"]:
            listed.append(f"    {package['repository']}")
    for other in others:
        title = f"{other['name']} {other['version']}"
        where = numbered(title, [other["file"].read_text(encoding="utf-8").strip()]) if other["file"] else "rust-standard-library.html"
        listed.append(f"{title} ({other['license']}): {where}")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        print("forecast-export contains these libraries. The numbers are those of the texts below.\n", file=file)
        print("\n".join(listed), file=file)
        for number, (text, titles) in enumerate(zip(shown, users), start=1):
            print(f"\n{RULE}\n{number}. {', '.join(titles)}\n{RULE}\n\n{text}", file=file)


def purl(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component(package: dict, checksums: dict[tuple[str, str], str]) -> dict:
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "description": " ".join((package["description"] or "").split()),
        "scope": "required",
        "licenses": [{"expression": expression(package)}],
        "purl": purl(package),
    }
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def write_bill(path: pathlib.Path, packages: list[dict], others: list[dict], target: str) -> None:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(package["name"], package["version"]): package["checksum"] for package in lock["package"] if "checksum" in package}
    program = next(package for package in packages if package["source"] is None)
    refs = {package["id"]: purl(package) for package in packages}
    described = component(program, checksums) | {"type": "application", "properties": [{"name": "target", "value": target}]}
    components = [component(package, checksums) for package in packages if package is not program]
    dependencies = [{"ref": refs[package["id"]], "dependsOn": [refs[used] for used in package["uses"]]} for package in packages]
    for other in others:
        ref = f"pkg:generic/{other['name']}@{other['version']}"
        components.append(
            {
                "type": "library",
                "bom-ref": ref,
                "name": other["name"],
                "version": other["version"],
                "description": other["description"],
                "scope": "required",
                "licenses": [{"expression": other["license"]}],
                "purl": ref,
            }
        )
        dependencies[packages.index(program)]["dependsOn"].append(ref)
        dependencies.append({"ref": ref, "dependsOn": []})
    moment = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    # The same contents have the same number, so that a release can be made again byte by byte.
    number = uuid.UUID(bytes=hashlib.sha256(json.dumps([described, components], sort_keys=True).encode()).digest()[:16], version=4)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "lifecycles": [{"phase": "build"}], "component": described},
        "components": components,
        "dependencies": dependencies,
    }
    path.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    arguments = sys.argv[1:]
    of_package = arguments[0] == "--python"
    target, folder, *zig = arguments[of_package:]
    folder = pathlib.Path(folder)
    rust = next(line.split()[1] for line in run("rustc", "-vV").splitlines() if line.startswith("release:"))
    packages = linked(PACKAGE if of_package else PROGRAM, target)
    beside = others(rust, pathlib.Path(zig[0]) if zig else None)
    write_licences(folder / "LICENSES-THIRD-PARTY.txt", [package for package in packages if package["source"]], beside)
    if not of_package:
        write_bill(folder / "forecast-export.cdx.json", packages, beside, target)
    standard = pathlib.Path(run("rustc", "--print", "sysroot").strip()) / "share/doc/rust/COPYRIGHT-library.html"
    if not standard.exists():
        sys.exit(f"error: this toolchain has no {standard}; use one of rustup's")
    shutil.copyfile(standard, folder / "rust-standard-library.html")
    print(f"{sum(package['source'] is not None for package in packages)} libraries are in it")


if __name__ == "__main__":
    main()
