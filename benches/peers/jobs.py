"""What is measured: jobs, and for each of them the commands that contend in it."""

import dataclasses
import pathlib

from task import THREADS, ZSTD_LEVEL

HERE = pathlib.Path(__file__).parent
OURS = "forecast-export"


@dataclasses.dataclass
class Contender:
    name: str
    command: list
    output: pathlib.Path | None = None  # the file it writes, removed after every run
    stdout: bool = False  # the output is what the command prints
    parts: list | None = None  # whose rows, in this order, the output must hold
    bytes: int | None = None  # that it reads or writes, for a rate


@dataclasses.dataclass
class Job:
    name: str
    title: str
    needs: list  # sets of data
    contenders: object  # gives the contenders, from the data
    source: str = "csv"
    target: str = "csv"
    runs: int = 0  # where it needs more than the rounds asked for
    huge: bool = False
    s3: bool = False
    is_compared_with_peers: bool = False


def ours(data, name, target, *options, label=OURS, output=None, source=None):
    """One merge by the command."""
    output = output or data.folder / f"out.{target}"
    command = [data.binary, "merge", source or str(data.make(name)), "-o", str(output), "--to", target]
    command += ["--threads", str(THREADS), "-q", "--overwrite", *options]
    is_file = isinstance(output, pathlib.Path)
    parts = data.parts(name) if is_file else None
    return Contender(label, command, output if is_file else None, parts=parts, bytes=data.bytes(name))


def against_peers(name, title, data_name, source, target, pythons, codec="snappy"):
    """A job that every engine can do."""

    def contenders(data):
        parts, output = data.parts(data_name), data.folder / f"out.{target}"
        compression = [f"--compression=zstd:{ZSTD_LEVEL}" if codec == "zstd" else f"--compression={codec}"]
        yield ours(data, data_name, target, *(compression if target == "parquet" else []))
        for engine, python in pythons.items():
            script = str(HERE / f"with_{engine.lower()}.py")
            command = [python, script, source, target, codec, str(output), *parts]
            yield Contender(engine, command, output, parts=parts)
        if source == target:
            # No valid file, but the same bytes to the same kind of target.
            yield Contender("cat", ["cat", *parts], output, stdout=True)
        if source == target == "csv":
            yield Contender("awk", ["awk", "NR == 1 || FNR > 1", *parts], output, stdout=True, parts=parts)

    return Job(name, title, [data_name], contenders, source, target, is_compared_with_peers=True)


def all_jobs(pythons):
    tiny, small, groups = "1 KB", "2,000 parts of 50 rows", "1,000 files of one small row group"
    yield against_peers("csv-parquet-snappy", "CSV -> Parquet, snappy", "csv", "csv", "parquet", pythons)
    yield against_peers("csv-parquet-zstd", "CSV -> Parquet, zstd:3", "csv", "csv", "parquet", pythons, "zstd")
    yield against_peers("csv-csv", "CSV -> CSV", "csv", "csv", "csv", pythons)
    yield against_peers("parquet-csv", "Parquet -> CSV", "parquet", "parquet", "csv", pythons)
    yield against_peers("parquet-parquet", "Parquet -> Parquet, snappy", "parquet", "parquet", "parquet", pythons)
    yield against_peers("compact", f"{groups}, compacted", groups, "parquet", "parquet", pythons)
    yield against_peers("small-csv-parquet", f"{small}, CSV -> Parquet", small, "csv", "parquet", pythons)
    yield against_peers("small-csv-csv", f"{small}, CSV -> CSV", small, "csv", "csv", pythons)

    for target in ("parquet", "csv"):
        yield Job(
            f"start-{target}",
            f"one part of 1 KB, CSV -> {target}, start to exit",
            [tiny],
            lambda data, target=target: [ours(data, tiny, target)],
            target=target,
            runs=50,
        )

    def samples(data):
        for kind in ("csv", "parquet"):
            for threads in (1, THREADS):
                command = [data.binary, "sample", str(data.path(f"sampled {kind}")), *data.calls[kind]]
                command += ["--threads", str(threads), "--overwrite", "-q"]
                yield Contender(f"{kind}, {threads} thread(s)", command, bytes=data.bytes(kind))

    yield Job("sample", "sample", ["csv", "parquet", "sampled csv", "sampled parquet"], samples)

    # The same bytes in another shape, or with less memory.
    for source in ("csv", "parquet"):
        for target in ("parquet", "csv"):
            one = f"{source} in one part"
            yield Job(
                f"shape-{source}-{target}",
                f"{source} -> {target}: 24 parts, 1 part, 24 parts in 64 MB",
                [source, one],
                lambda data, source=source, target=target, one=one: [
                    ours(data, source, target, label="24 parts"),
                    ours(data, one, target, label="1 part"),
                    ours(data, source, target, "--memory", "64MB", label="--memory 64MB"),
                ],
                source,
                target,
            )

    def growth(target, sizes):
        def contenders(data):
            for name in sizes:
                # 10 GB of CSV would be too much to write into memory.
                nothing = "/dev/null" if target == "csv" else None
                yield ours(data, name, target, label=f"{data.bytes(name) / 1e6:.0f} MB", output=nothing)

        return contenders

    for target in ("parquet", "csv"):
        sizes = ["a tenth", "a third", "csv"]
        yield Job(f"growth-{target}", f"growth, CSV -> {target}", sizes, growth(target, sizes), target=target)
        sizes = ["csv", "csv 5 times", "csv 10 times"]
        title = f"growth to 10 GB, CSV -> {target}"
        yield Job(f"huge-growth-{target}", title, sizes, growth(target, sizes), target=target, huge=True)
    yield Job(
        "huge-memory",
        "5 GB, CSV -> Parquet, within 256 MB",
        ["csv", "csv 5 times"],
        lambda data: [ours(data, "csv 5 times", "parquet")],
        target="parquet",
        huge=True,
    )

    yield Job("s3-csv-csv", "S3 on loopback, CSV -> CSV", ["csv"], lambda data: data.s3.contenders("csv"), s3=True)
    yield Job(
        "s3-csv-parquet",
        "S3 on loopback, CSV -> Parquet",
        ["csv"],
        lambda data: data.s3.contenders("parquet"),
        target="parquet",
        s3=True,
    )
