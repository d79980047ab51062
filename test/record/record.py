#!/usr/bin/env python3
"""Record a real Ray session with the truth about it.

    record.py --python VENV/bin/python --out DIR [--appends] SCENARIO

Starts Ray on loopback in a temporary directory of its own, runs the scenario's
programs, asks Ray's own API what it saw, stops Ray and writes into DIR what
testdata/corpus/README.md describes. Needs tar and zstd.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent

# Each step is ("driver", program, arguments…) or ("job", submission id, entrypoint).
SCENARIOS = {
    "basic": {"steps": [("driver", "basic.py"), ("driver", "crash.py")]},
    "jobs": {"steps": [("job", "job-ok", "python tasks.py"), ("job", "nightly-etl-2026.11", "python fails.py"), ("job", "job-7", "python -c 'raise SystemExit(7)'")]},
    "rotation": {
        "env": {"RAY_ROTATION_MAX_BYTES": "20000", "RAY_ROTATION_BACKUP_COUNT": "3"},
        "steps": [("driver", "loud.py"), ("job", "noisy-1", "python loud.py")],
    },
    "forged": {
        "env": {"RAY_ROTATION_MAX_BYTES": "4000", "RAY_ROTATION_BACKUP_COUNT": "2"},
        "steps": [("driver", "forged.py"), ("job", "forged", "python forged.py"), ("job", "two-drivers", "python tasks.py; python quiet.py"), ("job", "two-at-once", "python tasks.py & python quiet.py; wait")],
    },
    "json": {"env": {"RAY_BACKEND_LOG_JSON": "1"}, "steps": [("driver", "structured.py"), ("job", "json-job", "python structured.py")]},
    "restart": {"steps": [("driver", "tasks.py"), ("restart",), ("driver", "tasks.py")]},
    "timeline": {"steps": [("driver", "steady.py", "200")]},
}

# What a session directory holds besides logs and is of no use later.
LEAVE_OUT = ["sockets", "*.sock", "*.lock", "plasma*", "ray_spilled_objects*", "working_dir_files", "py_modules_files", "dashboards", "virtualenv", "__pycache__", "*.whl"]


class Ray:
    """One head node in a temporary directory."""

    def __init__(self, python, scratch, env):
        self.python, self.scratch = python, scratch
        self.root = scratch / "ray"
        self.app = scratch / "app"
        self.root.mkdir()
        shutil.copytree(HERE / "app", self.app)
        self.env = {
            "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(scratch),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        }
        self.container = open(scratch / "container.log", "ab")
        self.process = None
        self.drivers = 0

    def start(self):
        ports = [str(p) for p in free_ports(3)]
        self.dashboard = f"http://127.0.0.1:{ports[1]}"
        command = [
            str(self.python.parent / "ray"), "start", "--head", "--block", "--disable-usage-stats", "--num-cpus=4",
            "--node-ip-address=127.0.0.1", f"--port={ports[0]}", "--object-store-memory=150000000", f"--temp-dir={self.root}",
            "--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={ports[1]}", f"--dashboard-agent-listen-port={ports[2]}",
        ]
        self.env["RAY_ADDRESS"] = f"127.0.0.1:{ports[0]}"
        self.process = subprocess.Popen(command, env=self.env, cwd=self.app, stdin=subprocess.DEVNULL,
                                        stdout=self.container, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.time() + 120
        while time.time() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"ray start ended with {self.process.returncode}; see {self.container.name}")
            if self.get("/api/jobs/") is not None:
                return
            time.sleep(1)
        raise SystemExit("the dashboard did not come up within 120 s")

    def stop(self):
        """Ends Ray as a pod's SIGTERM does."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # what is left of this Ray alone
        except ProcessLookupError:
            pass
        self.process = None

    def run(self, command, seconds=240):
        """Runs a driver, or `ray job submit`, and keeps its output."""
        self.drivers += 1
        with open(self.scratch / f"driver{self.drivers}.log", "wb") as out:
            try:
                return subprocess.run(command, env=self.env, cwd=self.app, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=seconds).returncode
            except subprocess.TimeoutExpired:
                return None

    def get(self, path):
        try:
            with urllib.request.urlopen(self.dashboard + path, timeout=10) as r:
                return json.load(r)
        except (OSError, ValueError):
            return None

    def rows(self, name):
        answer = self.get(f"/api/v0/{name}?detail=1&limit=10000") or {}
        return answer.get("data", {}).get("result", {}).get("result", [])


def free_ports(n):
    import socket
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def play(ray, steps, did):
    for step in steps:
        if step[0] == "driver":
            code = ray.run([str(ray.python), "-u", *step[1:]])
            did("python " + " ".join(step[1:]), exit_status=code)
        elif step[0] == "job":
            code = ray.run([str(ray.python.parent / "ray"), "job", "submit", "--address", ray.dashboard, "--submission-id", step[1], "--", "sh", "-c", step[2]])
            did(f"ray job submit --submission-id {step[1]} -- {step[2]}", exit_status=code)
        elif step[0] == "restart":
            ray.stop()
            did("SIGTERM to ray start")
            ray.start()
            did("ray start again on the same disk")


def truth_of(ray, name, done):
    version = subprocess.run([str(ray.python), "-c", "import ray, sys; print(ray.__version__, sys.version.split()[0])"],
                             stdout=subprocess.PIPE, env=ray.env, check=True, text=True).stdout.split()
    keep = {
        "actors": ("actor_id", "class_name", "name", "pid", "node_id", "state", "job_id", "num_restarts", "repr_name"),
        "workers": ("worker_id", "worker_type", "node_id", "pid", "is_alive", "exit_type", "exit_detail"),
        "nodes": ("node_id", "node_ip", "is_head_node", "state", "state_message"),
    }
    sessions = sorted(p.name for p in ray.root.glob("session_2*"))
    truth = {
        "scenario": name, "ray_version": version[0], "python_version": version[1],
        "session": sessions[-1], "sessions": sessions, "did": done, "jobs": ray.get("/api/jobs/") or [],
    }
    for what, fields in keep.items():
        truth[what] = [{k: row.get(k) for k in fields} for row in ray.rows(what)]
    return truth


def pack(ray, out, appends):
    exclude = [f"--exclude={x}" for x in LEAVE_OUT]
    tar = subprocess.Popen(["tar", "-C", str(ray.scratch), "--sort=name", "--owner=0", "--group=0", "--numeric-owner", *exclude, "-cf", "-", "ray"], stdout=subprocess.PIPE)
    zstd(out / "session.tar.zst", stdin=tar.stdout)
    if tar.wait():
        raise SystemExit("tar failed")
    shutil.copy(ray.scratch / "container.log", out / "container.log")
    for i in range(1, ray.drivers + 1):
        with open(ray.scratch / f"driver{i}.log", "rb") as f:
            zstd(out / f"driver{i}.log.zst", stdin=f)
    if appends:
        with open(appends, "rb") as f:
            zstd(out / "appends.jsonl.zst", stdin=f)


def zstd(path, stdin):
    subprocess.run(["zstd", "-19", "-q", "-f", "-o", str(path)], stdin=stdin, check=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", required=True, type=pathlib.Path, help="interpreter of a venv with ray[default] in it")
    p.add_argument("--out", required=True, type=pathlib.Path, help="folder to write the recording into")
    p.add_argument("--appends", action="store_true", help="also record which bytes were appended when")
    p.add_argument("scenario", choices=sorted(SCENARIOS))
    a = p.parse_args()
    scenario = SCENARIOS[a.scenario]
    a.out.mkdir(parents=True, exist_ok=True)
    # Unix sockets have short names: the directory must too.
    with tempfile.TemporaryDirectory(prefix="rec", dir="/tmp", ignore_cleanup_errors=True) as scratch:
        scratch = pathlib.Path(scratch)
        ray = Ray(a.python.absolute(), scratch, scenario.get("env", {}))
        done, watcher, trace = [], None, None

        def did(what, **more):
            done.append({"t": round(time.time(), 3), "what": what, **more})
            print(time.strftime("%H:%M:%S"), what, more or "", flush=True)

        try:
            if a.appends:
                trace = scratch / "appends.jsonl"
                watcher = subprocess.Popen([sys.executable, str(HERE / "appends.py"), str(ray.root), str(trace)])
            ray.start()
            did("ray start --head")
            play(ray, scenario["steps"], did)
            time.sleep(3)  # Ray writes its events once a second
            truth = truth_of(ray, a.scenario, done)
        finally:
            ray.stop()
            if watcher:
                time.sleep(0.2)
                watcher.terminate()
                watcher.wait()
        pack(ray, a.out, trace)
        (a.out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    print("recorded", a.scenario, "with Ray", truth["ray_version"], "into", a.out)


if __name__ == "__main__":
    main()
