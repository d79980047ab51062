"""Tasks and actors that print tagged lines."""

import sys

import ray
from tagged import say

ray.init()


@ray.remote
def square(n):
    say(f"square {n}")
    if n % 3 == 0:
        say(f"square {n} on stderr", file=sys.stderr)
    return n * n


@ray.remote
class Counter:
    def __init__(self):
        self.n = 0
        say("Counter starts")

    def add(self, k):
        self.n += k
        say(f"add {k}")
        return self.n


say("driver starts")
ray.get([square.remote(i) for i in range(20)])
counters = [Counter.remote() for _ in range(2)]
ray.get([c.add.remote(i) for c in counters for i in range(5)])
say("driver ends")
