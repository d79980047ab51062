"""say(text) prints a line that carries its own truth."""

import itertools
import os
import sys
import threading

import ray

_count = itertools.count()


def tag():
    """What Ray's runtime context knows of the caller; "-" where it knows nothing."""
    c = ray.get_runtime_context()

    def ask(question):
        try:
            return question() or "-"
        except Exception:  # a driver has no task, a user's thread neither
            return "-"

    in_task = threading.current_thread() is not threading.main_thread() or c.worker.mode == ray.WORKER_MODE
    task = ask(c.get_task_id) if in_task else "-"
    actor = ask(c.get_actor_id) if in_task else "-"
    return (f"@@ n={next(_count)} job={ask(c.get_job_id)} task={task} actor={actor} "
            f"worker={ask(c.get_worker_id)} node={ask(c.get_node_id)} pid={os.getpid()} |")


def say(text, file=None):
    print(tag(), text, file=file or sys.stdout, flush=True)
