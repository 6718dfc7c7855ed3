"""What a document takes for granted: files and collections of its reader's, under the names that it uses."""

import gzip
import json
import pathlib
import shutil

SAMPLE = pathlib.Path("server/assets/sample")
#: Points of a collection that is only there to be asked.
FEW = 400


class Stage:
    """The reader's machine before a document begins."""

    def __init__(self, session):
        self.session, self.folder = session, session.folder

    def lay(self, folder, rows=FEW):
        """Points with their vectors, and a vector to ask for."""
        import numpy

        at = self.folder / folder
        at.mkdir(parents=True, exist_ok=True)
        with gzip.open(self.folder / SAMPLE / "points.jsonl.gz", "rt") as points:
            lines = [line for line, _ in zip(points, range(rows))]
        # `more` are others, without vectors.
        more = [json.dumps(json.loads(line) | {"id": rows + at}) + "\n" for at, line in enumerate(lines)]
        for name, written in (("passages", lines), ("points", lines), ("more", more)):
            with gzip.open(at / f"{name}.jsonl.gz", "wt") as file:
                file.writelines(written)
        for name in ("passages.npy", "points.npy"):
            numpy.save(at / name, numpy.load(self.folder / SAMPLE / "points.f16.npy")[:rows])
        shutil.copy(self.folder / SAMPLE / "queries.f16.npy", at / "query.npy")
        return lines

    def table(self, name):
        """The same points as a table."""
        import numpy
        import pyarrow
        import pyarrow.parquet

        rows = [json.loads(line) for line in self.lay(".")]
        vectors = numpy.load(self.folder / "passages.npy").astype("float32")
        columns = {key: [row.get(key) for row in rows] for key in ("id", "title", "text", "kind", "year")}
        columns["vector"] = pyarrow.array(list(vectors), pyarrow.list_(pyarrow.float32()))
        pyarrow.parquet.write_table(pyarrow.table(columns), self.folder / name)

    def serve(self):
        self.session.serve("nigh serve --data nigh-data --backup-target shelf=/mnt/backups --archive shelf --archive-every 1")

    def collection(self, name, fields="--vector embedding:384:cosine --text body:english:title,text"):
        files = "--id-field id --vectors passages.npy --create"
        self.lay(".")
        self.session.sh(f"nigh import passages.jsonl.gz -c {name} {files} {fields}")


def served(*names):
    def prepare(stage):
        stage.serve()
        for name in names:
            stage.collection(name)

    return prepare


def getting_started(stage):
    stage.table("rows.parquet")


def importing(stage):
    stage.serve()
    stage.table("rows.parquet")


def backup(stage):
    pathlib.Path("/mnt/backups").mkdir(exist_ok=True)
    served("news")(stage)
    # Two states with something between them, and a backup.
    stage.session.sh("nigh pin monday -c news; nigh import more.jsonl.gz -c news --id-field id; nigh pin tuesday -c news")


def python(stage):
    stage.serve()
    # What the reader has: ids, vectors, payloads of his own, and a vector to ask with.
    stage.session.py(
        "import gzip, json, numpy\n"
        f"matrix = numpy.load('{SAMPLE}/points.f16.npy')[:500].astype('float32')\n"
        f"payloads = [json.loads(line) for line, _ in zip(gzip.open('{SAMPLE}/points.jsonl.gz', 'rt'), range(500))]\n"
        f"ids, vector = list(range(500)), numpy.load('{SAMPLE}/queries.f16.npy')[0].astype('float32')\n"
    )


def readme(stage):
    stage.session.py(f"import numpy\nvector = numpy.load('{SAMPLE}/queries.f16.npy')[0].astype('float32')")


def scifact(stage):
    stage.serve()
    files = "--vectors $NIGH_DATA/scifact/corpus.npy --create --vector text:384:cosine --text text:english:title,text"
    stage.session.sh(f"nigh import $NIGH_DATA/scifact/corpus.jsonl.gz -c scifact {files}; cd $NIGH_DATA/scifact")


STAGES = {
    "README.md": readme,
    "docs/api.md": served("passages"),
    "docs/backup.md": backup,
    "docs/evaluation.md": scifact,
    "docs/filters.md": served("passages"),
    "docs/getting-started.md": getting_started,
    "docs/import.md": importing,
    "docs/memory.md": served(),
    "docs/migrating-from-qdrant.md": served(),
    "docs/python.md": python,
    "docs/text-and-hybrid.md": served("news"),
    "docs/tuning.md": served("passages"),
    "docs/vector-indexes.md": served("others"),
    "docs/vectors.md": served("news"),
}
