"""A server for the tests: the program that NIGH_PROGRAM names, on ephemeral ports and a directory of its own."""

import os
import pathlib
import re
import subprocess

import numpy as np
import pytest

import nigh

PROGRAM = os.environ.get("NIGH_PROGRAM", str(pathlib.Path(__file__).parents[3] / "target" / "debug" / "nigh"))


class Server:
    """A server that may be ended and started again on its ports and its files."""

    def __init__(self, folder, *more):
        self.folder, self.more = folder, more
        self.grpc = self.http = "127.0.0.1:0"
        self.start()

    def start(self):
        command = [PROGRAM, "serve", "--data", self.folder / "data", "--grpc", self.grpc, "--http", self.http, *self.more]
        # Whatever the disk of the machine has left: these tests are not about that.
        command += ["--backup-target", f"here={self.folder / 'backups'}", "--disk-soft-limit", "1", "--disk-hard-limit", "1"]
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = self.process.stdout.readline()
        found = re.search(r"gRPC ([0-9.:]+).*HTTP ([0-9.:]+)", said)
        assert found, f"the server said {said!r}; see {self.folder / 'log'}"
        self.grpc, self.http = found.groups()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture
def client(server):
    """A client of a server without collections."""
    with nigh.Client(server.grpc) as client:
        for one in client.collections():
            client.drop_collection(one.name)
        yield client


BOOKS = [
    nigh.Point(1, {"v": [1.0, 0.0, 0.0]}, {"title": "Pride and Prejudice", "year": 1813, "kind": "novel"}),
    nigh.Point(2, {"v": [0.0, 1.0, 0.0]}, {"title": "War and Peace", "year": 1869, "kind": "novel"}),
    nigh.Point(3, {"v": [0.0, 0.0, 1.0]}, {"title": "A Room of One's Own", "year": 1929, "kind": "essay"}),
    nigh.Point(4, {"v": [0.8, 0.6, 0.0]}, {"title": "Middlemarch", "year": 1871, "kind": "novel"}),
]


@pytest.fixture
def books(client):
    """Four books, as in the docstrings."""
    spec = nigh.CollectionSpec(vectors=[nigh.VectorField("v", 3)], texts=[nigh.TextField("title", analyzer="english")])
    client.create_collection("books", spec)
    client.upsert("books", BOOKS)
    return client


@pytest.fixture
def matrix():
    """Thousands of rows, the same ones every time."""
    return np.random.default_rng(7).standard_normal((5000, 16), dtype=np.float32)
