"""A reader at a terminal: a shell, Python, and servers in other terminals."""

import http.client
import os
import pathlib
import re
import signal
import ssl
import subprocess
import time
import urllib.request

#: Seconds for a block, for a server to listen, and to end.
BLOCK_MAX, LISTEN_MAX, STOP_MAX = 900, 60, 60
#: Runs files in one set of names, one after the other.
PYTHON = """
import sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    try:
        exec(compile(open(line.strip()).read(), line.strip(), "exec"), names)
        print("\\n== 0", flush=True)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print("\\n== 1", flush=True)
"""


class Failed(Exception):
    """A command of a document does not do what it says."""


class Session:
    """One terminal in a folder; what is run in it stays: places, variables, names."""

    def __init__(self, folder: pathlib.Path, environment: dict):
        self.folder, self.environment, self.servers, self.count, self.served = folder, environment, [], 0, ""
        self.scratch = folder.parent / "session"
        self.scratch.mkdir()
        self.shell = self.started(["bash", "--norc"])
        self.python = None

    def started(self, command):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, start_new_session=True, **pipes)

    def kept(self, text, end):
        self.count += 1
        file = self.scratch / f"{self.count}.{end}"
        file.write_text(text)
        return file

    def sh(self, text, refused=False):
        """Runs it where the last one stopped; the first command that fails ends it."""
        file, after = self.kept(text, "sh"), self.scratch / "after"
        # In a shell of its own, so that a failure ends that one; it hands on where it was and what it had set.
        run = f"( [ ! -e {after} ] || . {after}; set -eo pipefail; . {file}; set +e; {{ export -p; echo cd \"$PWD\"; }} > {after} )"
        return self.told(self.shell, f"{run} < /dev/null\nprintf '\\n== %d\\n' $?\n", text, refused)

    def py(self, text):
        if not self.python:
            self.python = self.started([str(pathlib.Path(self.environment["VIRTUAL_ENV"]) / "bin" / "python"), "-u", "-c", PYTHON])
        return self.told(self.python, f"{self.kept(text, 'py')}\n", text, False)

    def told(self, process, line, text, refused):
        process.stdin.write(line)
        process.stdin.flush()
        said, begun = [], time.monotonic()
        for got in process.stdout:
            if ended := re.fullmatch(r"== (\d+)\n", got):
                break
            said.append(got)
        output = "".join(said).rstrip("\n")
        code = int(ended[1]) if ended else -1
        if time.monotonic() - begun > BLOCK_MAX:
            raise Failed(f"took {time.monotonic() - begun:.0f} s:\n{text}")
        if (code != 0) != refused:
            raise Failed(f"{text}\nended with {code}:\n{output}")
        return output

    def serve(self, text, beside=False):
        """Runs a server in another terminal, and waits until it is ready. Unless it serves beside another, that one was stopped."""
        if not beside:
            self.stop()
            self.served = text
        log = (self.scratch / f"server-{len(self.servers)}-{self.count}.log").open("w+")
        file, after = self.kept(text, "sh"), self.scratch / "after"
        run = f"[ ! -e {after} ] || . {after}; . {file}"
        server = subprocess.Popen(
            ["bash", "--norc", "-c", run], cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        self.servers.append((server, log.name))
        last = time.monotonic() + LISTEN_MAX
        while time.monotonic() < last and server.poll() is None:
            said = pathlib.Path(log.name).read_text()
            if found := re.search(r"HTTP [0-9.]+:(\d+)", said):
                return self.ready(found[1])
            time.sleep(0.05)
        raise Failed(f"{text}\nserves nothing:\n{pathlib.Path(log.name).read_text()}")

    def ready(self, port):
        """Waits until its collections are open, whether it encrypts or not; /readyz needs no key."""
        anybody = ssl._create_unverified_context()
        for _ in range(LISTEN_MAX * 10):
            for scheme in ("http", "https"):
                try:
                    with urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}/readyz", context=anybody):
                        return port
                except (OSError, http.client.HTTPException):
                    pass
            time.sleep(0.1)
        raise Failed(f"the server on port {port} is not ready")

    def run_beside(self, text):
        """A command that does not end, which is no server of ours."""
        log = (self.scratch / f"beside-{self.count}.log").open("w+")
        file, after = self.kept(text, "sh"), self.scratch / "after"
        process = subprocess.Popen(
            ["bash", "--norc", "-c", f". {after}; . {file}"], cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        self.servers.append((process, log.name))

    def stop(self):
        """Ends the servers, by the signal that ends them well."""
        for server, log in reversed(self.servers):
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)
            # The shell ends at once, what it had started when the last call has ended.
            for _ in range(STOP_MAX * 20):
                try:
                    os.killpg(server.pid, 0)
                except ProcessLookupError:
                    break
                time.sleep(0.05)
            said = pathlib.Path(log).read_text()
            if "panicked" in said:
                raise Failed(f"a server panicked:\n{said}")
        self.servers = []

    def end(self):
        try:
            self.stop()
        finally:
            for process in filter(None, [self.shell, self.python]):
                process.stdin.close()
                process.terminate()
                process.wait()
                process.stdout.close()
