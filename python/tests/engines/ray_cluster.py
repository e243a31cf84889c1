"""Ray: a head with two workers. Usage: ray_cluster.py [RUNS]"""

import os
import random
import signal
import subprocess
import sys

import ray
from harness import Work, as_driver, bad_cell, driver_killed, equality, kills, no_hang, on_s3, passed, use_server

from forecast_export.ray import convert, merge

RUNS = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1] != "--driver" else 2


def main() -> None:
    use_server()
    work = Work()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    equality(work, merge, convert, ray)
    on_s3(work, merge, ray)
    bad_cell(work, merge, ray)
    no_hang(work, merge, ray)

    def strike() -> None:
        found = subprocess.run(["pgrep", "-f", "ray::carry_out"], capture_output=True, text=True).stdout.split()
        if found:
            os.kill(int(random.choice(found)), signal.SIGKILL)

    kills(work, merge, ray, RUNS, strike, 2.0)
    driver_killed(work, [__file__, "--driver", ray.get_runtime_context().gcs_address], merge, lambda: ray)
    ray.shutdown()
    work.close()
    passed("Ray")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--driver"]:
        ray.init(sys.argv[2], log_to_driver=False, logging_level="error")
        as_driver(merge, ray)
    else:
        main()
