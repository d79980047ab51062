"""Follow a directory and write down which bytes were appended when.

    appends.py DIR OUT

One JSON object a line, every 20 ms: {t, file, inode, offset, length}; ends on SIGTERM.
"""

import json
import os
import signal
import sys
import time

POLL_SECONDS = 0.02


def files(directory):
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for e in entries:
        try:
            if e.is_dir(follow_symlinks=False):
                yield from files(e.path)
            elif e.is_file(follow_symlinks=False):
                s = e.stat(follow_symlinks=False)
                yield e.path, s.st_ino, s.st_size
        except OSError:
            continue


def main(root, out):
    sizes = {}
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    with open(out, "w") as trace:
        while running:
            now = time.time()
            for path, inode, size in files(root):
                before = sizes.get(inode, 0)
                if inode in sizes and size == before:
                    continue
                row = {"t": round(now, 3), "file": os.path.relpath(path, root), "inode": inode, "offset": before, "length": size - before}
                if size < before:  # truncated, or the inode's number was used again
                    row.update(offset=0, length=size, truncated=True)
                trace.write(json.dumps(row) + "\n")
                sizes[inode] = size
            trace.flush()
            time.sleep(max(0, POLL_SECONDS - (time.time() - now)))


main(*sys.argv[1:])
