"""Tokenize documents with a native library that crashes on one of them."""
import ctypes
import time

import ray


@ray.remote(max_retries=0)
def tokenize(doc):
    print(f"tokenize doc-{doc:03d}.txt", flush=True)
    time.sleep(0.4)
    if doc == 7:
        ctypes.string_at(0)
    return doc


ray.init()
for first in range(0, 12, 3):
    done = ray.get([tokenize.remote(first + i) for i in range(3)])
    print("tokenized", done, flush=True)
