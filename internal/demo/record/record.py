"""Record the session that the demo plays: record.py PYTHON OUT

PYTHON is an interpreter of a virtual environment with ray[default], OUT the
directory for session.tar.zst and appends.jsonl.zst. Root on Linux with unshare,
mount, ip and zstd. Ray runs in namespaces of its own: its pids, host name, network
(loopback only), /tmp/ray, /opt/ray and /home/ray are those of a container.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TMP = "/tmp/ray"
PYTHON = "/opt/ray/bin/python"
ADDRESS = "10.0.0.11"
POLL = 0.02


def sh(command):
    subprocess.run(command, shell=True, check=True)


def walk(directory):
    for root, _, files in os.walk(directory):
        for name in files:
            path = os.path.join(root, name)
            if not os.path.islink(path):
                yield path


def watch(out, stop):
    """Write down which bytes were appended to which log when."""
    sizes = {}
    while not stop.is_set():
        now = time.time()
        for path in walk(TMP):
            if "/logs/" not in path:
                continue
            try:
                size = os.stat(path).st_size
            except OSError:
                continue
            before = sizes.get(path, 0)
            if size > before:
                out.write(json.dumps({"t": round(now, 3), "file": os.path.relpath(path, TMP), "offset": before, "length": size - before}) + "\n")
            sizes[path] = size
        time.sleep(max(0, POLL - (time.time() - now)))


def inside(python, out):
    venv = os.path.dirname(os.path.dirname(python))
    sh("mount -t tmpfs none /opt && mkdir -p /opt/ray /mnt")
    sh(f"mount --bind {venv} /opt/ray")
    sh("mount -t tmpfs none /home && mkdir -p /home/ray")
    sh(f"mkdir -p {TMP} && mount -t tmpfs none {TMP}")
    sh(f"hostname ray-head; ip link set lo up; ip addr add {ADDRESS}/32 dev lo")
    for name in os.listdir(HERE + "/app"):
        shutil.copy(f"{HERE}/app/{name}", "/home/ray/")
    os.chdir("/home/ray")
    env = {"PATH": "/opt/ray/bin:/usr/bin:/bin", "HOME": "/home/ray", "TZ": "UTC", "LANG": "C.UTF-8", "RAY_ADDRESS": f"{ADDRESS}:6379", "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ.clear()
    os.environ.update(env)
    stop = threading.Event()
    appends = open(out + "/appends.jsonl", "w")
    watcher = threading.Thread(target=watch, args=(appends, stop))
    watcher.start()
    head = subprocess.Popen(
        [PYTHON, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--node-ip-address={ADDRESS}", "--num-cpus=4", "--dashboard-host=0.0.0.0"],
        stdout=open(out + "/container.log", "w"), stderr=subprocess.STDOUT,
    )
    try:
        script = f"""
import time
from ray.job_submission import JobSubmissionClient
for i in range(120):
    try:
        c = JobSubmissionClient("http://{ADDRESS}:8265")
        break
    except Exception:
        time.sleep(0.5)
def submit(name, entrypoint):
    c.submit_job(submission_id=name, entrypoint=entrypoint)
def wait(*names):
    while any(not c.get_job_status(n).is_terminal() for n in names):
        time.sleep(1)
    for n in names:
        print(n, c.get_job_status(n), flush=True)
submit("nightly-etl", "python /home/ray/etl.py")
time.sleep(6)
submit("train-resnet50", "python /home/ray/train.py")
time.sleep(8)
submit("tokenize-corpus", "python /home/ray/tokenize_corpus.py")
time.sleep(8)
submit("evaluate-resnet50", "pythn /home/ray/evaluate.py")
wait("nightly-etl", "tokenize-corpus", "evaluate-resnet50", "train-resnet50")
time.sleep(3)
"""
        subprocess.run([PYTHON, "-c", script], check=True, timeout=300)
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(60)
        time.sleep(1)
        stop.set()
        watcher.join()
        appends.close()
    sh(f"cd /tmp && find ray -type s -delete; tar --exclude=ray/*/metrics --exclude=ray/*/runtime_resources --exclude=ray/*/logs/debug_state* -cf {out}/session.tar ray")
    sh(f"cd {out} && zstd -19 -q -f --rm session.tar && zstd -19 -q -f --rm appends.jsonl")


if __name__ == "__main__":
    if sys.argv[1] == "inside":
        inside(*sys.argv[2:])
    else:
        python, out = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
        os.makedirs(out, exist_ok=True)
        os.execvp("unshare", ["unshare", "-mnpfu", "--mount-proc", sys.executable, os.path.abspath(__file__), "inside", python, out])
