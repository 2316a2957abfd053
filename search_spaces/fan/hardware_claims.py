"""The claims of Fan's section 4 about the CPU, one GPU and several."""

from search_spaces.study import Claim

_SEVERAL_GPUS = tuple(("gpu", n) for n in (2, 3, 4))

HARDWARE_CLAIMS = (
    *(
        Claim(
            name=f"one-gpu-beats-the-cpu{suffix}",
            source=source,
            statement=statement,
            published="none",
            kind="time_ratio",
            options={"of": (("gpu", 1),), "to": ("cpu", 1), **options},
        )
        for suffix, source, statement, options in (
            (
                "",
                "Fan, section 4, figure 5",
                "One GPU takes less whole time T than the CPU.",
                {"quantity": "total_seconds", "below": 1.0},
            ),
            (
                "-in-training",
                "Fan, section 5",
                "One GPU takes less training time than the CPU.",
                {"below": 1.0},
            ),
            (
                "-in-speed",
                "Fan, section 4, figure 6",
                "One GPU makes more iterations per second v than the CPU.",
                {"quantity": "steps_per_second", "above": 1.0},
            ),
        )
    ),
    *(
        Claim(
            name=f"more-gpus-do-not-help{suffix}",
            source=source,
            statement=statement,
            published="none",
            kind="time_ratio",
            options={"of": _SEVERAL_GPUS, "to": ("gpu", 1), **options},
        )
        for suffix, source, statement, options in (
            (
                "",
                "Fan, section 4, figure 5",
                "Two to four GPUs save no more than 5 % of the whole time T of one, here.",
                {"quantity": "total_seconds", "above": 0.95},
            ),
            (
                "-in-training",
                "Fan, section 4",
                "Two to four GPUs save no more than 5 % of the training time of one, here.",
                {"above": 0.95},
            ),
            (
                "-in-speed",
                "Fan, section 4, figure 6",
                "Two to four GPUs make fewer iterations per second v than one.",
                {"quantity": "steps_per_second", "below": 1.0},
            ),
        )
    ),
)
