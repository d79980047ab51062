"""Prints marked lines that carry their own truth, and keeps that truth outside of the logs.

@@ n=<count in this process> job= task= actor= worker= node= pid= | text

Each is also appended to a file of this process in the directory REMORA_E2E_TRUTH:
<stream> TAB <name of the task function or actor class> TAB <the line>; for a
driver the name is driver:<submission id>.
"""

import itertools
import os
import sys
import threading

import ray

_count = itertools.count()
_lock = threading.Lock()
_truth = None


def _ids():
    context = ray.get_runtime_context()

    def known(get):
        try:
            return getattr(context, get)() or "-"
        except Exception:  # the driver has no task, a task no actor
            return "-"

    return " ".join(
        f"{name}={known(get)}"
        for name, get in (
            ("job", "get_job_id"),
            ("task", "get_task_id"),
            ("actor", "get_actor_id"),
            ("worker", "get_worker_id"),
            ("node", "get_node_id"),
        )
    )


def _record(stream, who, line):
    global _truth
    if _truth is None:
        path = os.path.join(os.environ["REMORA_E2E_TRUTH"], f"{os.getpid()}.tsv")
        _truth = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(_truth, f"{stream}\t{who}\t{line}\n".encode())


def mark(who, text="", err=False):
    ids = _ids()
    with _lock:
        line = f"@@ n={next(_count)} {ids} pid={os.getpid()} | {text}"
        out = sys.stderr if err else sys.stdout
        out.write(line + "\n")
        out.flush()
        _record("err" if err else "out", who, line)
