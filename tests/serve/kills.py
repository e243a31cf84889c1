"""The server is killed at random moments, again and again, while clients create, describe, stop and delete jobs. What
was acknowledged is never lost, states move as the API says, and each job's files hold exactly the forecast's rows.

kills.py [KILLS]: 8 by default."""

import hashlib
import http.client
import os
import random
import socket
import sqlite3
import sys
import threading
import time

from server import BINARY, Client, Server, creation, ended, forecast_arn, job_arn, sample, signed, wait_until

from harness import check, finish

CLIENTS = 20
SEED = int(os.environ.get("FORECAST_EXPORT_SEED", time.time_ns() % 1_000_000))
# Where each state may lead.
STEPS = {
    "CREATE_PENDING": {"CREATE_IN_PROGRESS", "CREATE_STOPPING"},
    "CREATE_IN_PROGRESS": {"ACTIVE", "CREATE_FAILED", "CREATE_STOPPING"},
    "CREATE_STOPPING": {"CREATE_STOPPED"},
    "ACTIVE": set(),
    "CREATE_FAILED": set(),
    "CREATE_STOPPED": set(),
}
FINAL = {status for status, after in STEPS.items() if not after}


def later(status):
    """All states that may be seen after this one, itself included."""
    found = {status}
    for after in STEPS[status]:
        found |= later(after)
    return found


class Job:
    """What one client knows of its job: what it asked for, and what was acknowledged."""

    def __init__(self, name, folder, kind):
        self.name, self.folder, self.kind = name, folder, kind
        self.arn = job_arn("sales", name)
        self.seen = "CREATE_PENDING"
        self.stop_asked = self.stopped = self.deleted = False


class Caller(threading.Thread):
    """One client: makes a job, watches it to its end, makes the next one. A request without an answer is made again."""

    def __init__(self, server, number, stop):
        super().__init__(daemon=True)
        self.server, self.number, self.stop = server, number, stop
        self.random = random.Random(SEED * 1000 + number)
        self.jobs, self.problems, self.answers = [], [], 0
        self.client = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.one()
        except Exception as error:
            self.problems.append(f"client {self.number}: {type(error).__name__}: {error}")

    def call(self, operation, members, again):
        """An answer, in the end. `again` are the errors that mean that a request without an answer was done."""
        unanswered = False
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                self.client = self.client or Client(self.server)
                status, answer = self.client.call(operation, members)
            except (OSError, http.client.HTTPException):
                self.client, unanswered = None, True
                time.sleep(self.random.uniform(0.01, 0.1))
                continue
            self.answers += 1
            if status == 200:
                return answer
            if unanswered and status == 400 and answer["__type"] in again:
                return None
            raise AssertionError(f"{operation} {members}: {status} {answer}")
        raise AssertionError(f"{operation}: no answer for two minutes")

    def one(self):
        number = len(self.jobs)
        # Some share a folder, and some end the path with a slash.
        folder = self.random.choice(["shared", f"own/{self.number}/{number}"])
        job = Job(f"job_{self.number}_{number}", folder, self.random.choice(["CSV", "PARQUET"]))
        path = f"s3://exports/{folder}{self.random.choice(['', '/'])}"
        tags = [{"Key": "client", "Value": str(self.number)}]
        self.call("CreateForecastExportJob", creation(job.name, path, Format=job.kind, Tags=tags), ["ResourceAlreadyExistsException"])
        # From here on it must not be lost.
        self.jobs.append(job)
        stop_at = time.monotonic() + self.random.uniform(0, 1.5) if self.random.random() < 0.25 else None
        while True:
            described = self.call("DescribeForecastExportJob", {"ForecastExportJobArn": job.arn}, [])
            status = described["Status"]
            if status not in later(job.seen):
                raise AssertionError(f"{job.name} was {job.seen} and is {status}")
            if job.stopped and status in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                raise AssertionError(f"{job.name} was stopped and is {status}")
            job.seen = status
            if status in FINAL:
                break
            if stop_at and time.monotonic() > stop_at:
                job.stop_asked, stop_at = True, None
                self.call("StopResource", {"ResourceArn": job.arn}, [])
                job.stopped = True
            time.sleep(self.random.uniform(0.02, 0.08))
        listed = self.call("ListTagsForResource", {"ResourceArn": job.arn}, [])["Tags"]
        if listed != tags:
            raise AssertionError(f"{job.name} has the tags {listed}")
        if self.random.random() < 0.1:
            self.call("DeleteForecastExportJob", {"ForecastExportJobArn": job.arn}, ["ResourceNotFoundException"])
            job.deleted = True


def survives(kills, folder):
    sample(folder / "data/sales", 1000, steps="50")
    temporary = folder / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)
    chance = random.Random(SEED)
    with Server(folder, "--part-bytes", "1MB", "--max-jobs", "100000") as server:
        stop = threading.Event()
        callers = [Caller(server, number, stop) for number in range(CLIENTS)]
        for caller in callers:
            caller.start()
        killed_at_work = 0
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, 1.5))
            server.kill()
            killed_at_work += unfinished(server) > 0
            server.start()
        time.sleep(1)
        # Those that have begun a job see its end.
        stop.set()
        for caller in callers:
            caller.join(180)
        problems = [problem for caller in callers for problem in caller.problems]
        problems += [f"client {caller.number} does not end" for caller in callers if caller.is_alive()]
        assert not problems, problems
        jobs = [job for caller in callers for job in caller.jobs]
        answers = sum(caller.answers for caller in callers)
        print(f"seed {SEED}: {kills} kills, {killed_at_work} of them with jobs at work, {len(jobs)} jobs, {answers} answers")
        assert killed_at_work * 2 >= kills, "the kills meet no jobs"
        check_state(server, jobs)
        code = server.terminate()
        assert code == 143, code
    check_files(server, jobs)
    # Nothing else has a place here.
    data = {path.name for path in server.data.iterdir()}
    assert data <= {"sales", "state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm", "server.lock"}, data
    left = list(temporary.iterdir())
    assert not left, left


def unfinished(server):
    with database(server) as state:
        asked = "SELECT count(*) FROM job WHERE status IN ('CREATE_IN_PROGRESS', 'CREATE_STOPPING')"
        return state.execute(asked).fetchone()[0]


def database(server):
    return sqlite3.connect(server.data / "state.sqlite3", timeout=30)


def check_state(server, jobs):
    """What every job became, by the server's answers and by what it has written down."""
    for job in jobs:
        status, described = server.call("DescribeForecastExportJob", {"ForecastExportJobArn": job.arn})
        if job.deleted:
            assert status == 400 and described["__type"] == "ResourceNotFoundException", (job.name, described)
            continue
        assert status == 200 and described["Status"] == job.seen, (job.name, job.seen, described)
        wanted = {"ACTIVE", "CREATE_STOPPED"} if job.stop_asked else {"ACTIVE"}
        assert job.seen in wanted, (job.name, described)
        if job.seen == "ACTIVE":
            assert "Message" not in described, described
    with database(server) as state:
        assert state.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {}
        for number, status in state.execute("SELECT job, status FROM transition ORDER BY number"):
            before = kept.get(number)
            legal = status == "CREATE_PENDING" if before is None else status in STEPS[before]
            assert legal, f"job {number} went from {before} to {status}"
            kept[number] = status
        assert set(kept.values()) <= FINAL, kept
        # No more jobs than were acknowledged: a request that is made again makes no second one.
        assert len(kept) == len(jobs), (len(kept), len(jobs))


def check_files(server, jobs):
    """The parts of each job hold the forecast's rows; there is nothing else but markers."""
    source = b"".join(rows(path) for path in parts(server.data / "sales", "sample_"))
    expected = hashlib.sha256(source).hexdigest()
    known, parquet = set(), None
    for job in jobs:
        folder = server.exports / job.folder
        found = parts(folder, f"{job.name}_")
        known |= set(found)
        if job.seen != "ACTIVE":
            assert not found, (job.name, job.seen, found)
            continue
        numbers = [number_of(path) for path in found]
        assert len(found) > 1 and numbers == list(range(len(found))), (job.name, numbers)
        assert (folder / "_SUCCESS").exists() and (folder / "_CHECK").exists(), job.name
        if job.kind == "CSV":
            digest = hashlib.sha256(b"".join(map(rows, found))).hexdigest()
            assert digest == expected, f"{job.name} has other rows"
        else:
            # One is compared row by row, the others with it.
            digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in found]
            if parquet is None:
                compare(found, source, header(server))
                parquet = digests
            assert digests == parquet, f"{job.name} has other bytes"
    wanted = known | {server.exports / job.folder for job in jobs}
    wanted |= {parent for path in wanted for parent in path.parents}
    strange = {path for path in server.exports.rglob("*") if path.name not in ("_CHECK", "_SUCCESS")} - wanted
    assert not strange, strange


def parts(folder, prefix):
    found = [path for path in folder.glob(f"{prefix}*") if "_part" in path.name]
    return sorted(found, key=number_of)


def number_of(path):
    return int(path.stem.rsplit("_part", 1)[1])


def rows(path):
    return path.read_bytes().split(b"\n", 1)[1]


def header(server):
    return parts(server.data / "sales", "sample_")[0].read_bytes().split(b"\n", 1)[0]


def compare(found, source, names):
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    from harness import same_table

    table = pa.concat_tables([pq.read_table(path) for path in found])
    # Types are not what is compared here.
    options = pacsv.ConvertOptions(column_types=table.schema)
    expected = pacsv.read_csv(pa.BufferReader(names + b"\n" + source), convert_options=options)
    same_table(table.replace_schema_metadata(None), expected, "Parquet")


def ends_gracefully(folder):
    """SIGTERM: a request that has begun is answered, the code is 143, and jobs that have begun begin again."""
    sample(folder / "data/sales", 5000, steps="100")
    names = [f"long{number}" for number in range(6)]
    with Server(folder, "--part-bytes", "1MB") as server:
        body = b'{"ForecastArn": "%s"}' % forecast_arn("sales").encode()
        host = f"127.0.0.1:{server.port}"
        head = "".join(f"{name}: {value}\r\n" for name, value in signed("DescribeForecast", body, host).items())
        with socket.create_connection(("127.0.0.1", server.port)) as begun:
            begun.sendall(f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
            for name in names:
                assert server.call("CreateForecastExportJob", creation(name, f"s3://exports/{name}"))[0] == 200
            wait_until("a job at work", lambda: unfinished(server))
            server.process.terminate()
            wait_until("no new connection", lambda: not is_open(server.port))
            begun.sendall(body[5:])
            begun.settimeout(10)
            answer = begun.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
        code = server.process.wait(15)
        assert code == 143, code
        with database(server) as kept:
            ended_before = {name for (name,) in kept.execute("SELECT name FROM job WHERE status = 'ACTIVE'")}
        assert len(ended_before) < len(names), "SIGTERM met no job at work"
        written = {path.parent.name for path in server.exports.rglob("*_part*")}
        assert written == ended_before, (written, ended_before)
        server.start()
        source = b"".join(rows(path) for path in parts(server.data / "sales", "sample_"))
        for name in names:
            assert ended(server, job_arn("sales", name), 60)["Status"] == "ACTIVE"
            assert b"".join(map(rows, parts(server.exports / name, f"{name}_"))) == source


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    print(f"{BINARY}, seed {SEED}")
    check("SIGTERM: what has begun is answered, and jobs begin again", ends_gracefully)
    check(f"{kills} kills: nothing acknowledged is lost", lambda folder: survives(kills, folder))
    finish()
