"""An S3 server on loopback that can be stopped for a while."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer


class Storage:
    """An S3 server with the bucket `bucket`, which keeps its content while it is stopped."""

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
        self._server = self._start()
        os.environ |= self.environment
        boto3.client("s3").create_bucket(Bucket="bucket")

    def _start(self) -> ThreadedMotoServer:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        server.start()
        return server

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop the server meanwhile."""
        self._server.stop()
        yield
        self._server = self._start()

    def close(self) -> None:
        self._server.stop()
        for name in self.environment:
            os.environ.pop(name, None)
