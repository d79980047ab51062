"""Output that is rotated many times."""

import sys
import time

import ray
from tagged import say

ray.init()


@ray.remote
def chatter(i):
    for n in range(150):
        say(f"chatter {i} line {n} " + "." * (n % 60))
        if n % 5 == 0:
            say(f"chatter {i} stderr line {n}", file=sys.stderr)
        time.sleep(0.005)


@ray.remote
class Talker:
    def talk(self, i):
        for n in range(150):
            say(f"Talker {i} line {n}")
            time.sleep(0.005)


talker = Talker.remote()
ray.get([chatter.remote(i) for i in range(6)] + [talker.talk.remote(i) for i in range(4)])
