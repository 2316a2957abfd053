"""The local copy of a run in a bucket, and how the two are kept in sync."""

from __future__ import annotations

import contextlib
import errno
import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from lenet.config import ConfigError
from study.runs import layout
from study.runs.bucket import BucketPath
from study.runs.lease import Lease, held_lease
from study.runs.local import LocalPath
from study.runs.retrying import RetryingPath
from study.runs.storage import reason, remedy

_WRITTEN_TO_BOTH = (layout.METADATA, layout.PLAN, layout.DATABASE)
"""files that are uploaded whenever they change, not by `publish`"""
_JOURNALS = ("-journal", "-wal", "-shm")
"""suffixes of SQLite's files for a change in progress"""

Result = TypeVar("Result")


class LocalCopy:
    """The local copy, in `path`, of everything in the run at `home` except its trials."""

    def __init__(self, home: BucketPath, path: Path) -> None:
        self.home = home
        self.path = path
        self._lease: Lease | None = None

    def make(self) -> None:
        """Create the folder, and write the URL of its run into it. Raises: OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        (LocalPath(self.path) / layout.STORAGE_URL).write_bytes(f"{self.home}\n".encode())

    def check_free(self) -> None:
        """Raise `ConfigError` unless a new run can be created in the bucket."""
        resume = shlex.quote(str(self.home))
        names = {name for name in self._reach(self.home.names) if not name.startswith(layout.LOCK)}
        if layout.METADATA in names:
            raise ConfigError(
                f"{self.home} holds a run: finish it with --resume {resume}, or choose another "
                "folder with --results"
            )
        if self.home.is_whole_bucket:
            raise ConfigError(
                f"{self.home} is a whole bucket: choose a folder in it, {self.home}/NAME"
            )
        if names:
            raise ConfigError(
                f"{self.home} is not empty and holds no run: choose another folder with --results"
            )

    def check_belongs(self) -> None:
        """Raise `ConfigError` if the folder holds something other than the copy of this run."""
        url = self.path / layout.STORAGE_URL
        copied = url.read_text(encoding="utf-8").strip() if url.is_file() else None
        if copied != str(self.home) and set(LocalPath(self.path).names()) - {layout.LOCK}:
            raise ConfigError(
                f"{self.path}, the place for a copy of {self.home}, holds something else: move it "
                "away, or type this in another folder"
            )

    def download(self, *names: str) -> None:
        """Replace these files by those in the bucket, as far as they exist there.

        Raises: ConfigError if the bucket cannot be read, OSError if the copy cannot be written.
        """
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                content = self._reach((self.home / name).read_bytes)
                self.make()
                if name == layout.DATABASE:
                    # SQLite would play the journal of a killed driver into this other database.
                    for suffix in _JOURNALS:
                        (self.path / f"{name}{suffix}").unlink(missing_ok=True)
                (LocalPath(self.path) / name).write_bytes(content)

    def publish(self) -> None:
        """Upload tables, figures and all other files made from the run. Raises: OSError."""
        for path in sorted(self.path.rglob("*")):
            parts = path.relative_to(self.path).parts
            if parts[0] in {layout.STORAGE_URL, *_WRITTEN_TO_BOTH} or not path.is_file():
                continue
            if not any(part.startswith(".") for part in parts):
                (RetryingPath(self.home) / "/".join(parts)).write_bytes(path.read_bytes())

    def upload_database(self) -> None:
        """Upload a consistent snapshot of the search's database.

        Raises: OSError if it cannot be read or uploaded.
        """
        path = self.path / layout.DATABASE
        if not path.is_file():
            return
        with tempfile.TemporaryDirectory(prefix="study-database-") as folder:
            snapshot = Path(folder, layout.DATABASE)
            try:
                with (
                    contextlib.closing(sqlite3.connect(path)) as source,
                    contextlib.closing(sqlite3.connect(snapshot)) as target,
                ):
                    source.backup(target)
            except sqlite3.Error as error:
                raise OSError(errno.EIO, str(error), str(path)) from error
            (RetryingPath(self.home) / layout.DATABASE).write_bytes(snapshot.read_bytes())

    @contextlib.contextmanager
    def leased(self) -> Iterator[None]:
        """Hold the lease of the run. Raises: ConfigError if another run holds it."""
        try:
            with held_lease(self.home) as self._lease:
                # Another process may have continued the run since the files were last read.
                self.download(*_WRITTEN_TO_BOTH)
                yield
        finally:
            # A run that was refused leaves nothing behind.
            if set(LocalPath(self.path).names()) <= {layout.LOCK, layout.STORAGE_URL}:
                shutil.rmtree(self.path)

    def check_held(self) -> None:
        """Raise `ConfigError` if another run has taken the lease over."""
        if self._lease is not None:
            self._lease.check()

    def _reach(self, action: Callable[[], Result]) -> Result:
        try:
            return action()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ConfigError(
                f"cannot reach {self.home} ({reason(error)}): {remedy(error)}"
            ) from error
