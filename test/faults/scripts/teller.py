"""A Ray of one node whose actors print numbered lines when they are told to.

teller.py DIRECTORY ADDRESS: Ray's temp directory and the node's IP address. Prints a line of JSON
with the session and the actors' processes; then "ok" for each line of standard
input: ACTOR STREAM FIRST COUNT.
"""

import json
import os
import sys

import ray


@ray.remote(num_cpus=0.1)
class Teller:
    def where(self):
        return {"worker": ray.get_runtime_context().get_worker_id(), "pid": os.getpid()}

    def tell(self, stream, first, count):
        for n in range(first, first + count):
            print(f"@@ {stream} {n} " + "ray " * (1 + n % 40), flush=True)


def main():
    root, address = sys.argv[1:]
    ray.init(
        address="local", _temp_dir=root, _node_ip_address=address, num_cpus=2, include_dashboard=False,
        object_store_memory=80 << 20, log_to_driver=False, configure_logging=False,
    )
    tellers = [Teller.remote() for _ in range(3)]
    session = os.path.basename(ray._private.worker._global_node.get_session_dir_path())
    print(json.dumps({"session": session, "tellers": ray.get([t.where.remote() for t in tellers])}), flush=True)
    for line in sys.stdin:
        actor, *numbers = map(int, line.split())
        ray.get(tellers[actor].tell.remote(*numbers))
        print("ok", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
