"""Ray's structured logging beside plain prints."""

import logging

import ray
from tagged import say, tag

ray.init(logging_config=ray.LoggingConfig(encoding="JSON", log_level="INFO"))


@ray.remote
def step(i):
    logging.getLogger("app").info("%s step %d", tag(), i)
    logging.getLogger("app").warning("%s with extra", tag(), extra={"epoch": i, "loss": 0.5})
    say(f"a plain print in step {i}")


@ray.remote
class Worker:
    async def hit(self, i):
        logging.getLogger("app").info("%s hit %d", tag(), i)


logging.getLogger("app").info("%s driver line", tag())
say("driver print beside the JSON")
w = Worker.remote()
ray.get([step.remote(i) for i in range(8)] + [w.hit.remote(i) for i in range(8)])
