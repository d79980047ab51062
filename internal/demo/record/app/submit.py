"""Submit the four jobs of the recording, wait for their ends."""
import sys
import time

from ray.job_submission import JobSubmissionClient

JOBS = [
    ("nightly-etl", "python etl.py", 6),
    ("train-resnet50", "python train.py", 8),
    ("tokenize-corpus", "python tokenize_corpus.py", 8),
    ("evaluate-resnet50", "pythn evaluate.py", 0),  # a command misspelt
]

deadline = time.time() + 60
while True:
    try:
        client = JobSubmissionClient(sys.argv[1])
        break
    except Exception:
        if time.time() > deadline:
            raise
        time.sleep(0.5)

for name, command, pause in JOBS:
    program, script = command.split()
    client.submit_job(submission_id=name, entrypoint=f"{program} /home/ray/{script}")
    time.sleep(pause)
for name, _, _ in JOBS:
    while not client.get_job_status(name).is_terminal():
        time.sleep(1)
    print(name, client.get_job_status(name), flush=True)
time.sleep(3)
