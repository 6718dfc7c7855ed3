"""The data sets as every contestant gets them, and the one judge of what is right."""

import pathlib

import numpy as np

K = 10
# What a distance may be above the last true neighbour's: those of a contestant are not looked at, ours are exact.
SLACK = 1e-6


class Data:
    """`base` and `queries` are float32, C-contiguous; with cosine they are scaled to unit length, so that the
    nearest by Euclidean distance, by inner product and by cosine are the same."""

    def __init__(self, name, root):
        self.name = name
        root = pathlib.Path(root)
        if name == "fashion":
            folder = root / "fashion-mnist-784-euclidean"
            base, queries = np.load(folder / "train.npy"), np.load(folder / "test.npy")
            self.metric = "euclid"
            self.bytes = base
            self.base, self.queries = base.astype(np.float32), queries.astype(np.float32)
        elif name == "passages":
            folder = root / "passages"
            self.metric = "cosine"
            self.bytes = None
            self.base, self.queries = (unit(np.load(folder / file)) for file in ("base.npy", "queries.npy"))
        else:
            raise SystemExit(f"no data set is called {name}")
        self.neighbours = np.load(folder / "neighbors.npy")[:, :K]
        self.rows, self.size = self.base.shape

    def recall(self, ids):
        """The share of right hits. A hit is right if it is no farther than the last true neighbour; one that is
        given twice counts once."""
        found = np.full((len(ids), K), -1, np.int64)
        for query, rows in enumerate(ids):
            rows = list(dict.fromkeys(rows))[:K]
            found[query, : len(rows)] = rows
        found[(found < 0) | (found >= self.rows)] = -1
        right = (found[:, :, None] == self.neighbours[: len(ids), None, :]).any(axis=2)
        # Whoever is not among those of the file may be as near as the last of them.
        for query, place in np.argwhere(~right & (found >= 0)):
            last = self.distance(query, self.neighbours[query, -1])
            right[query, place] = self.distance(query, found[query, place]) <= last * (1 + SLACK) + SLACK
        return float(right.sum()) / right.size

    def distance(self, query, row):
        return float(((self.base[row].astype(np.float64) - self.queries[query]) ** 2).sum())


def unit(vectors):
    vectors = vectors.astype(np.float32)
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
