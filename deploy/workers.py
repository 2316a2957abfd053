"""Ask the cluster for GPUs and wait until they are there; 0 lets them go once they are idle.

    ray submit cluster.yaml deploy/workers.py 4

A grid shares out the GPUs that it finds when it begins, and a cluster begins with none. What is
asked for here is kept, and paid for, until it is asked for 0, even while it is idle.
"""

import argparse
import sys
import time

import ray
from ray.autoscaler.sdk import request_resources


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gpus", type=int, help="how many in all; 0: none need be kept")
    parser.add_argument("--minutes", type=float, default=20, help="how long to wait (default 20)")
    asked = parser.parse_args()
    ray.init(address="auto", log_to_driver=False)
    request_resources(bundles=[{"GPU": 1}] * asked.gpus)
    until = time.monotonic() + 60 * asked.minutes
    while (there := ray.cluster_resources().get("GPU", 0)) < asked.gpus:
        if time.monotonic() > until:
            print(
                f"{there:g} of {asked.gpus} GPUs after {asked.minutes:g} minutes: see `ray status`"
            )
            return 1
        time.sleep(2)
    print(f"{there:g} GPUs are there" if asked.gpus else "workers go when they are idle")
    return 0


if __name__ == "__main__":
    sys.exit(main())
