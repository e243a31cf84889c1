"""Spark: a standalone master and two workers. Usage: spark_cluster.py [RUNS]"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyspark
from harness import Work, as_driver, bad_cell, driver_killed, equality, kills, no_hang, on_s3, passed, use_server
from pyspark.sql import SparkSession

import forecast_export as fe
from forecast_export.spark import convert, merge

RUNS = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1] != "--driver" else 2
HOME = Path(pyspark.__file__).parent


class Standalone:
    """A master and workers as processes of their own."""

    def __init__(self, workers: int) -> None:
        self.logs = Path(tempfile.mkdtemp(prefix="spark-"))
        self.environment = {**os.environ, "SPARK_HOME": str(HOME), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        self.master = self._start("master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.url = self._said("master", r"spark://127\.0\.0\.1:\d+")
        self.workers = [self._worker(number) for number in range(workers)]

    def _start(self, name: str, main: str, *args: str) -> subprocess.Popen[bytes]:
        log = (self.logs / name).open("wb")
        return subprocess.Popen(
            [str(HOME / "bin" / "spark-class"), main, *args],
            env=self.environment, stdout=log, stderr=log, cwd=self.logs, start_new_session=True,
        )

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        folder = self.logs / f"work{number}"
        return self._start(
            f"worker{number}", "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1",
            "--memory", "1g", "--webui-port", "0", "--work-dir", str(folder), self.url,
        )

    def _said(self, name: str, pattern: str) -> str:
        for _ in range(600):
            if found := re.search(pattern, (self.logs / name).read_text(errors="replace")):
                return found[0]
            time.sleep(0.1)
        raise SystemExit(f"the {name} did not start:\n{(self.logs / name).read_text(errors='replace')}")

    def executors(self) -> list[int]:
        found = subprocess.run(["pgrep", "-f", "CoarseGrainedExecutorBackend"], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def close(self) -> None:
        for process in (*self.workers, self.master):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def session(master: str) -> SparkSession:
    os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    spark = (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false").config("spark.executor.memory", "512m")
        .config("spark.excludeOnFailure.enabled", "false").config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def main() -> None:
    use_server()
    work = Work()
    cluster = Standalone(2)
    try:
        # An application takes all cores of the cluster, so there is one at a time.
        def merged(url: str, *args: object, **options: object) -> fe.Report:
            spark = session(url)
            try:
                return merge(spark, *args, **options)
            finally:
                spark.stop()

        driver_killed(work, [__file__, "--driver", cluster.url], merged, lambda: cluster.url)
        spark = session(cluster.url)
        equality(work, merge, convert, spark)
        on_s3(work, merge, spark)
        bad_cell(work, merge, spark)
        no_hang(work, merge, spark)

        def strike() -> None:
            if executors := cluster.executors():
                os.kill(random.choice(executors), random.choice([signal.SIGKILL, signal.SIGTERM]))

        kills(work, merge, spark, RUNS, strike, 3.0)
        spark.stop()
    finally:
        cluster.close()
    work.close()
    passed("Spark")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--driver"]:
        as_driver(merge, session(sys.argv[2]))
    else:
        main()
