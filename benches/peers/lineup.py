"""Who takes part, how each is built, and the efforts that are tried: for every peer the builds that were best in
wider trials, and none that another build of the same peer beats everywhere. Who comes last is left out first where
time is short."""

EF = [10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320, 400, 512, 640, 800]
PROBES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256]


def by(name, values, **fixed):
    return [{name: value} | fixed for value in values]


def lists(values, factors):
    return [{"nprobe": probes, "factor": factor} for probes in values for factor in factors]


def reranked(values, factors):
    """Of nigh's own lists; a factor of 0 is what suits the code."""
    return [{"nprobe": probes, "rerank": factor} for probes in values for factor in factors]


def leaves(values, reorders):
    return [{"leaves": count, "reorder": reorder} for count in values for reorder in reorders]


# (peer, build, efforts, whether --quick has it); efforts rise, and the sweep of a build ends where 0.999 is passed.
FASHION = [
    ("symphonyqg", {"R": 32, "efc": 400, "bits": 0, "init": "random"}, by("ef", EF), False),
    ("symphonyqg", {"R": 32, "efc": 200, "bits": 0, "init": "pipnn"}, by("ef", EF), True),
    ("hnswlib", {"M": 16, "efc": 200}, by("ef", EF), True),
    ("faiss-hnsw", {"factory": "HNSW16", "efc": 200}, by("ef", EF), True),
    ("faiss-hnsw", {"factory": "HNSWbytes16", "efc": 200}, by("ef", EF), False),
    ("faiss-hnsw", {"factory": "HNSW32_SQ8,RFlat", "efc": 200}, by("ef", EF, factor=2), False),
    ("faiss-ivf", {"factory": "IVF256,PQ196x4fs,RFlat"}, lists(PROBES, [4, 8, 16]), True),
    ("faiss-ivf", {"factory": "IVF512,PQ392x4fs,RFlat"}, lists(PROBES, [2, 4, 8]), False),
    ("rabitq-ivf", {"lists": 256, "bits": 7}, by("nprobe", PROBES), True),
    ("rabitq-ivf", {"lists": 256, "bits": 32}, by("nprobe", PROBES), True),
    ("usearch", {"M": 16, "efc": 200, "dtype": "bf16"}, by("ef", EF), True),
    ("vsag", {"R": 32, "efc": 300, "base": "sq8_uniform"}, by("ef", EF), True),
    ("vsag", {"R": 32, "efc": 300, "base": "fp32"}, by("ef", EF), False),
    ("scann", {"leaves": 244, "block": 2}, leaves(PROBES, [30, 75, 150]), True),
    ("svs", {"R": 32, "window": 200, "dtype": "uint8"}, by("window", EF), False),
    ("qdrant-edge", {"M": 16, "efc": 200, "int8": True}, by("ef", EF, over=2.0), False),
    ("zvec", {"M": 32, "efc": 300, "code": "INT8"}, by("ef", EF), False),
]

PASSAGES = [
    ("symphonyqg", {"R": 32, "efc": 400, "bits": 0, "init": "random"}, by("ef", EF), False),
    ("symphonyqg", {"R": 32, "efc": 200, "bits": 0, "init": "pipnn"}, by("ef", EF), True),
    ("hnswlib", {"M": 16, "efc": 200}, by("ef", EF), True),
    ("hnswlib", {"M": 32, "efc": 200}, by("ef", EF), False),
    ("faiss-hnsw", {"factory": "HNSW32", "efc": 200}, by("ef", EF), True),
    ("faiss-hnsw", {"factory": "HNSW32_SQ8,RFlat", "efc": 200}, by("ef", EF, factor=2), False),
    ("faiss-ivf", {"factory": "IVF512,PQ96x4fs,RFlat"}, lists(PROBES, [4, 8, 16]), False),
    ("faiss-ivf", {"factory": "IVF512,PQ192x4fs,RFlat"}, lists(PROBES, [2, 4, 8]), True),
    ("rabitq-ivf", {"lists": 512, "bits": 7}, by("nprobe", PROBES), True),
    ("rabitq-ivf", {"lists": 512, "bits": 32}, by("nprobe", PROBES), True),
    ("usearch", {"M": 16, "efc": 200, "dtype": "bf16"}, by("ef", EF), True),
    ("vsag", {"R": 32, "efc": 300, "base": "sq8_uniform"}, by("ef", EF), True),
    ("vsag", {"R": 32, "efc": 300, "base": "fp32"}, by("ef", EF), False),
    ("scann", {"leaves": 316, "block": 2}, leaves(PROBES, [30, 75, 150]), True),
    (
        "scann",
        {"leaves": 316, "block": 2, "measure": "dot_product", "soar": 1.5, "threshold": 0.2},
        leaves(PROBES, [30, 75, 150]),
        False,
    ),
    ("svs", {"R": 32, "window": 200, "dtype": "float16"}, by("window", EF), False),
    ("qdrant-edge", {"M": 16, "efc": 200, "int8": True}, by("ef", EF, over=2.0), False),
    ("zvec", {"M": 32, "efc": 300, "code": "INT8"}, by("ef", EF), False),
]

LINEUP = {"fashion": FASHION, "passages": PASSAGES}

# What the command line of `ann --serve` is given besides, and the efforts.
NIGH = [
    ("nigh", [], by("ef", [8, *EF]), True),
    ("nigh-ivf", ["--code", "pq4"], reranked([*PROBES, 384, 512], (2, 4, 8)), True),
    ("nigh-ivf", ["--code", "bits4"], reranked([*PROBES, 384, 512], (0,)), False),
    ("nigh-ivf", ["--code", "bits8"], reranked([*PROBES, 384, 512], (0,)), True),
    ("nigh-ivf", ["--code", "bits2"], reranked([*PROBES, 384, 512], (0, 4)), False),
    ("nigh-ivf", ["--code", "bits1"], reranked([*PROBES, 384, 512], (0, 8)), False),
]

QUERIES = {"fashion": 2000, "passages": 1000}
