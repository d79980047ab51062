"""Record the session that the demo plays: record.py PYTHON OUT

PYTHON is an interpreter of a virtual environment with ray[default], OUT the
directory for session.tar.zst and appends.jsonl.zst. Needs root on Linux, and
unshare, mount, ip and zstd. Ray runs in namespaces of its own: its pids, host
name, network (loopback only), /tmp/ray, /opt/ray and /home/ray are those of a
container.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "app")
TMP = "/tmp/ray"
HOME = "/home/ray"
PYTHON = "/opt/ray/bin/python"
ADDRESS = "10.0.0.11"
POLL = 0.02  # seconds
NO_LOGS = ["ray/*/metrics", "ray/*/runtime_resources", "ray/*/logs/debug_state*"]


def sh(command):
    subprocess.run(command, shell=True, check=True)


def logs():
    for root, _, names in os.walk(TMP):
        for name in names:
            path = os.path.join(root, name)
            if "/logs/" in path and not os.path.islink(path):
                yield path


def watch(out, stop):
    """Write down which bytes were appended to which log when, until one more look
    after stop is set."""
    sizes = {}
    last = False
    while not last:
        last = stop.is_set()
        now = time.time()
        for path in logs():
            try:
                size = os.stat(path).st_size
            except OSError:
                continue
            before = sizes.get(path, 0)
            if size > before:
                line = {"t": round(now, 3), "file": os.path.relpath(path, TMP), "offset": before, "length": size - before}
                out.write(json.dumps(line) + "\n")
            sizes[path] = size
        time.sleep(max(0, POLL - (time.time() - now)))


def container(python):
    """Make this process's namespaces look like a container with Ray in /opt/ray."""
    venv = os.path.dirname(os.path.dirname(python))
    sh("mount -t tmpfs none /opt && mkdir /opt/ray")
    sh(f"mount --bind {venv} /opt/ray")
    sh(f"mount -t tmpfs none /home && mkdir {HOME}")
    sh(f"mkdir -p {TMP} && mount -t tmpfs none {TMP}")
    sh(f"hostname ray-head && ip link set lo up && ip addr add {ADDRESS}/32 dev lo")
    for name in os.listdir(APP):
        shutil.copy(os.path.join(APP, name), HOME)
    os.chdir(HOME)
    os.environ.clear()
    os.environ.update(
        PATH="/opt/ray/bin:/usr/bin:/bin",
        HOME=HOME,
        TZ="UTC",
        LANG="C.UTF-8",
        RAY_ADDRESS=f"{ADDRESS}:6379",
        RAY_USAGE_STATS_ENABLED="0",
    )


def record(out):
    with open(f"{out}/appends.jsonl", "w") as appends, open(f"{HOME}/container.log", "w") as stdout:
        stop = threading.Event()
        watcher = threading.Thread(target=watch, args=(appends, stop))
        watcher.start()
        start = [PYTHON, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=4"]
        head = subprocess.Popen(start + [f"--node-ip-address={ADDRESS}"], stdout=stdout, stderr=subprocess.STDOUT)
        try:
            subprocess.run([PYTHON, "submit.py", f"http://{ADDRESS}:8265"], check=True, timeout=300)
        finally:
            head.send_signal(signal.SIGTERM)
            head.wait(60)
            time.sleep(1)
            stop.set()
            watcher.join()
    excluded = " ".join(f"--exclude='{pattern}'" for pattern in NO_LOGS)
    sh(f"find {TMP} -type s -delete; tar -C /tmp {excluded} -cf {out}/session.tar ray")
    sh(f"zstd -19 -q -f --rm {out}/session.tar {out}/appends.jsonl")


if __name__ == "__main__":
    if sys.argv[1] == "inside":
        container(sys.argv[2])
        record(sys.argv[3])
    else:
        python, out = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
        os.makedirs(out, exist_ok=True)
        namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--uts", "--mount-proc"]
        os.execvp("unshare", namespaces + [sys.executable, os.path.abspath(__file__), "inside", python, out])
