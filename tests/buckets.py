"""A real S3 server on loopback, which can go away for a while."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.fs
from moto.server import ThreadedMotoServer


class Storage:
    """An S3 server with the bucket `bucket`. What it holds stays while it is stopped."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.environment = {
            "AWS_ACCESS_KEY_ID": "a-key",
            "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-may-see",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
        }
        self._server = self._started()
        os.environ |= self.environment
        files: Any = pyarrow.fs.S3FileSystem(
            endpoint_override=self.environment["AWS_ENDPOINT_URL"], allow_bucket_creation=True
        )
        files.create_dir("bucket")

    def _started(self) -> ThreadedMotoServer:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        server.start()
        return server

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody reaches it meanwhile."""
        self._server.stop()
        yield
        self._server = self._started()

    def close(self) -> None:
        self._server.stop()
        for name in self.environment:
            os.environ.pop(name, None)
