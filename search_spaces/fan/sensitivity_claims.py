"""The claims that Adam depends less on the learning rate than SGD."""

from search_spaces.fan.claim_template import claim
from search_spaces.fan.values import ALL_LRS, LOWER_LRS, points

SENSITIVITY_CLAIMS = tuple(
    claim(
        f"adam-less-sensitive{loss}{below}",
        source,
        f"{rates} Adam's {what} depends less on the learning rate than SGD's (standard deviation "
        "of the final value over the rates, validation, here).",
        "steadier",
        steadier=points("adam", lr=values),
        other=points("sgd", lr=values),
        over="lr",
        quantity=quantity,
        per=("batch_size",),
    )
    for loss, what, quantity in (
        ("", "accuracy", "validation_accuracy"),
        ("-in-loss", "loss", "validation_loss"),
    )
    for below, source, rates, values in (
        ("", "section 3.2 and table 1", "Over all three rates,", ALL_LRS),
        ("-below-0.1", "section 3.2", "Between 0.01 and 0.001 alone,", LOWER_LRS),
    )
)
