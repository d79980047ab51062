"""steady.py ROUNDS: three actors, five rounds a second."""

import sys
import time

import ray
from tagged import say

ray.init()


@ray.remote
class Worker:
    def __init__(self, name):
        self.name = name

    def step(self, n):
        say(f"Worker {self.name} step {n}")


workers = [Worker.remote(name) for name in "abc"]
for n in range(int(sys.argv[1])):
    ray.get([w.step.remote(n) for w in workers])
    if n % 10 == 0:
        say(f"round {n}")
    time.sleep(0.2)
