"""Dask: a scheduler and two workers as processes. Usage: dask_cluster.py [RUNS]"""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from distributed import Client, LocalCluster
from harness import (
    Work, as_driver, bad_cell, check, driver_killed, equality, is_clean, is_same, kills, no_hang, on_s3, passed, use_server,
)

import forecast_export as fe
from forecast_export.dask import convert, merge

RUNS = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1] != "--driver" else 4


def main() -> None:
    use_server()
    work = Work()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        equality(work, merge, convert, client)
        on_s3(work, merge, client)
        bad_cell(work, merge, client)
        no_hang(work, merge, client)

        def strike() -> None:
            """Kills or ends one of the workers, which is started again."""
            workers = [nanny.process.pid for nanny in cluster.workers.values() if nanny.process and nanny.process.pid]
            if workers:
                os.kill(random.choice(workers), random.choice([signal.SIGKILL, signal.SIGTERM]))
            # A nanny does not start a worker again that was told to end.
            time.sleep(1)
            if len(client.scheduler_info()["workers"]) < 2:
                cluster.scale(len(cluster.worker_spec) + 1)

        kills(work, merge, client, RUNS, strike, 2.0)
        driver_killed(work, [__file__, "--driver", cluster.scheduler_address], merge, lambda: client)

        # A worker that sleeps past the commit and comes back.
        output = work.folder / "out" / "late_worker.csv"
        plan = fe.cluster.plan(work.sources["csv24"], output, pieces=6)
        pids = [nanny.process.pid for nanny in cluster.workers.values() if nanny.process and nanny.process.pid]
        from forecast_export._engine import carry_out

        plan.write(work.folder / "plan.json")
        slow = client.submit(carry_out, str(work.folder / "plan.json"), 3, {}, pure=False)
        time.sleep(0.01)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for index in range(plan.pieces):
            fe.cluster.piece(plan, index)
        fe.cluster.commit(plan)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        check(slow.result(timeout=60) is None, "a worker that comes back after the commit has nothing to do")
        check(is_same(work.one("csv24", "csv"), output) and is_clean(output), "and leaves nothing")

    # Without any worker, the call ends.
    import forecast_export._engine as engine

    engine.LONELY = 2.0
    with LocalCluster(n_workers=0, processes=True, dashboard_address=None) as cluster, Client(cluster) as client:
        try:
            merge(client, work.sources["csv1"], work.folder / "out" / "nobody.csv")
            check(False, "no worker is an error")
        except fe.StoreError as error:
            check("there is no worker left" in str(error), f"it says so: {error}")
    work.close()
    passed("Dask")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--driver"]:
        with Client(sys.argv[2]) as connected:
            as_driver(merge, connected)
    else:
        main()
