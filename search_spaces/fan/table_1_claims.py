"""The claims of Fan's table 1, which compares SGD with Adam row by row."""

from search_spaces.fan.claim_template import claim
from search_spaces.fan.values import ADAM, SGD, SMALLEST_DIFFERENCE, points

TABLE_1_CLAIMS = (
    claim(
        "table-1-sensitivity",
        "table 1, row 1",
        "Adam is less sensitive than SGD (standard deviation of the final accuracy over all three "
        "learning rates, mean over batch sizes, here).",
        "steadier",
        steadier=ADAM,
        other=SGD,
        over="lr",
        quantity="validation_accuracy",
        per=("batch_size",),
        averaged=True,
    ),
    claim(
        "table-1-convergence-faster",
        "table 1, row 2; section 5",
        "Adam converges faster than SGD (accuracy after the first epoch, each at its best learning "
        "rate and batch size; less than 1 point is no difference, here).",
        "best_value",
        where=points(),
        best={"optimizer": "adam"},
        quantity="validation_accuracy",
        at={"epoch": 1},
        band=SMALLEST_DIFFERENCE,
    ),
    claim(
        "table-1-convergence-stable-across-rates",
        "table 1, row 2",
        "Adam's speed depends less on the learning rate than SGD's (standard deviation of the "
        "accuracy after the first epoch over all three rates, mean over batch sizes, here).",
        "steadier",
        steadier=ADAM,
        other=SGD,
        over="lr",
        quantity="validation_accuracy",
        per=("batch_size",),
        at={"epoch": 1},
        averaged=True,
    ),
    claim(
        "table-1-stability",
        "table 1, row 3; section 5",
        "Adam is more stable than SGD (smaller rises of the validation loss from epoch to epoch, "
        "summed; mean over learning rates and batch sizes, here).",
        "compared",
        ahead=ADAM,
        behind=SGD,
        quantity="rises_validation_loss",
        per=("lr", "batch_size"),
        averaged=True,
    ),
    claim(
        "table-1-performance",
        "table 1, row 4",
        "SGD risks instability, Adam is relatively stable (at 0.1, the highest rate of the report, "
        "Adam's loss rises less from epoch to epoch, mean over batch sizes, here).",
        "compared",
        ahead=points("adam", lr=0.1),
        behind=points("sgd", lr=0.1),
        quantity="rises_validation_loss",
        per=("batch_size",),
        averaged=True,
    ),
    claim(
        "table-1-tuning-effort",
        "table 1, row 5",
        "Adam needs less tuning than SGD (a learning rate drawn from the three ends with a higher "
        "accuracy, mean over rates and batch sizes, here).",
        "compared",
        ahead=ADAM,
        behind=SGD,
        quantity="validation_accuracy",
        per=("lr", "batch_size"),
        averaged=True,
    ),
    claim(
        "table-1-preferred-for-default-settings",
        "table 1, row 6",
        "Adam is preferable with default settings (torch's default rate for both, 0.001, here); "
        "simpler and more complex models than LeNet are not tested.",
        "compared",
        ahead=points("adam", lr=0.001),
        behind=points("sgd", lr=0.001),
        quantity="validation_accuracy",
        per=("batch_size",),
    ),
)
