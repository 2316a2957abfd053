"""Log trials to Weights & Biases. `WANDB_MODE`, `WANDB_PROJECT`, `WANDB_DIR`, ... say where."""

from __future__ import annotations

from typing import Any

import wandb

from lenet.config import ConfigError
from study.tracking.tracker import WANDB_DISABLED, LoggedTrial


class WandbTracker:
    """A project of Weights & Biases: each trial is a W&B run, each run of ours a group of them."""

    def __init__(self, project: str) -> None:
        settings = wandb.setup().settings
        if settings.mode == "disabled":  # by W&B's own settings file, too
            raise ConfigError(WANDB_DISABLED)
        self._project = settings.project or project
        if settings.mode == "offline":
            where = f"offline in {settings.wandb_dir}"
        else:
            where = f"{settings.base_url} {settings.entity or ''}".strip()
        self.place = f"{where}, project {self._project}"

    def log(self, trial: LoggedTrial) -> None:
        # Nothing of this process belongs to the trial: neither its output, its load nor its code.
        quiet: dict[str, Any] = {
            "silent": True,
            "console": "off",
            "disable_git": True,
            "save_code": False,
            "x_disable_stats": True,
            "x_disable_meta": True,
            "x_disable_machine_info": True,
        }
        run = wandb.init(
            project=self._project,
            id=trial.id,
            name=trial.name,
            group=trial.run,
            config={**trial.tags, **trial.settings},
            reinit="create_new",
            settings=wandb.Settings(**quiet),
        )
        with run:
            for moment in trial.curve:
                run.log(dict(moment.metrics), step=moment.step)
