"""Files of a run on a local disk, or on a disk that machines share."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LocalPath:
    """A file or folder on a disk; see `study.runs.storage.Location`."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> LocalPath:
        return LocalPath(self.path / name)

    @property
    def name(self) -> str:
        return self.path.name

    def read_bytes(self) -> bytes:
        return self.path.read_bytes()

    def write_bytes(self, content: bytes) -> None:
        handle, temporary = tempfile.mkstemp(prefix=f".{self.name}.", dir=self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
            os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide results from the user's group
            os.replace(temporary, self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def extend_to(self, content: bytes, *, durable: bool = False) -> None:
        # A TensorBoard that has the file open sees it grow; it would miss a replaced file.
        with self.path.open("ab") as file:
            file.write(content[file.tell() :])
            if durable:
                file.flush()
                os.fsync(file.fileno())

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)

    def is_file(self) -> bool:
        return self.path.is_file()

    def names(self) -> list[str]:
        return [item.name for item in self.path.iterdir()] if self.path.is_dir() else []

    def make_folder(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def delete_leftovers(self) -> None:
        for leftover in self.path.glob(".*.*"):
            leftover.unlink(missing_ok=True)
