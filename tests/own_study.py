"""A study of the user's own: every kind of data, each with a model and a loss that fit it."""

from search_spaces.study import Claim, Figure, Grid, Metric, Study, Table

PARTS = "tests.own_parts"
DATA = tuple(f"{PARTS}:{name}" for name in ("tokens", "vectors", "colors", "halves"))
TOKENS, VECTORS, COLORS, HALVES = DATA

STUDY = Study(
    name="own-data",
    question="Does every kind of data learn?",
    source="the tests",
    fixed={
        "model": f"{PARTS}:Flat",
        "batch_size": 30,
        "validation_fraction": 0.2,
        "optimizer": f"{PARTS}:Signs",
        "optimizer.k": 4,
        "lr": 0.1,
        "clip_norm": 10.0,
    },
    grids=(Grid(space={"dataset": DATA}),),
    conditional_settings=(
        ({"dataset": TOKENS}, {"model": f"{PARTS}:bag_of_tokens", "model.size": 4}),
        ({"dataset": VECTORS}, {"loss": f"{PARTS}:huber"}),
    ),
    budgets={name: {"epochs": 4} for name in ("smoke", "quick", "paper")},
    objective="validation_spread",
    metrics=(Metric(name="spread", function=f"{PARTS}:spread", maximize=True),),
    figures=(
        Figure(
            name="spread",
            kind="curves",
            title="Spread of the outputs",
            options={"quantity": "validation_spread", "line": "dataset", "where": {}},
        ),
    ),
    tables=(
        Table(
            name="spread",
            kind="final",
            title="Spread of the outputs",
            options={"settings": ("dataset",), "quantities": ("test_spread",)},
        ),
    ),
    claims=(
        Claim(
            name="tokens-spread",
            source="the tests",
            statement="outputs spread further on tokens than 0",
            published="none",
            kind="within",
            options={"where": {"dataset": TOKENS}, "quantity": "validation_spread", "above": 0.0},
        ),
    ),
)
