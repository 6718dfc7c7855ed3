"""One class for each peer: how it is built and how it is asked.

`build` gets the data and the number of threads; `set` the effort of the queries that follow; `one` answers a query
with ids; `many`, where a peer has a call for a whole matrix, answers all of them on one thread. `save`, where there is
one, writes the index to a path, to learn its size. A contestant imports its library when it is built: a library that
is not there fails alone.
"""

import json
import pathlib

import numpy as np

K = 10


class Hnswlib:
    """github.com/nmslib/hnswlib: what everybody is compared with."""

    library = "hnswlib"

    def build(self, data, threads, folder, M, efc):
        import hnswlib

        self.index = hnswlib.Index(space="l2", dim=data.size)
        self.index.init_index(max_elements=data.rows, M=M, ef_construction=efc, random_seed=7)
        self.index.add_items(data.base, np.arange(data.rows), num_threads=threads)
        self.index.set_num_threads(1)

    def set(self, ef):
        self.index.set_ef(ef)

    def one(self, query):
        return self.index.knn_query(query, k=K, num_threads=1)[0][0]

    def many(self, queries):
        return self.index.knn_query(queries, k=K, num_threads=1)[0]

    def save(self, path):
        self.index.save_index(str(path))


class Faiss:
    """github.com/facebookresearch/faiss, by its factory strings."""

    library = "faiss-cpu"

    def build(self, data, threads, folder, factory, efc=0):
        import faiss

        self.faiss = faiss
        faiss.omp_set_num_threads(threads)
        if factory.startswith("HNSWbytes"):
            bytes_as_they_are = faiss.ScalarQuantizer.QT_8bit_direct
            self.index = faiss.IndexHNSWSQ(data.size, bytes_as_they_are, int(factory[9:]))
        else:
            self.index = faiss.index_factory(data.size, factory)
        self.refined = "RFlat" in factory
        inner = faiss.downcast_index(self.index.base_index) if self.refined else self.index
        self.inner = inner
        if efc:
            inner.hnsw.efConstruction = efc
        self.index.train(data.base)
        self.index.add(data.base)
        faiss.omp_set_num_threads(1)

    def set(self, ef=None, nprobe=None, factor=None):
        if ef is not None:
            self.inner.hnsw.efSearch = ef
        if nprobe is not None:
            self.faiss.extract_index_ivf(self.index).nprobe = nprobe
        if factor is not None:
            self.index.k_factor = factor

    def one(self, query):
        return self.index.search(query[None, :], K)[1][0]

    def many(self, queries):
        return self.index.search(queries, K)[1]

    def save(self, path):
        self.faiss.write_index(self.index, str(path))


class Usearch:
    """github.com/unum-cloud/usearch."""

    library = "usearch"

    def build(self, data, threads, folder, M, efc, dtype):
        from usearch.index import Index

        self.index = Index(ndim=data.size, metric="l2sq", dtype=dtype, connectivity=M, expansion_add=efc)
        self.index.add(np.arange(data.rows), data.base, threads=threads)

    def set(self, ef):
        self.index.expansion_search = ef

    def one(self, query):
        return self.index.search(query, K, threads=1).keys

    def many(self, queries):
        return self.index.search(queries, K, threads=1).keys

    def save(self, path):
        self.index.save(str(path))


class SymphonyQG:
    """github.com/VectorDB-NTU/RaBitQ-Library: the graph whose nodes hold their neighbours' codes."""

    library = "rabitqlib"

    def build(self, data, threads, folder, R, efc, bits, init):
        from rabitqlib import SymqgIndex

        self.index = SymqgIndex(dim=data.size, max_degree=R, metric="l2", quantization_bits=bits)
        self.index.build(data.base, efc, num_threads=threads, init=init)

    def set(self, ef):
        self.ef = ef

    def one(self, query):
        return self.index.search(query[None, :], K, self.ef, num_threads=1)[0].reshape(-1)

    def many(self, queries):
        return self.index.search_batch(queries, K, self.ef, num_threads=1)[0]

    def save(self, path):
        self.index.save(str(path))


class RabitqIvf:
    """The same library's inverted lists."""

    library = "rabitqlib"

    def build(self, data, threads, folder, lists, bits):
        from rabitqlib import IvfIndex, RaBitQKMeans

        means = RaBitQKMeans(data.size, lists, num_threads=threads)
        means.train(data.base)
        self.index = IvfIndex(
            dim=data.size, max_elements=data.rows, num_clusters=lists, nbits=bits, metric="l2"
        )
        self.index.build(data.base, means.centroids, means.assignments, num_threads=threads)

    def set(self, nprobe):
        self.nprobe = nprobe

    def one(self, query):
        return self.index.search(query[None, :], K, self.nprobe, num_threads=1)[0].reshape(-1)

    def many(self, queries):
        return self.index.search(queries, K, self.nprobe, num_threads=1)[0]

    def save(self, path):
        self.index.save(str(path))


class Vsag:
    """github.com/antgroup/vsag: HGraph. It has no call for many queries."""

    library = "pyvsag"

    def build(self, data, threads, folder, R, efc, base):
        import pyvsag

        pyvsag.set_logger_off()
        graph = {
            "base_quantization_type": base,
            "max_degree": R,
            "ef_construction": efc,
            "build_thread_count": threads,
        }
        if base != "fp32":
            graph |= {"use_reorder": True, "precise_quantization_type": "fp32"}
        spec = {"dtype": "float32", "metric_type": "l2", "dim": data.size, "index_param": graph}
        self.index = pyvsag.Index("hgraph", json.dumps(spec))
        self.index.build(data.base.reshape(-1), np.arange(data.rows, dtype=np.int64), data.rows, data.size)

    def set(self, ef):
        self.how = json.dumps({"hgraph": {"ef_search": ef}})

    def one(self, query):
        return pick_ids(self.index.knn_search(query, K, self.how))

    def save(self, path):
        self.index.save(str(path))


def pick_ids(pair):
    """Of a pair of ids and distances, whichever way round, the ids: they are integers."""
    return next(part for part in pair if np.asarray(part).dtype.kind in "iu")


class Scann:
    """github.com/google-research/google-research/tree/master/scann."""

    library = "scann"

    def build(self, data, threads, folder, leaves, block, measure="squared_l2", soar=None, threshold=None):
        import scann

        extra = {} if soar is None else {"soar_lambda": soar, "overretrieve_factor": 2.0}
        coded = {} if threshold is None else {"anisotropic_quantization_threshold": threshold}
        builder = scann.scann_ops_pybind.builder(data.base, K, measure)
        builder = builder.tree(leaves, 8, training_sample_size=data.rows, **extra)
        builder = builder.score_ah(block, **coded).reorder(100).set_n_training_threads(threads)
        self.index = builder.build()

    def set(self, leaves, reorder):
        self.leaves, self.reorder = leaves, reorder

    def one(self, query):
        return self.index.search(query, K, self.reorder, self.leaves)[0]

    def many(self, queries):
        return self.index.search_batched(queries, K, self.reorder, self.leaves)[0]


class Svs:
    """github.com/intel/ScalableVectorSearch. Its compressed vectors (LVQ, LeanVec) run on Intel's processors only."""

    library = "scalable-vs"

    def build(self, data, threads, folder, R, window, dtype):
        import svs

        how = svs.VamanaBuildParameters(graph_max_degree=R, window_size=window)
        vectors = data.bytes if dtype == "uint8" else data.base.astype(dtype)
        self.index = svs.Vamana.build(how, vectors, svs.DistanceType.L2, num_threads=threads)
        self.index.num_threads = 1
        # The queries of byte data are bytes as well.
        self.dtype = "uint8" if dtype == "uint8" else "float32"

    def set(self, window):
        self.index.search_window_size = window

    def one(self, query):
        return self.index.search(query.astype(self.dtype), K)[0].reshape(-1)

    def many(self, queries):
        return self.index.search(queries.astype(self.dtype), K)[0]


class QdrantEdge:
    """github.com/qdrant/qdrant, the engine as a library, without a server."""

    library = "qdrant-edge-py"

    def build(self, data, threads, folder, M, efc, int8):
        import qdrant_edge as q

        self.q = q
        codes = q.ScalarQuantizationConfig(q.ScalarType.Int8, quantile=0.99, always_ram=True) if int8 else None
        graph = q.HnswIndexConfig(M, efc, 10, max_indexing_threads=threads)
        vectors = q.EdgeVectorParams(
            data.size, q.Distance.Euclid, on_disk=False, quantization_config=codes, hnsw_config=graph
        )
        optimizers = q.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1000)
        config = q.EdgeConfig(vectors=vectors, optimizers=optimizers, max_search_threads=1, wal_enabled=False)
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        self.shard = q.EdgeShard.create(str(folder), config)
        for first in range(0, data.rows, 1000):
            rows = range(first, min(first + 1000, data.rows))
            points = [q.Point(row, data.base[row].tolist()) for row in rows]
            self.shard.update(q.UpdateOperation.upsert_points(points))
        while self.shard.optimize():
            pass

    def set(self, ef, over=None):
        coded = self.q.QuantizationSearchParams(rescore=True, oversampling=over) if over else None
        self.how = self.q.SearchParams(hnsw_ef=ef, quantization=coded)

    def one(self, query):
        ask = self.q.QueryRequest(limit=K, query=self.q.Query.Nearest(query.tolist()), params=self.how)
        return [hit.id for hit in self.shard.query(ask)]


class Zvec:
    """github.com/alibaba/zvec."""

    library = "zvec"

    def build(self, data, threads, folder, M, efc, code):
        import zvec

        self.zvec = zvec
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=threads)
        graph = zvec.HnswIndexParam(
            metric_type=zvec.MetricType.L2,
            m=M,
            ef_construction=efc,
            quantize_type=getattr(zvec.QuantizeType, code),
            use_contiguous_memory=True,
        )
        self.refine = code != "UNDEFINED"
        vectors = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, data.size, graph)
        self.index = zvec.create_and_open(str(folder), zvec.CollectionSchema("c", vectors=vectors))
        for first in range(0, data.rows, 500):
            rows = range(first, min(first + 500, data.rows))
            self.index.insert([zvec.Doc(id=str(row), vectors={"v": data.base[row]}) for row in rows])
        self.index.flush()
        self.index.optimize(zvec.OptimizeOption(concurrency=threads))

    def set(self, ef):
        self.how = self.zvec.HnswQueryParam(ef=ef, is_using_refiner=self.refine)

    def one(self, query):
        ask = self.zvec.Query("v", vector=query, param=self.how)
        return [int(hit.id) for hit in self.index.query(ask, topk=K, output_fields=[])]


PEERS = {
    "hnswlib": Hnswlib,
    "faiss-hnsw": Faiss,
    "faiss-ivf": Faiss,
    "usearch": Usearch,
    "symphonyqg": SymphonyQG,
    "rabitq-ivf": RabitqIvf,
    "vsag": Vsag,
    "scann": Scann,
    "svs": Svs,
    "qdrant-edge": QdrantEdge,
    "zvec": Zvec,
}
