"""The layout of a run: the name of every file and folder in it.

    RUN/run.json                     study, options, device, versions (`RunMetadata`)
    RUN/plan.json                    name and settings of every trial, its fleet and slot
    RUN/optuna.db                    of a search: Optuna's study
    RUN/trials/NAME/trial.json       status, attempts, host, settings
    RUN/trials/NAME/records.jsonl    the curve up to the last checkpoint, a record a line
    RUN/trials/NAME/checkpoint.pt    until the trial is complete
    RUN/trials/NAME/model.pt         of the best trial: its trained model (`lenet.trained`)
    RUN/trials/NAME/timings.npy      of a data-parallel run: seconds of each step
    RUN/trials/NAME/events.out.*     TensorBoard: hyperparameters, and an event per record,
                                     thinned above 1,000
    RUN/fleets/NAME.pt               until all trials of the fleet are complete: their checkpoint
    RUN/launches/NAME.json, NAME.log, NAME.failure
                                     of a scaling run: worker processes started without Ray
    RUN/records.parquet, trials.parquet, timings.parquet (the first two as .csv, too)
                                     all trials, written by `study.runs.collect`
    RUN/leaderboard.csv, best_per_optimizer.csv, claims.csv, conclusion.txt, results.xlsx,
    RUN/tables/, RUN/figures/, RUN/report.html
                                     written by `study.report`

RUN is a folder on this machine or in a bucket. A run in a bucket has a local copy of everything
but `trials/`, because plotting and table libraries want paths. The copy's `storage.url` holds the
URL of its run, so the copy can be given wherever a run is expected.
"""

RESULTS = "results"
"""The default parent of runs, and of the local copies of runs in buckets."""

METADATA = "run.json"
PLAN = "plan.json"
DATABASE = "optuna.db"
LOCK = ".lock"
STORAGE_URL = "storage.url"

TRIALS = "trials"
TRIAL_STATE = "trial.json"
TRIAL_RECORDS = "records.jsonl"
OLD_TRIAL_RECORDS = "records.json"
"""the file of records in runs until November 2026: a list, rewritten at each checkpoint"""
TRIAL_TIMINGS = "timings.npy"
CHECKPOINT = "checkpoint.pt"
MODEL = "model.pt"

FLEETS = "fleets"

LAUNCHES = "launches"
LAUNCH_LOG = ".log"
"""suffix of the output of a launch, beside its job (.json)"""
LAUNCH_FAILURE = ".failure"
"""suffix of the file in which the worker that failed first writes why"""

RECORDS_TABLE = "records.parquet"
TRIALS_TABLE = "trials.parquet"
TIMINGS_TABLE = "timings.parquet"

LEADERBOARD = "leaderboard.csv"
BEST_PER_OPTIMIZER = "best_per_optimizer.csv"
CLAIMS = "claims.csv"
CONCLUSION = "conclusion.txt"
SPREADSHEET = "results.xlsx"
TABLES = "tables"
FIGURES = "figures"
PAGE = "report.html"
