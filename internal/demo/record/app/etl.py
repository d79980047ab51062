"""Load, clean and write shards of a data set."""
import logging
import random
import time

import ray

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s etl: %(message)s")
log = logging.getLogger("etl")


@ray.remote
def clean(shard):
    random.seed(shard)
    rows, bad = 20480, random.randint(0, 40)
    time.sleep(0.3 + random.random() / 2)
    print(f"shard-{shard:05d}.parquet: {rows} rows read, {bad} without a label dropped", flush=True)
    return rows - bad


ray.init()
log.info("24 shards of imagenet-train to clean")
left = [clean.remote(i) for i in range(24)]
done = rows = 0
while left:
    ready, left = ray.wait(left)
    done, rows = done + len(ready), rows + sum(ray.get(ready))
    if done % 8 == 0:
        log.info("%d of 24 shards, %d rows", done, rows)
log.info("all shards are clean: %d rows", rows)
