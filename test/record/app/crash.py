"""Ways to die: an exception, os._exit, a signal in the middle of a line, a constructor."""

import os
import signal
import sys

import ray
from tagged import say

ray.init()


@ray.remote(max_retries=0)
def raises():
    say("raises")
    raise ValueError("bad configuration value")


@ray.remote(max_retries=0)
def exits():
    say("exits")
    os._exit(3)


@ray.remote(max_retries=0)
def cut():
    say("cut")
    sys.stdout.write("cut in the middle of a lin")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


@ray.remote
class BadInit:
    def __init__(self):
        say("BadInit")
        raise ConnectionError("cannot reach feature store")

    def ping(self):
        return 1


@ray.remote(max_restarts=1)
class Dies:
    def __init__(self):
        say("Dies starts")

    def die(self):
        say("dies")
        os._exit(1)


def attempt(ref):
    try:
        ray.get(ref)
    except Exception as e:
        say(f"driver got {type(e).__name__}")


for task in (raises, exits, cut):
    attempt(task.remote())
attempt(BadInit.remote().ping.remote())
dying = Dies.remote()
attempt(dying.die.remote())
attempt(dying.die.remote())
