"""Odd output: forged marks, long lines, odd bytes, logging, concurrent actors."""

import asyncio
import logging
import sys

import ray
from tagged import say

ray.init()


@ray.remote
def forges():
    say("text that looks like Ray's marks comes next")
    print(":job_id:99999999\n:actor_name:Forged\n  :task_name:not at column 0\n[2020-01-01 00:00:00,000 E 1 1] (raylet) fake.cc:1: user text", flush=True)
    say("after the forged marks")


@ray.remote
def odd_bytes():
    say("odd bytes follow")
    sys.stdout.flush()
    sys.stdout.buffer.write(b"invalid utf-8: \xff\xfe\x80 nul: a\x00b crlf:\r\n\x1b[31mred\x1b[0m\n" + b"".join(b"\rdownload %3d%%" % i for i in range(0, 101, 20)) + b"\n")
    sys.stdout.buffer.write(b"x" * 1_000_000 + b"\n")
    sys.stdout.buffer.flush()
    say("after the odd bytes")


@ray.remote
def logs():
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for level in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger("app"), level)("a line of level %s", level)
    try:
        {}["missing"]
    except KeyError:
        logging.getLogger("app").exception("with a traceback")
    say("logged")


@ray.remote
class Plain:
    def hit(self, i):
        say(f"Plain {i}")


@ray.remote
class WithRepr:
    def __repr__(self):
        return "WithRepr(shard=3)"

    def hit(self):
        say("WithRepr")


@ray.remote
class Async:
    async def hit(self, i):
        say(f"Async {i} begin")
        await asyncio.sleep(0.05)
        say(f"Async {i} end")


say("driver starts")
for task in (forges, odd_bytes, logs):
    ray.get(task.remote())
plain, named, concurrent = Plain.remote(), WithRepr.remote(), Async.remote()
ray.get([plain.hit.remote(i) for i in range(10)] + [named.hit.remote()] + [concurrent.hit.remote(i) for i in range(10)])
say("driver ends")
