"""Databases of Optuna studies: a file in the run's folder, or a server named by its URL."""

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
from study.runs import layout

_LOCK_TIMEOUT = 10  # seconds
_DRIVERS = {
    "postgresql": ("psycopg", "'psycopg[binary]'"),
    "mysql": ("pymysql", "pymysql"),
    "mariadb": ("pymysql", "pymysql"),
}
"""Driver and pip package for each kind of database that a URL may name."""

# Driver options that hold no secret. Any other may: `odbc_connect` holds a whole connection string.
_PUBLIC_OPTIONS = frozenset(
    {"application_name", "charset", "connect_timeout", "driver", "host", "mode", "port"}
    | {"sslmode", "timeout", "user"}
)


def url_of(folder: Path) -> str:
    """Return the URL of the database file in a run's folder."""
    return URL.create(
        "sqlite", database=str(folder.absolute() / layout.DATABASE)
    ).render_as_string()


def without_password(url: str) -> str:
    """Return `url` with `***` for the password and for any driver option that may be a secret.

    Raises: ConfigError if it is not the URL of a database.
    """
    try:
        parsed = make_url(url)
        secret = {name: "***" for name in parsed.query if name.lower() not in _PUBLIC_OPTIONS}
        shown = parsed.update_query_dict(secret).render_as_string(hide_password=True)
        return shown.replace(quote_plus("***"), "***")
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise ConfigError(
            # The text may hold a password, so the message does not repeat it.
            "--optuna-storage is not the URL of a database: type one such as "
            "postgresql+psycopg://USER@HOST/DATABASE or sqlite:////FOLDER/FILE.db"
        ) from error


def absolute(url: str) -> str:
    """Make the path in an SQLite URL absolute: a search may be resumed from another folder."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    return parsed.set(database=str(Path(parsed.database).absolute())).render_as_string()


def hide_passwords(words: Sequence[str], url: str | None) -> list[str]:
    """Return the words of a command line with the password in `url` hidden."""
    if url is None:
        return list(words)
    return [word.replace(url, without_password(url)) for word in words]


def connect(url: str) -> BaseStorage:
    """Connect to the database and create Optuna's tables if they are missing.

    Raises: ConfigError if it cannot be reached or written to.
    """
    shown = without_password(url)
    sqlite = make_url(url).get_backend_name() == "sqlite"
    engine_options = {"connect_args": {"timeout": _LOCK_TIMEOUT}} if sqlite else {}
    try:
        if sqlite:
            _check_unlocked(url)
        return RDBStorage(url, engine_kwargs=engine_options)
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise ConfigError(
            f"{shown} needs a driver that is not installed ({_cause(error)}): {_driver_hint(url)}"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError, optuna.exceptions.OptunaError) as error:
        raise ConfigError(
            f"cannot use the database {shown} ({_cause(error)}): {_remedy(error)}, or name "
            "another one with --optuna-storage"
        ) from error


def check(url: str, study_name: str, *, resumed: bool) -> None:
    """Raise `ConfigError` unless the database has the study (`resumed`) or lacks it (new run)."""
    storage = connect(url)
    try:
        with translated_errors():
            names = optuna.get_all_study_names(storage)
    except OSError as error:
        raise ConfigError(
            f"cannot read the database {without_password(url)}: {error.strerror}"
        ) from error
    if resumed and study_name not in names:
        raise ConfigError(
            f"{without_password(url)} has no study {study_name!r}: pass the database that this "
            "run began with as --optuna-storage"
        )
    if not resumed and study_name in names:
        raise ConfigError(
            f"{without_password(url)} already has a study {study_name!r}: name another folder "
            "with --results, or finish that study's run with --resume"
        )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise `OSError` in place of Optuna's error for a database that became unreachable."""
    try:
        yield
    except optuna.exceptions.StorageInternalError as error:
        raise OSError(
            errno.EIO, f"{_cause(error)}: {_remedy(error)}", "the database of the search"
        ) from error


def _cause(error: BaseException) -> str:
    """Return the driver's own message, which Optuna and SQLAlchemy wrap in further errors."""
    while (cause := getattr(error, "orig", None) or error.__cause__) is not None:
        error = cause
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _remedy(error: BaseException) -> str:
    if "locked" in _cause(error):
        return "wait until the process that locked it is done"
    return "check that it is running and writable"


def _driver_hint(url: str) -> str:
    """Return which driver to install, and how the URL names it."""
    backend = make_url(url).get_backend_name()
    if backend not in _DRIVERS:
        return (
            "install the driver that SQLAlchemy needs for it, or use a URL such as "
            "postgresql+psycopg://USER@HOST/DATABASE"
        )
    driver, package = _DRIVERS[backend]
    return f"type {backend}+{driver}://... after pip install {package}"


def _check_unlocked(url: str) -> None:
    """Raise if the SQLite file is locked, which SQLite reports only to writers."""
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": _LOCK_TIMEOUT})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.rollback()
    finally:
        engine.dispose()
