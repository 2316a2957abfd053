"""The id of a config, by which complete trials are found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_ALWAYS = """
    dataset train_samples validation_fraction model width loss dropout optimizer lr momentum beta1
    beta2 rho eps initial_accumulator l1 l2 weight_decay schedule gamma decay_steps milestones
    final_lr batch_size shuffle epochs steps record_every evaluate_at blow_up test_at_end test_curve
    seed
    """
"""The settings that existed when runs first kept ids. This list never changes."""


def config_id(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return twelve hex digits, a hash of `settings`.

    A setting that is not in `_ALWAYS` counts only if it differs from its default. So a new setting
    leaves the ids of all earlier configs as they are.
    """
    always = _ALWAYS.split()
    hashed = {k: v for k, v in settings.items() if k in always or v != defaults.get(k)}
    text = json.dumps(hashed, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
