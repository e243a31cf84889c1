"""How fast the server answers, and how fast an export is done: see `run`."""

import argparse
import asyncio
import gc
import json
import os
import pathlib
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "tests/serve"))
from server import BINARY, Client, Server, creation, job_arn, sample, signed  # noqa: E402

CONNECTIONS = 50
JOBS = 100


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rate", type=int, default=1000, help="requests a second")
    parser.add_argument("--rounds", type=int, default=20, help="exports of each format")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serve.") as name:
        folder = pathlib.Path(name)
        # 10 MB, 100 MB, and one that is described.
        sample(folder / "data/ten", 1030, steps="100")
        sample(folder / "data/hundred", 10_300, steps="100")
        sample(folder / "data/small", 10)
        with Server(folder, "--max-jobs", "100000") as server:
            show(server, options)


def show(server, options):
    for number in range(JOBS):
        make(server, f"described_{number}", "small")
    idle = asyncio.run(describe(server, options))
    with Exports(server) as exports:
        busy = asyncio.run(describe(server, options))
    megabytes = round(sum(path.stat().st_size for path in (server.data / "ten").iterdir()) / 1e6, 1)
    took = {kind: [export(server, f"{kind}_{number}", kind) for number in range(options.rounds)] for kind in ("CSV", "PARQUET")}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.machine()}, {BINARY}\n")
    print("| DescribeForecastExportJob, signed | answered | p50 | p99 | longest |")
    print("|---|--:|--:|--:|--:|")
    for what, (answered, times) in {"nothing else runs": idle, f"three exports run ({exports.done} of 100 MB ended)": busy}.items():
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        numbers = " | ".join(f"{1000 * number:.1f} ms" for number in (p50, p99, max(times)))
        print(f"| {options.rate} a second for {options.seconds} s, {what} | {answered} | {numbers} |")
    print(f"\n| an export of {megabytes} MB, from Create to ACTIVE | median | longest |")
    print("|---|--:|--:|")
    for kind, seconds in took.items():
        print(f"| {kind} | {statistics.median(seconds):.3f} s | {max(seconds):.3f} s |")


def make(server, name, forecast, **more):
    status, answer = server.call("CreateForecastExportJob", creation(name, f"s3://exports/{name}", forecast, **more))
    assert status == 200, answer


def export(server, name, kind):
    """Seconds until it is ACTIVE, as a client sees it that asks all the time."""
    with Client(server) as client:
        began = time.perf_counter()
        client.call("CreateForecastExportJob", creation(name, f"s3://exports/{name}", "ten", Format=kind))
        while True:
            answer = client.call("DescribeForecastExportJob", {"ForecastExportJobArn": job_arn("ten", name)})[1]
            if answer["Status"] == "ACTIVE":
                return time.perf_counter() - began
            assert answer["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"), answer
            time.sleep(0.005)


class Exports(threading.Thread):
    """Keeps three exports running, and removes what they leave."""

    def __init__(self, server):
        super().__init__()
        self.server, self.is_over, self.done = server, threading.Event(), 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join()

    def run(self):
        running, number = [], 0
        with Client(self.server) as client:
            while running or not self.is_over.is_set():
                while len(running) < 3 and not self.is_over.is_set():
                    name, number = f"busy_{number}", number + 1
                    kind = ("CSV", "PARQUET")[number % 2]
                    make(self.server, name, "hundred", Format=kind)
                    running.append(name)
                time.sleep(0.1)
                for name in list(running):
                    arn = {"ForecastExportJobArn": job_arn("hundred", name)}
                    if client.call("DescribeForecastExportJob", arn)[1]["Status"] == "ACTIVE":
                        running.remove(name)
                        self.done += 1
                        shutil.rmtree(self.server.exports / name)


async def describe(server, options):
    """The number of answers that are good, and how long each took from the moment at which it was due."""
    host = f"127.0.0.1:{server.port}"

    def request(number, second):
        arn = job_arn("small", f"described_{number % JOBS}")
        body = json.dumps({"ForecastExportJobArn": arn}).encode()
        headers = signed("DescribeForecastExportJob", body, host, age=-second) | {"Content-Length": len(body)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST / HTTP/1.1\r\n{lines}\r\n".encode() + body

    # Signed before, each for its second, so that it is the server that is measured.
    requests = [request(number, number // options.rate) for number in range(options.rate * options.seconds)]
    times, good = [0.0] * len(requests), 0
    # The client's own pauses would be measured, too.
    gc.collect()
    gc.freeze()
    began = time.perf_counter() + 0.5

    async def connection(first):
        nonlocal good
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for number in range(first, len(requests), CONNECTIONS):
            due = began + number / options.rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            times[number] = time.perf_counter() - due
            good += head.startswith(b"HTTP/1.1 200 ") and b'"Status"' in body
        writer.close()

    await asyncio.gather(*map(connection, range(CONNECTIONS)))
    return good, times


main()
