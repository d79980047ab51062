"""A driver whose workers print nothing."""

import ray
from tagged import say

ray.init()


@ray.remote
def nothing():
    return 1


say("quiet driver starts")
ray.get(nothing.remote())
say("quiet driver ends")
