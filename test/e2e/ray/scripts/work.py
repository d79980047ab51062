"""The work of one job: tasks, actors, a task that fails, and loud ones whose files rotate.

Environment: REMORA_E2E_SECONDS how long the loud ones go on, REMORA_E2E_RATE
lines a second of each. REMORA_E2E_SUBMISSION is the job's submission id where
Ray's job server runs the driver: only there the driver's own lines reach a file.
"""

import os
import time

import ray

from mark import mark

SECONDS = float(os.environ.get("REMORA_E2E_SECONDS", "20"))
RATE = float(os.environ.get("REMORA_E2E_RATE", "150"))
SUBMISSION = os.environ.get("REMORA_E2E_SUBMISSION", "")


def tell(text):
    if SUBMISSION:
        mark("driver:" + SUBMISSION, text)


@ray.remote(num_cpus=0.25)
def square(i):
    mark("square", f"square {i}")
    if i % 3 == 0:
        mark("square", f"square {i} on stderr", err=True)
    if i % 10 == 0:
        print("a line without a mark")
        print()
        print("    indented")
    return i * i


@ray.remote(num_cpus=0.25, max_retries=0)
def broken(path):
    mark("broken", "is about to fail")
    raise FileNotFoundError(path)


@ray.remote(num_cpus=0.25)
def loud(k, seconds, rate):
    begin, i = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        mark("loud", f"loud {k} line {i} " + "." * (i * 7 % 90), err=i % 16 == 15)
        if i == 500:
            mark("loud", "one long line " + "y" * 60000)
        i += 1
        ahead = i / rate - (time.monotonic() - begin)
        if ahead > 0:
            time.sleep(ahead)
    return i


@ray.remote(num_cpus=0.25)
class Counter:
    def __init__(self):
        self.n = 0
        mark("Counter", "begins")

    def add(self, by):
        self.n += by
        mark("Counter", f"is at {self.n}")
        return self.n


@ray.remote(num_cpus=0.25)
class Listener:
    async def hear(self, i):
        mark("Listener", f"heard {i}", err=i % 2 == 1)
        return i


def main():
    ray.init(address="auto", namespace="e2e", log_to_driver=bool(SUBMISSION))
    tell("driver begins")
    counter, listener = Counter.options(name=f"counter-{os.getpid()}").remote(), Listener.remote()
    noise = [loud.remote(k, SECONDS, RATE) for k in range(3)]
    assert sum(ray.get([square.remote(i) for i in range(40)])) == 20540
    ray.get([counter.add.remote(2) for _ in range(20)] + [listener.hear.remote(i) for i in range(20)])
    try:
        ray.get(broken.remote("/data/shard-00042.parquet"))
    except ray.exceptions.RayTaskError as err:
        tell(f"caught {type(err).__name__}")
    tell(f"loud ones wrote {sum(ray.get(noise))} lines")
    ray.get([square.remote(i) for i in range(40, 60)])
    tell("driver ends")
    # Where files rotate, Ray writes them from a thread of its own: what it still
    # holds when a worker is made to exit would be lost by Ray.
    time.sleep(3)


if __name__ == "__main__":
    main()
