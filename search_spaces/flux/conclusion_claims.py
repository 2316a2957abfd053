"""The claims of the article's conclusions, across nets and variants."""

from search_spaces.flux.claim_templates import ARTICLE, claim
from search_spaces.flux.values import ADAM_RATE, CONCLUDED, DESCENT

_RECORDS = f"at each one's best record; Adam at {ADAM_RATE:g}"
_SOURCE = ARTICLE + "conclusions"
_ADAM = {"optimizer": "adam", "lr": ADAM_RATE}
_BEST_3LS, _BEST_2LR = ({"model": model, "optimizer": "sgd"} for model in ("3ls", "2lr"))
_QUANTITY = {"quantity": "best_test_accuracy"}

CONCLUSION_CLAIMS = (
    claim(
        "3ls-with-descent-best",
        _SOURCE,
        f"3LS with Descent reaches the highest accuracy of all ({_RECORDS}).",
        "97.68 %",
        "best_value",
        where=CONCLUDED,
        best=_BEST_3LS,
        **_QUANTITY,
    ),
    claim(
        "2lr-with-descent-second",
        _SOURCE,
        f"2LR with Descent is second (ahead of all but 3LS with Descent, {_RECORDS}).",
        "97.0 %",
        "best_value",
        where=CONCLUDED,
        best=_BEST_2LR,
        besides=(_BEST_3LS,),
        **_QUANTITY,
    ),
    claim(
        "4ls-weakest",
        _SOURCE,
        f"4LS is the weakest net (3LS and 2LR are both ahead of it, {_RECORDS}).",
        "94.49 %",
        "worst_value",
        where=CONCLUDED,
        worst={"model": "4ls"},
        **_QUANTITY,
    ),
    claim(
        "adam-in-the-upper-left",
        _SOURCE,
        "Nearly all results of Adam lie in the upper left (in at least eight of nine, accuracies "
        f"above 85 %, {_RECORDS}; for the time see the figure accuracy-time).",
        "above 87 % to 96 %",
        "within",
        where=_ADAM,
        per=("batch_size", "model"),
        above=0.85,
        all_but=1,
        **_QUANTITY,
    ),
    claim(
        "descent-has-the-broader-range",
        _SOURCE,
        "The results of Descent have a broader range than those of Adam (the standard deviation "
        f"over nets and variants, {_RECORDS}).",
        "none",
        "steadier",
        steadier=_ADAM,
        other=DESCENT,
        over=("model", "batch_size"),
        **_QUANTITY,
    ),
)
