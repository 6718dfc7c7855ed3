"""faiss's own kernels as `kernels` measures those of nigh: lists of 32 random rows, in cache and from memory.

    kernels.py            prints Markdown; run it with the environment's Python, target/peers/venv/bin/python

`fvec_L2sqr_by_idx` gets all its lists in one call, so that no Python call is measured. Times are the processor's.
"""

import statistics
import time

import faiss
import numpy as np

SIZES = [128, 384, 784, 1536]
CACHED_BYTES, MEMORY_BYTES = 256 << 10, 256 << 20
READ_BYTES, LIST, ROUNDS = 192 << 20, 32, 7


def by_index(function, size, rows):
    """Nanoseconds a distance for lists of random rows."""
    random = np.random.default_rng(7)
    base = random.standard_normal((rows, size), dtype=np.float32)
    lists = READ_BYTES // (4 * size) // LIST
    ids = np.resize(random.permutation(rows), lists * LIST).astype(np.int64)
    queries = random.standard_normal((1, size), dtype=np.float32).repeat(lists, axis=0)
    out = np.empty(lists * LIST, np.float32)
    pointer = faiss.swig_ptr

    def once():
        start = time.thread_time()
        function(pointer(out), pointer(queries), pointer(base), pointer(ids), size, lists, LIST)
        return (time.thread_time() - start) * 1e9 / out.size

    once()
    return statistics.median(once() for _ in range(ROUNDS))


def scan_of_codes(size, rows):
    """Nanoseconds a code of 8 bits, scanned in order with the ten best kept."""
    random = np.random.default_rng(7)
    index = faiss.IndexScalarQuantizer(size, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)
    base = random.standard_normal((min(rows, 1 << 15), size), dtype=np.float32)
    index.train(base[:4096])
    while index.ntotal < rows:
        index.add(base[: rows - index.ntotal])
    query = base[:1]
    times = max(1, READ_BYTES // (size * rows))

    def once():
        start = time.thread_time()
        for _ in range(times):
            index.search(query, 10)
        return (time.thread_time() - start) * 1e9 / (times * rows)

    once()
    return statistics.median(once() for _ in range(ROUNDS))


def main():
    faiss.omp_set_num_threads(1)
    print("| numbers | faiss's kernel | bytes | in cache: ns | from memory: ns | GB/s |\n|---|---|---|---|---|---|")
    kinds = [
        ("f32 euclid, by index", 4, lambda size, rows: by_index(faiss.fvec_L2sqr_by_idx, size, rows)),
        ("f32 dot, by index", 4, lambda size, rows: by_index(faiss.fvec_inner_products_by_idx, size, rows)),
        ("8 bits, scanned in order", 1, scan_of_codes),
    ]
    for size in SIZES:
        for name, width, measure in kinds:
            row = size * width
            cached, memory = measure(size, CACHED_BYTES // row), measure(size, MEMORY_BYTES // row)
            print(f"| {size} | {name} | {row} | {cached:.1f} | {memory:.1f} | {row / memory:.1f} |", flush=True)


main()
