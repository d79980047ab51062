"""Writes marked lines on every Ray node, one actor each, until a file says stop.

What was written is also counted on the node's own disk, in /ledger, after the line."""
import os
import sys
import time

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

run = sys.argv[1]
ray.init(address="auto", log_to_driver=False)


@ray.remote(num_cpus=0, max_restarts=0)
class Writer:
    def write(self):
        name = f"{run}-{os.environ['HOSTNAME']}-{os.getpid()}"
        ledger = os.open(f"/ledger/{name}", os.O_CREAT | os.O_WRONLY, 0o644)
        n = 0
        while not os.path.exists(f"/ledger/stop-{run}"):
            n += 1
            print(f"MARK {name} {n}", flush=True)
            os.pwrite(ledger, b"%10d" % n, 0)
            time.sleep(0.05)
        return n


writers = {}
while not os.path.exists(f"/ledger/stop-{run}"):
    for node in ray.nodes():
        if node["Alive"] and node["NodeID"] not in writers:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            actor = Writer.options(scheduling_strategy=strategy).remote()
            writers[node["NodeID"]] = (actor, actor.write.remote())
    time.sleep(1)
