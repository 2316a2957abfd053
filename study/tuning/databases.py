"""Databases that hold Optuna studies: a file in the run's folder, or one by its URL."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_plus

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.engine import URL, make_url

from lenet.config import ConfigError

FILE = "optuna.db"
_SECONDS_FOR_A_LOCK = 10
# Of the drivers' options: whatever else may hold a key (`odbc_connect` holds all of them).
_NO_SECRETS = frozenset(
    {"application_name", "charset", "connect_timeout", "driver", "host", "mode", "port"}
    | {"sslmode", "timeout", "user"}
)


def url_of(folder: Path) -> str:
    """The URL of the file in a run's folder."""
    return URL.create("sqlite", database=str(folder.absolute() / FILE)).render_as_string()


def without_password(url: str) -> str:
    """`url` as it may be kept and shown: `***` stands for a password of the user, and for all of
    the driver's options that are not known to be none. Raises `ConfigError` if it is no URL."""
    try:
        parsed = make_url(url)
        secret = {name: "***" for name in parsed.query if name.lower() not in _NO_SECRETS}
        shown = parsed.update_query_dict(secret).render_as_string(hide_password=True)
        return shown.replace(quote_plus("***"), "***")
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise ConfigError(
            # It may hold a password, so it is not said again.
            "--optuna-storage is no URL of a database: type one such as "
            "postgresql+psycopg://USER@HOST/DATABASE or sqlite:////FOLDER/FILE.db"
        ) from error


def absolute(url: str) -> str:
    """`url`, a file in it by its whole path: a search may be resumed from another folder."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    return parsed.set(database=str(Path(parsed.database).absolute())).render_as_string()


def hide_passwords(words: Sequence[str], url: str | None) -> list[str]:
    """The words of a command with `url` in them shown without its password."""
    if url is None:
        return list(words)
    return [word.replace(url, without_password(url)) for word in words]


def connect(url: str) -> BaseStorage:
    """The storage behind `url`, made ready for Optuna if it is empty; raises `ConfigError` if it
    cannot be reached or written to."""
    shown = without_password(url)
    sqlite = make_url(url).get_backend_name() == "sqlite"
    waiting = {"connect_args": {"timeout": _SECONDS_FOR_A_LOCK}} if sqlite else {}
    try:
        if sqlite:
            _look_for_a_lock(url)
        return RDBStorage(url, engine_kwargs=waiting)
    except ImportError as error:
        raise ConfigError(
            f"{shown} needs a driver that is not installed ({error}): install it, such as with "
            "pip install 'psycopg[binary]'"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError, optuna.exceptions.OptunaError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        remedy = "see that it runs and can be written"
        if "locked" in reason:
            remedy = "wait until who holds it is done"
        raise ConfigError(
            f"cannot use the database {shown} ({reason}): {remedy}, or name another one with "
            "--optuna-storage"
        ) from error


def check(url: str, study_name: str, *, resumed: bool) -> None:
    """Raise `ConfigError` unless the database has the study of a run that is resumed, or has none
    of that name for a new one."""
    storage = connect(url)
    try:
        with losses():
            names = optuna.get_all_study_names(storage)
    except OSError as error:
        raise ConfigError(
            f"cannot read the database {without_password(url)} ({error.strerror}): see that it runs"
        ) from error
    if resumed and study_name not in names:
        raise ConfigError(
            f"{without_password(url)} has no study {study_name!r}: give the database that this "
            "run began with, by --optuna-storage"
        )
    if not resumed and study_name in names:
        raise ConfigError(
            f"{without_password(url)} has a study {study_name!r} already: name another folder "
            "with --results, or finish the run that it is of with --resume"
        )


@contextmanager
def losses() -> Iterator[None]:
    """Raises `OSError` for what Optuna raises where its database has gone away."""
    try:
        yield
    except optuna.exceptions.StorageInternalError as error:
        raise OSError(errno.EIO, str(error), "the database of the search") from error


def _look_for_a_lock(url: str) -> None:
    """SQLite says that a file is locked only to who writes."""
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": _SECONDS_FOR_A_LOCK})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.rollback()
    finally:
        engine.dispose()
