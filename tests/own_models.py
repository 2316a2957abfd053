"""Models as a user would bring them, some of which misbehave."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import nn


class Linear(nn.Module):
    """Softmax regression."""

    def __init__(self, *, input_shape, classes, dropout, generator):
        super().__init__()
        channels, height, width = input_shape
        self.layer = nn.Linear(channels * height * width, classes)

    def forward(self, x):
        return self.layer(x.flatten(1))


class WantsMore(nn.Module):
    """Takes a keyword that nobody gives it."""

    def __init__(self, *, input_shape, classes, dropout, generator, more):
        super().__init__()


class Normalized(Linear):
    """Has running means, which differ between workers."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.norm = nn.BatchNorm1d(10)


class FailsInTraining(Linear):
    """Fails at the third batch: smoke budget's two epochs of 256 samples are two batches
    of 256, or eight of 64. Only in a worker: a driver would see it before it begins."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.batches += 1
            if self.batches > 2 and "STUDY_TEST_MEETING" in os.environ:
                raise RuntimeError("made to fail")
        return super().forward(x)


class FailsUnderTorchrun(Linear):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        if "TORCHELASTIC_RUN_ID" in os.environ:
            raise RuntimeError("made to fail\nin two lines")


class EndsUnderTorchrun(Linear):
    """Killed as by the kernel, where memory is short: one worker says no word, the others that
    they lost it."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        workers = int(os.environ.get("WORLD_SIZE", "0"))
        if os.environ.get("RANK") == str(workers - 1):
            os.kill(os.getpid(), signal.SIGKILL)


class KillsItsWorker(Linear):
    """Ends the process that it would be trained in at the first batch of 64, before there is a
    record; not the driver, which only estimates."""

    def forward(self, x):
        if self.training and len(x) == 64 and "STUDY_TEST_MEETING" in os.environ:
            os._exit(1)
        return super().forward(x)


class MeetsThreeOthers(Linear):
    """Waits in its worker until four trials exist at the same time."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        if "STUDY_TEST_MEETING" not in os.environ:  # the driver, which only estimates
            return
        meeting = Path(os.environ["STUDY_TEST_MEETING"])
        (meeting / str(os.getpid())).touch()
        until = time.monotonic() + 120
        while len(list(meeting.iterdir())) < 4:
            if time.monotonic() > until:
                raise TimeoutError(f"only {len(list(meeting.iterdir()))} trials at once")
            time.sleep(0.05)


class MeetsAcrossNodes(Linear):
    """Waits in its worker until seven others exist at the same time, and leaves a file that
    says on which node and which GPU it does: NODE_GPU_PROCESS."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        if "STUDY_TEST_NODES" not in os.environ:  # the driver, which only estimates
            return
        import ray

        node = ray.get_runtime_context().get_node_id()
        meeting = Path(os.environ["STUDY_TEST_NODES"])
        (meeting / f"{node}_{os.environ['CUDA_VISIBLE_DEVICES']}_{os.getpid()}").touch()
        until = time.monotonic() + 150
        while len(list(meeting.iterdir())) < 8:
            if time.monotonic() > until:
                raise TimeoutError(f"only {len(list(meeting.iterdir()))} trials at once")
            time.sleep(0.1)


class WrongShape(Linear):
    """Does not fit its input."""

    def forward(self, x):
        return self.layer(x.flatten(1)[:, 1:])
