"""A server to be attacked, in a process of its own, and somebody else who is served by it meanwhile."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import tempfile
import threading
import time

#: Keys, by name: role and collections.
KEYS = {"admin": ("admin", None), "read": ("read", None), "write-docs": ("write", ["docs"]), "read-docs": ("read", ["docs"])}
#: What stands in payloads of a collection that most keys may not see.
SECRET = "the harvest of the orchard behind the wall"
#: Seconds after which whoever is not attacking gives up; it is far beyond what it should take.
PATIENCE = 60


def secret(name):
    return f"{name}-0123456789abcdef"


class Server:
    """A server with keys and two collections, `docs` and `other`."""

    def __init__(self, program, folder, **settings):
        self.folder, self.encrypted, self.quiet = pathlib.Path(folder), "tls__cert_file" in settings, 0
        lines = ['[listen]', 'grpc = "127.0.0.1:0"', 'http = "127.0.0.1:0"', '[data]', f'dir = "{folder}/data"', '[log]', 'filter = "warn"']
        sections = {}
        for name, value in settings.items():
            section, _, key = name.partition("__")
            sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}")
        for section, values in sections.items():
            lines += [f"[{section}]", *values]
        for name, (role, collections) in KEYS.items():
            (self.folder / name).write_text(secret(name))
            lines += ["[[security.keys]]", f'name = "{name}"', f'role = "{role}"', f'key_file = "{folder}/{name}"']
            lines += [f"collections = {json.dumps(collections)}"] if collections else []
        (self.folder / "nigh.toml").write_text("\n".join(lines))
        self.log = (self.folder / "log").open("w+")
        command = [program, "serve", "--config", self.folder / "nigh.toml"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = self.process.stdout.readline()
        grpc, http_port = re.search(r"gRPC [0-9.]+:(\d+), HTTP [0-9.]+:(\d+)", said).groups()
        self.grpc, self.http = int(grpc), int(http_port)

    def fill(self):
        self.ask("Collections/List", {})
        spec = {"vectors": [{"name": "v", "size": 4, "metric": "METRIC_COSINE"}], "texts": [{"name": "t"}]}
        for name in ("docs", "other"):
            self.ask("Collections/Create", {"collection": name, "spec": spec})
            told = SECRET if name == "other" else "a fox and a bear"
            point = lambda at: {"id": {"num": str(at)}, "vectors": {"v": {"values": [1, at, 0, 1]}}, "payload": json.dumps({"t": told, "n": at})}
            self.ask("Points/Write", {"collection": name, "ops": [{"upsert": point(at)} for at in range(1, 101)]})
        self.quiet = self.connections()
        return self

    def ask(self, call, body, key="admin", connection=None):
        """A call as JSON, on a connection of its own or on this one."""
        asked = connection or self.connection()
        headers = {"content-type": "application/json", "api-key": secret(key)}
        asked.request("POST", f"/nigh.v1.{call}", json.dumps(body), headers)
        reply = asked.getresponse()
        said = json.loads(reply.read())
        if not connection:
            asked.close()
        if reply.status != 200:
            raise AssertionError(f"{call} for {key}: {reply.status} {said}")
        return said

    def connection(self):
        if self.encrypted:
            return http.client.HTTPSConnection("127.0.0.1", self.http, timeout=PATIENCE, context=ssl._create_unverified_context())
        return http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE)

    def seq(self, collection):
        """How many operations there were: it rises with every write."""
        return int(self.ask("Points/Count", {"collection": collection})["seq"])

    def memory(self):
        """Megabytes that the process holds of its own, files that are mapped left out."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024

    def peak(self):
        """The most megabytes that were resident since `forget_peak`."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def threads(self):
        """How many threads there are of each name."""
        named = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/comm")
        return dict(collections.Counter(re.sub(r"[-\d]*$", "", name.read_text().strip()) for name in named))

    def connections(self):
        """Connections that the server holds open, on both ports."""
        count = 0
        for link in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += os.readlink(link).startswith("socket:")
        return count

    def sound(self):
        """It lives, and nothing in it panicked."""
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.said()}"
        said = self.said()
        assert "panicked" not in said, said

    def said(self):
        self.log.flush()
        return (self.folder / "log").read_text()[-4000:]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.log.close()
        assert code == 0, f"the server ended with {code} at SIGTERM"


@contextlib.contextmanager
def served(program, **settings):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program, folder, **settings)
        try:
            yield server.fill()
            server.sound()
            server.stop()
        finally:
            server.process.kill()
            server.process.wait()


class Bystander:
    """Somebody who asks all the while, on new connections and on one that stays; no call of theirs may fail."""

    def __init__(self, server):
        self.server, self.calls, self.slowest, self.failed, self.over = server, 0, 0.0, [], threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def __enter__(self):
        self.thread.start()
        return self

    def ask(self):
        stays = self.server.connection()
        question = {"collection": "docs", "retrievers": [{"text": {"query": "fox"}}], "limit": 3}
        while not self.over.is_set():
            for connection in (stays, None):
                begun = time.monotonic()
                try:
                    try:
                        hits = self.server.ask("Points/Query", question, "read-docs", connection)["hits"]
                    except (ConnectionError, http.client.RemoteDisconnected):
                        # One that was idle for too long is closed; a client opens another one.
                        stays.close()
                        hits = self.server.ask("Points/Query", question, "read-docs", stays)["hits"]
                    assert len(hits) == 3, hits
                except (AssertionError, OSError, http.client.HTTPException) as failed:
                    self.failed.append(f"{'kept' if connection else 'new'}: {failed!r}")
                    stays.close()
                self.calls += 1
                self.slowest = max(self.slowest, time.monotonic() - begun)
            self.over.wait(0.02)

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if kind is None:
            assert self.calls >= 2 and not self.failed, f"of {self.calls} calls of somebody else {len(self.failed)} failed: {self.failed[:3]}"
