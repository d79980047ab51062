"""Train a model on two workers until its loss is no number any more."""
import logging
import math
import random
import time

import ray

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s train: %(message)s")
log = logging.getLogger("train")


@ray.remote
class Trainer:
    def __init__(self, rank):
        self.rank, self.loss = rank, 6.9
        random.seed(rank)
        print(f"rank {rank} of 2 is ready, resnet50, batch size 256", flush=True)

    def epoch(self, n, lr):
        for step in range(10):
            time.sleep(0.5 + random.random() / 10)
            self.loss *= 0.985 - random.random() / 100
            if n == 4 and self.rank == 1 and step >= 6:
                self.loss = float("nan")
            print(f"epoch {n} step {step} rank {self.rank} loss {self.loss:.4f} lr {lr:.3f}", flush=True)
            if random.random() < 0.08:
                log.warning("rank %d waited %.1f s for its next batch", self.rank, 1 + random.random())
            if math.isnan(self.loss) and step == 9:
                raise ValueError(f"loss is nan at epoch {n}, step {step} on rank {self.rank} (lr {lr})")
        return self.loss


ray.init()
trainers = [Trainer.remote(rank) for rank in range(2)]
for n in range(1, 9):
    lr = 0.1 if n < 4 else 1.0
    losses = ray.get([t.epoch.remote(n, lr) for t in trainers])
    log.info("epoch %d done, mean loss %.4f", n, sum(losses) / len(losses))
