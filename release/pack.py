#!/usr/bin/env python3
"""Packs a folder: release/pack.py FOLDER ARCHIVE

Writes the sums of its files into FOLDER/SHA256SUMS, then ARCHIVE (.tar.gz or .zip) with FOLDER in it, and ARCHIVE.sha256. The
bytes depend on names and contents alone: files are sorted, have no owner, and are as old as SOURCE_DATE_EPOCH says.
"""

import datetime
import gzip
import hashlib
import os
import pathlib
import sys
import tarfile
import zipfile

MOMENT = int(os.environ["SOURCE_DATE_EPOCH"])


def digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mode(path: pathlib.Path) -> int:
    is_program = path.name in {"forecast-export", "forecast-export.exe"}
    return 0o755 if is_program or path.is_dir() else 0o644


def tar(folder: pathlib.Path, paths: list[pathlib.Path], archive: pathlib.Path) -> None:
    def described(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = MOMENT
        entry.mode = mode(folder.parent / entry.name)
        return entry

    with archive.open("wb") as file:
        # Neither a name nor a time in the header.
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as entries:
                for path in [folder, *paths]:
                    entries.add(path, path.relative_to(folder.parent).as_posix(), recursive=False, filter=described)


def zipped(folder: pathlib.Path, paths: list[pathlib.Path], archive: pathlib.Path) -> None:
    moment = datetime.datetime.fromtimestamp(MOMENT, datetime.timezone.utc).timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as entries:
        for path in paths:
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), moment)
                entry.create_system = 3
                entry.external_attr = mode(path) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                entries.writestr(entry, path.read_bytes())


def main() -> None:
    folder, archive = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    sums = folder / "SHA256SUMS"
    sums.unlink(missing_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    sums.write_text("".join(lines), encoding="utf-8", newline="\n")
    pack = zipped if archive.suffix == ".zip" else tar
    pack(folder, sorted(folder.rglob("*")), archive)
    beside = archive.with_name(archive.name + ".sha256")
    beside.write_text(f"{digest(archive)}  {archive.name}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
