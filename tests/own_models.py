"""Models as a user would write them. Some of them misbehave."""

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
    """Requires a keyword that no model receives."""

    def __init__(self, *, input_shape, classes, dropout, generator, more):
        super().__init__()


class Normalized(Linear):
    """Has running means, which differ between workers."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.norm = nn.BatchNorm1d(10)

    def forward(self, x):
        return self.norm(super().forward(x))


class OneColumn(Linear):
    """Returns one number a sample."""

    def forward(self, x):
        return super().forward(x)[:, :1]


class Squeezes(Linear):
    """Drops the batch dimension of a single sample."""

    def forward(self, x):
        return super().forward(x).squeeze(0)


class ReturnsTwo(Linear):
    def forward(self, x):
        return super().forward(x), x


class NotFinite(Linear):
    """Takes the logarithm of negative numbers."""

    def forward(self, x):
        return super().forward(x).log()


class FailsInTraining(Linear):
    """Fails at the third batch. At the smoke budget, two epochs of 256 samples are two batches of
    256, or eight of 64. It only fails in a worker, so that the driver's estimate succeeds."""

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
    """Kills its last worker, as the kernel does when memory runs out. The other workers only report
    that they lost it."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        workers = int(os.environ.get("WORLD_SIZE", "0"))
        if os.environ.get("RANK") == str(workers - 1):
            os.kill(os.getpid(), signal.SIGKILL)


class KillsItsWorker(Linear):
    """Ends its worker at the first batch of 64, before the first record. It does not end the
    driver, which only estimates."""

    def forward(self, x):
        if self.training and len(x) == 64 and "STUDY_TEST_MEETING" in os.environ:
            os._exit(1)
        return super().forward(x)


class MeetsThreeOthers(Linear):
    """Waits in its worker until four trials run at the same time."""

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
    """Waits in its worker until eight trials run at the same time. Each creates a file that names
    its node and its GPU: NODE_GPU_PROCESS."""

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
    """Does not accept its input."""

    def forward(self, x):
        return self.layer(x.flatten(1)[:, 1:])


class GlobalDropout(Linear):
    """Draws its masks from torch's global random state."""

    def forward(self, x):
        return super().forward(nn.functional.dropout(x, 0.5, self.training))


class ReadsItsInput(Linear):
    """Branches on the values of its input."""

    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


class FailsToObserve(Linear):
    """Cannot tell what it observes if it has dropout. It only fails in a worker."""

    def __init__(self, *, dropout, **keywords):
        super().__init__(dropout=dropout, **keywords)
        self.fails = dropout > 0 and "STUDY_TEST_MEETING" in os.environ

    def observed(self):
        if self.fails:
            raise RuntimeError("made to fail")
        return {}


class NeedsMuchMemory(Linear):
    """Has memory for at most two models as one. It only fails in a worker."""

    def forward(self, x):
        weight = self.layer.weight
        while torch._C._functorch.is_functorch_wrapped_tensor(weight):
            weight = torch._C._functorch.get_unwrapped(weight)
        if weight.dim() == 3 and len(weight) > 2 and "STUDY_TEST_MEETING" in os.environ:
            raise torch.OutOfMemoryError("made to fail")
        return super().forward(x)
