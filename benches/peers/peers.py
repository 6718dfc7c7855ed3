#!/usr/bin/env python3
"""nigh and its peers in one run: the same data, one thread, one query at a time, in turns.

    python3 benches/peers/peers.py [--quick] [--sets fashion,passages] [--only PEER,PEER] [--rounds 7]

makes a virtual environment under `target/peers/`, installs the peers from the package index, builds nigh in release,
and then, for each data set:

1. builds every contestant, one after the other, with two threads, each in a process of its own;
2. asks every setting once: its recall, and about how fast it is;
3. measures, round by round and contestant by contestant, the settings that may be the best at a recall of 0.90, 0.95,
   0.99 and 0.999, and takes medians. A turn asks everything twice, and the second time counts, as ann-benchmarks counts the
   best of several runs in a row; the first, on the caches that another contestant left, is told beside it.

All of it keeps within `--minutes`: who would be built too late is left out, and named.

One Python call a query costs the peers something, so those that have a call for a whole matrix are measured both ways,
on one thread, and the better way counts. nigh is driven through the standard input of `ann --serve`. A contestant that
fails is reported with its error and harms nobody. Results: `target/peers/SET.md`, `.json`, `.svg`.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LEVELS = [0.90, 0.95, 0.99, 0.999]
# Settings of a contestant that are measured round by round, for each recall.
FINALISTS = 2
BUILD_SECONDS_MAX = 240
RUN_SECONDS_MAX = 120
# Of the time for a set, so much is for building and trying; the rest is for the rounds.
BUILD_SHARE = 0.75
# A contestant's settings are tried for so long, at most; rising efforts come first.
EXPLORE_SECONDS_MAX = 30


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one build of each of the main peers, fewer queries")
    parser.add_argument("--sets", default="fashion,passages")
    parser.add_argument("--only", default="", help="these peers (and nigh)")
    parser.add_argument("--without", default="", help="not these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=20, help="for everything after the installation")
    parser.add_argument("--queries", type=int, help="2000 of fashion and 1000 of passages, or half with --quick")
    parser.add_argument("--threads", type=int, default=2, help="to build with")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: where others use the machine")
    parser.add_argument("--profile", default="release", help="cargo's profile for nigh")
    parser.add_argument("--nigh", help="an `ann` that is built already")
    parser.add_argument("--data", default=os.environ.get("NIGH_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--out", default=ROOT / "target" / "peers")
    parser.add_argument("--record", help="a name: all tables and pictures into benches/record/NAME*")
    args = parser.parse_args()
    args.data, args.out = pathlib.Path(args.data).resolve(), pathlib.Path(args.out).resolve()
    return args


def in_environment(args):
    """Starts this program once more with the environment's Python, after making the environment."""
    home = pathlib.Path(os.environ.get("NIGH_PEERS_ENV", ROOT / "target" / "peers" / "venv"))
    python = home / "bin" / "python"
    if pathlib.Path(sys.prefix) == home.resolve() or os.environ.get("NIGH_PEERS_INSIDE"):
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    have = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout.lower()
    lines = (HERE / "requirements.txt").read_text().splitlines()
    for wanted in filter(None, lines):
        if wanted.lower() not in have:
            # One by one: a peer that has no package for this machine is left out, and its run says so.
            done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted])
            print(f"{wanted}: {'installed' if done.returncode == 0 else 'CANNOT BE INSTALLED'}", flush=True)
    os.execve(python, [python, __file__, *sys.argv[1:]], os.environ | {"NIGH_PEERS_INSIDE": "1"})


def main():
    args = arguments()
    in_environment(args)
    from lineup import LINEUP, NIGH, QUERIES

    # Whoever ends this run still finds what was measured: contestants are ended and the tables written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    started = time.time()
    ann = pathlib.Path(args.nigh).resolve() if args.nigh else build_nigh(args.profile)
    chosen, left_out = names(args.only), names(args.without)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in names(args.sets):
        queries = args.queries or (QUERIES[name] // 2 if args.quick else QUERIES[name])
        wanted = [(peer, build, efforts) for peer, build, efforts, quick in NIGH if quick or not args.quick]
        wanted += [
            (peer, build, efforts)
            for peer, build, efforts, quick in LINEUP[name]
            if (quick or not args.quick) and (not chosen or peer in chosen) and peer not in left_out
        ]
        until = time.time() + args.minutes * 60 / len(names(args.sets))
        measure(name, wanted, queries, until, ann, args)
    if args.record:
        record(args, names(args.sets))
    print(f"all in {time.time() - started:.0f} s", flush=True)


def record(args, sets):
    folder, given = ROOT / "benches" / "record", " ".join(part for part in sys.argv[1:] if part != args.record)
    processor = next((line for line in open("/proc/cpuinfo") if line.startswith("model name")), "?: ?")
    machine = f"{processor.split(':')[1].strip()}, {os.cpu_count()} cores"
    libraries = ", ".join(filter(None, (HERE / "requirements.txt").read_text().splitlines()))
    text = f"# nigh and its peers in one run\n\n`peers.py {given}` on {machine}.\n\n{libraries}\n\n"
    for name in sets:
        text += (args.out / f"{name}.md").read_text() + f"\n![{name}]({args.record}-{name}.svg)\n\n"
        # Drawn by `plot`, which may not stand beside an `ann` that was given.
        if (args.out / f"{name}.svg").exists():
            shutil.copy(args.out / f"{name}.svg", folder / f"{args.record}-{name}.svg")
    (folder / f"{args.record}.md").write_text(text)


def names(text):
    return [name for name in text.split(",") if name]


def build_nigh(profile):
    subprocess.run(["cargo", "build", "--profile", profile, "-p", "nigh-benches", "--bins"], cwd=ROOT, check=True)
    return ROOT / "target" / profile / "ann"


def measure(name, wanted, queries, until, ann, args):
    from data import Data
    from tables import write

    data, begin, rounds = Data(name, args.data), time.time(), args.rounds
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="peers-", dir=args.out))
    contestants = []
    try:
        for at, (peer, build, efforts) in enumerate(wanted):
            contestant = Contestant(peer, build, efforts)
            contestants.append(contestant)
            if time.time() > begin + BUILD_SHARE * (until - begin):
                contestant.error = "left out: no time was left to build it"
            else:
                contestant.start(name, ann, args, scratch / str(at))
            contestant.explore(data, queries)
            print(f"{name}: {contestant}, {time.time() - begin:.0f} s so far", flush=True)
        finalists = best_of_each(contestants, args.clock)
        for at in range(rounds):
            start = time.time()
            for contestant, point in finalists:
                contestant.again(point, data)
            print(f"{name}: round {at + 1} of {rounds}, {time.time() - start:.0f} s", flush=True)
    finally:
        for contestant in contestants:
            contestant.end()
        shutil.rmtree(scratch, ignore_errors=True)
        facts = {"set": name, "rows": data.rows, "size": data.size, "queries": queries, "rounds": rounds}
        write(args.out, facts | {"clock": args.clock, "threads": args.threads}, contestants, LEVELS, ann)


def best_of_each(contestants, clock):
    """For every contestant the points that may be the best of its peer at some recall, and no others."""
    chosen = {id(contestant): {} for contestant in contestants}
    for peer in {contestant.peer for contestant in contestants}:
        everybody = [(one, point) for one in contestants if one.peer == peer for point in one.points]
        for level in LEVELS:
            there = [(one, point) for one, point in everybody if point["recall"] >= level]
            ways = max((len(one.ways) for one, _ in there), default=1)
            # Efforts rise, and one look may err: the first that is enough is measured whatever it seemed to take.
            least = {(id(one), point["way"]): (one, point) for one, point in reversed(there)}
            fastest = sorted(there, key=lambda pair: pair[1]["rough"][clock])[: FINALISTS * ways]
            for one, point in [*least.values(), *fastest]:
                chosen[id(one)][json.dumps([point["setting"], point["way"]])] = point
    return [(one, point) for one in contestants for point in chosen[id(one)].values()]


class Contestant:
    """A process, what it cost, and the points that were measured: (setting, way) with recall and times."""

    def __init__(self, peer, build, efforts):
        self.peer, self.build, self.efforts = peer, build, efforts
        self.points, self.error, self.process, self.built = [], None, None, None

    @property
    def ours(self):
        return self.peer.startswith("nigh")

    @property
    def label(self):
        if self.ours:
            return " ".join(self.build) or "as it comes"
        return " ".join(f"{key}={value}" for key, value in self.build.items())

    def __str__(self):
        if self.error:
            return f"{self.peer} ({self.label}) WITHOUT FIGURES: {self.error}"
        best = max((point["recall"] for point in self.points), default=0)
        return (
            f"{self.peer} ({self.label}): built in {self.built['seconds']:.1f} s, "
            f"{len(self.points)} settings, recall up to {best:.4f}"
        )

    def start(self, name, ann, args, folder):
        folder.mkdir(parents=True)
        self.log = open(folder / "log", "w+")
        one_thread = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": str(args.threads)}
        environment = os.environ | one_thread | {"NIGH_DATA": str(args.data), "TMPDIR": str(folder)}
        if self.ours:
            command = [ann, "--serve", "--threads", str(args.threads), *self.build, name]
        else:
            build = json.dumps(self.build)
            worker = [sys.executable, HERE / "worker.py", self.peer, build, name]
            command = [*worker, args.data, str(args.threads), folder / "index"]
        pipe = subprocess.PIPE
        command = [str(part) for part in command]
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self.log, env=environment, text=True, cwd=folder
        )
        said = self.hear(BUILD_SECONDS_MAX)
        if said:
            self.built, self.ways = said["built"], said.get("ways", ["single"])

    def hear(self, seconds):
        """The next line, or None: after an error, the contestant's own last words."""
        import select

        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        try:
            code = self.process.wait(5 if ready else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.seek(0)
        words = [text.strip() for text in self.log.read().splitlines() if text.strip()]
        self.error = f"took more than {seconds} s" if not ready else f"exit {code}: {' '.join(words[-1:])[:300]}"
        return None

    def ask(self, order):
        if self.error:
            return None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.hear(RUN_SECONDS_MAX)

    def explore(self, data, queries):
        """Every setting once, until one has passed the highest recall; where there are two ways to ask, by the faster
        one, and the other is taken to find the same until it is measured."""
        start = time.time()
        for setting in self.efforts if not self.error else []:
            answer = self.ask({"setting": setting, "way": self.ways[-1], "queries": queries, "ids": True})
            if not answer:
                return
            recall = data.recall(answer.pop("ids"))
            rough = {"wall": answer["seconds"], "cpu": answer["cpu_seconds"]}
            for way in self.ways:
                point = {"setting": setting, "way": way, "recall": recall, "queries": queries}
                self.points.append(point | {"firsts": [], "runs": [], "rough": rough})
            beyond = {point["recall"] for point in self.points if point["recall"] >= LEVELS[-1]}
            enough = len(beyond) > 1 and recall >= LEVELS[-1]
            if enough or time.time() - start > EXPLORE_SECONDS_MAX:
                return

    def again(self, point, data):
        """Everything is asked twice, and the second time counts: the first meets the caches that another contestant left."""
        order = {"setting": point["setting"], "way": point["way"], "queries": point["queries"]}
        first = self.ask(order | {"ids": not point["runs"]})
        answer = first and self.ask(order | {"ids": False})
        if answer:
            if "ids" in first:
                point["recall"] = data.recall(first.pop("ids"))
            point["firsts"].append(first)
            point["runs"].append(answer)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


if __name__ == "__main__":
    main()
