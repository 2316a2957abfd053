"""Files of a run in a bucket, by its `s3://` or `gs://` URL.

obstore reads and writes both kinds of buckets. It also offers the conditional writes that the lease
of a run needs. The credentials come from boto3 and google-auth, so that profiles, roles, SSO and
`gcloud` logins work as in the providers' own tools.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import GCSStore, S3Store

from lenet.config import ConfigError, unknown_name

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig

SCHEMES = ("s3", "gs")

# A bucket that is down fails within seconds: the caller decides whether to wait for it.
_CLIENT: ClientConfig = {
    "allow_http": True,  # for an S3 server inside a private network
    "connect_timeout": "5s",
    "read_timeout": "10s",
    "timeout": "5m",
}
_RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
# boto3 refreshes temporary credentials at least 10 minutes before they expire.
_CREDENTIAL_TTL = timedelta(minutes=5)
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SERVER_ERROR = re.compile(r"<Code>(\w+)</Code>(?:\s*<Message>(.*?)</Message>)?")
_NETWORK_ERROR = re.compile(r"kind: (Connect|Timeout),")  # as obstore 0.12 words it
_NETWORK_ERRORS = {"Connect": "no connection to its server", "Timeout": "its server is silent"}


@dataclass(frozen=True)
class Snapshot:
    """A file as it was read."""

    content: bytes
    modified: float
    """when it was written, in seconds since 1970 by the bucket's clock"""
    version: UpdateVersion
    """what `BucketPath.write_if` compares"""


class BucketPath:
    """A file or folder in a bucket; see `study.runs.storage.Location`.

    The endpoint of an S3 server other than Amazon's is read from `AWS_ENDPOINT_URL_S3` or
    `AWS_ENDPOINT_URL`. Raises: ConfigError if `url` is not the URL of a folder in a bucket.
    """

    def __init__(self, url: str) -> None:
        scheme, _, path = url.partition("://")
        if set("@:?#") & set(path):  # it may hold a password, so the message does not repeat it
            raise ConfigError(
                f"a {scheme}:// URL holds only a bucket and a folder: remove the part with "
                "@ : ? or #; keys and endpoint are read from the environment (AWS_...)"
            )
        parts = [part for part in path.split("/") if part]
        if scheme not in SCHEMES:
            known = [f"{name}://" for name in SCHEMES]
            message = unknown_name(f"{scheme}://", known, "kind of storage")
            raise ConfigError(f"{message}, or a folder")
        if not parts or any(part.strip(".") == "" for part in parts):
            raise ConfigError(f"{url} names no folder in a bucket: type {scheme}://BUCKET/FOLDER")
        self._scheme, self._bucket, self._key = scheme, parts[0], "/".join(parts[1:])

    def __str__(self) -> str:
        return f"{self._scheme}://{self._bucket}/{self._key}".rstrip("/")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, name: str) -> BucketPath:
        return BucketPath(f"{self}/{name}")

    @property
    def name(self) -> str:
        return str(self).rpartition("/")[2]

    @property
    def is_whole_bucket(self) -> bool:
        return not self._key

    def read_bytes(self) -> bytes:
        return self.read().content

    def read(self) -> Snapshot:
        """Return the content with its version. Raises: FileNotFoundError."""
        with self._os_errors():
            found = obstore.get(self._store, self._key)
            content = bytes(found.bytes())
        return Snapshot(content, found.meta["last_modified"].timestamp(), _version(found.meta))

    def write_bytes(self, content: bytes) -> None:
        with self._os_errors():
            obstore.put(self._store, self._key, content)

    def write_if(self, version: UpdateVersion | None, content: bytes) -> UpdateVersion:
        """Write the file if it still has `version` or, for None, if it does not exist.

        Returns the new version. Raises: FileExistsError if the condition does not hold.
        """
        with self._os_errors():
            written = obstore.put(self._store, self._key, content, mode=version or "create")
            return _version(written)

    def extend_to(self, content: bytes, *, durable: bool = False) -> None:
        self.write_bytes(content)

    def delete(self) -> None:
        with contextlib.suppress(FileNotFoundError), self._os_errors():
            obstore.delete(self._store, self._key)

    def is_file(self) -> bool:
        try:
            return bool(self.modified)
        except FileNotFoundError:
            return False

    @property
    def modified(self) -> float:
        """When the file was written, in seconds since 1970 by the bucket's clock.

        Raises: FileNotFoundError.
        """
        with self._os_errors():
            return obstore.head(self._store, self._key)["last_modified"].timestamp()

    def names(self) -> list[str]:
        with self._os_errors():
            found = obstore.list_with_delimiter(self._store, self._key or None)
        paths = [*found["common_prefixes"], *(file["path"] for file in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def make_folder(self) -> None:
        """Do nothing: a bucket has no folders."""

    def delete_leftovers(self) -> None:
        """Do nothing: a bucket has no half-written files."""

    @property
    def _store(self) -> S3Store | GCSStore:
        return _store(self._scheme, self._bucket)

    @contextlib.contextmanager
    def _os_errors(self) -> Iterator[None]:
        """Raise an OSError in place of each of obstore's exceptions."""
        try:
            yield
        except (AlreadyExistsError, PreconditionError) as error:
            raise FileExistsError(errno.EEXIST, "changed by another writer", str(self)) from error
        except (FileNotFoundError, BaseError) as error:
            text = str(error)
            message = text.splitlines()[0].rpartition(" - ")[2].strip(": ")
            if code := _SERVER_ERROR.search(text):
                message = f"{code[1]}: {code[2]}" if code[2] else code[1]
            if network := _NETWORK_ERROR.search(text):
                message = _NETWORK_ERRORS[network[1]]
            if code and code[1] == "NoSuchBucket":
                message = f"no bucket {self._bucket}"
                raise NotADirectoryError(errno.ENOTDIR, message, str(self)) from error
            if isinstance(error, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, "no such file", str(self)) from error
            # A provider that cannot refresh its token may be able to once the network is back.
            refused = isinstance(error, PermissionDeniedError | UnauthenticatedError)
            if refused and "credential provider" not in text:
                raise PermissionError(errno.EACCES, message, str(self)) from error
            kind = ConnectionError if "HTTP error" in text else OSError
            raise kind(errno.EIO, message, str(self)) from error


def _version(found: Any) -> UpdateVersion:
    """Return the part of obstore's metadata that identifies a version: e-tag (S3), number (GCS)."""
    identifiers = {name: found[name] for name in ("e_tag", "version") if found[name] is not None}
    return cast("UpdateVersion", identifiers)


@cache
def _store(scheme: str, bucket: str) -> S3Store | GCSStore:
    options: dict[str, Any] = {
        "credential_provider": _credential_provider(scheme, bucket),
        "client_options": _CLIENT,
        "retry_config": _RETRIES,
    }
    if scheme == "gs":
        return GCSStore(bucket, **options)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return S3Store(bucket, endpoint=endpoint, **options)
    return S3Store(bucket, region=_region(bucket), **options)


def _region(bucket: str) -> str:
    """Ask Amazon for the region of a bucket, because obstore does not follow its redirects."""
    from pyarrow.fs import resolve_s3_region

    try:
        return str(resolve_s3_region(bucket))
    except OSError as error:
        kind = ConnectionError if "NETWORK_CONNECTION" in str(error) else OSError
        raise kind(errno.EIO, str(error), f"s3://{bucket}") from error


def _credential_provider(scheme: str, bucket: str) -> Any:
    # Imported here, because they take half a second and a run on a disk needs neither.
    from botocore.exceptions import BotoCoreError
    from google.auth.exceptions import GoogleAuthError

    try:
        if scheme == "gs":
            import google.auth
            from obstore.auth.google import GoogleCredentialProvider

            return GoogleCredentialProvider(google.auth.default(scopes=[_GOOGLE_SCOPE])[0])
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Boto3CredentialProvider(ttl=_CREDENTIAL_TTL)
    except (ValueError, BotoCoreError, GoogleAuthError) as error:
        message = "no credentials found" if isinstance(error, ValueError) else str(error)
        raise PermissionError(errno.EACCES, message, f"{scheme}://{bucket}") from error
