"""The data: every set is made by `forecast-export sample` when it is first needed."""

import os
import pathlib
import re
import shutil
import subprocess

RUN = "sample_2026-01-02T03-04-05Z"


class Data:
    """Sets of parts below a folder, by name."""

    def __init__(self, binary, folder, items):
        self.binary = binary
        self.folder = pathlib.Path(folder)
        self.items = items
        one, small = ["--parts", "1"], ["--steps", "50"]
        size = ["--items", str(items), "--steps", "100"]
        parquet = ["--to", "parquet"]
        self.calls = {
            # With 100,000 items: 10 M rows, 967 MB of CSV.
            "csv": [*size, "--parts", "24"],
            "parquet": [*size, "--parts", "24", *parquet],
            "csv in one part": [*size, *one],
            "parquet in one part": [*size, *one, *parquet],
            "2,000 parts of 50 rows": ["--items", "2000", *small, "--parts", "2000"],
            "1,000 files of one small row group": ["--items", "10000", "--steps", "100", "--parts", "1000", *parquet],
            "1 KB": ["--items", "1", "--steps", "10", *one],
            "a tenth": ["--items", str(items // 10), "--steps", "100", "--parts", "24"],
            "a third": ["--items", str(items // 3), "--steps", "100", "--parts", "24"],
        }

    def path(self, name):
        return self.folder / re.sub(r"\W+", "-", name)

    def make(self, name):
        """The folder of a set, made where it is not there yet."""
        path = self.path(name)
        if path.exists():
            return path
        times = re.fullmatch(r"csv (\d+) times", name)
        if times:
            self.repeat(path, int(times[1]))
        else:
            subprocess.run([self.binary, "sample", path, *self.calls[name], "-q"], check=True)
        return path

    def repeat(self, path, times):
        """The same parts over and over, by hard links: more to read in no more space."""
        parts = self.parts("csv")
        path.mkdir()
        for i in range(times):
            for j, part in enumerate(parts):
                os.link(part, path / f"{RUN}_part{i * len(parts) + j}.csv")

    def parts(self, name):
        """The parts of a set in the order of their numbers."""
        parts = self.make(name).glob(f"{RUN}_part*")
        return sorted(map(str, parts), key=lambda part: int(re.search(r"_part(\d+)\.", part)[1]))

    def bytes(self, name):
        return sum(os.path.getsize(part) for part in self.parts(name))

    def forget(self, name):
        shutil.rmtree(self.path(name), ignore_errors=True)
