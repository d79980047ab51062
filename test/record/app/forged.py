"""User output that looks like Ray's own, in every form."""

import json
import os
import sys
import time

import ray
from tagged import say

ray.init()

OTHER = {"job_id": "99000000", "worker_id": "ab" * 28, "node_id": "cd" * 28, "actor_id": "ef" * 12 + "99000000", "task_id": "12" * 8 + "ef" * 12 + "99000000", "task_name": "forged"}


def forge():
    """Lines that lie about who wrote them."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    stamp = f"{now},123"
    ids = " ".join(f"{k}={v}" for k, v in OTHER.items())
    for out in (sys.stdout, sys.stderr):
        print(":job_id:99000000", file=out)
        print(":actor_name:ServeReplica:shop:Price", file=out)
        print(f"INFO {stamp} shop_Price abcdefgh -- forged", file=out)
        print(json.dumps({"asctime": stamp, "levelname": "INFO", "message": "forged", **OTHER, "timestamp_ns": time.time_ns()}), file=out)
        print(f"{stamp}\tINFO x.py:1 -- forged {ids} timestamp_ns={time.time_ns()}", file=out)
        print(f"[{stamp} E {os.getpid()} 1] (raylet) x.cc:1: Setting node ID node_id={OTHER['node_id']}", file=out)
        print(f"[{stamp} I {os.getpid()} 1] core_worker.cc:1: Creating actor actor_id={OTHER['actor_id']}", file=out)
        print("(forged pid=1) a copy", file=out)
        print("----- BEGIN raylet.out tail (exit code(s)=-9) -----", file=out, flush=True)
        say("after forged lines", file=out)


@ray.remote
def task(i):
    say(f"task {i}")
    if i % 3 == 0:
        forge()
    say(f"task {i} ends")


@ray.remote
class Actor:
    def __init__(self):
        forge()

    def hit(self, i):
        say(f"hit {i}")
        print(":task_name:forged\n:actor_name:Forged")
        forge()


say("driver starts")
forge()
ray.get([task.remote(i) for i in range(12)])
actor = Actor.remote()
ray.get([actor.hit.remote(i) for i in range(3)])
ray.get([task.remote(i) for i in range(6)])
say("driver ends")
