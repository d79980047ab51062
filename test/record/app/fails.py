"""A job whose task fails."""

import ray
from tagged import say

ray.init()


@ray.remote(max_retries=0)
def load_shard(path):
    say("load_shard")
    return open(path).read()


say("fail job starts")
ray.get(load_shard.remote("/data/train/shard-00042.parquet"))
