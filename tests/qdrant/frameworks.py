"""Frameworks that stand on the client: add, filter, hybrid, variety, delete, with embeddings made of words alone.

    python tests/qdrant/frameworks.py langchain|llama_index|haystack http://127.0.0.1:6333 6334
"""

import re
import sys
import uuid
import zlib

from qdrant_client import QdrantClient, models as m

SIZE = 64
TEXTS = [
    ("a cat sleeps on the warm roof", "animals"),
    ("a cat sleeps on the warm roof today", "animals"),
    ("dogs run through the park", "animals"),
    ("the stock market fell on monday", "money"),
    ("banks raise interest rates", "money"),
]
IDS = [str(uuid.uuid5(uuid.NAMESPACE_URL, text)) for text, _ in TEXTS]
ASKED = "where sleeps the cat"


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def dense(text):
    made = [0.0] * SIZE
    for word in words(text):
        made[zlib.crc32(word.encode()) % SIZE] += 1.0
    length = sum(value * value for value in made) ** 0.5 or 1.0
    return [value / length for value in made]


def sparse(text):
    counts = {}
    for word in words(text):
        index = zlib.crc32(word.encode()) % 100_000
        counts[index] = counts.get(index, 0.0) + 1.0
    return sorted(counts), [counts[index] for index in sorted(counts)]


def langchain(url, grpc_port):
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import QdrantVectorStore, RetrievalMode
    from langchain_qdrant.sparse_embeddings import SparseEmbeddings, SparseVector

    class Words(Embeddings):
        def embed_documents(self, texts):
            return [dense(text) for text in texts]

        def embed_query(self, text):
            return dense(text)

    class SparseWords(SparseEmbeddings):
        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            indices, values = sparse(text)
            return SparseVector(indices=indices, values=values)

    texts, kinds = [text for text, _ in TEXTS], [{"kind": kind} for _, kind in TEXTS]
    for name, more in {
        "dense": {"retrieval_mode": RetrievalMode.DENSE},
        "hybrid": {"retrieval_mode": RetrievalMode.HYBRID, "sparse_embedding": SparseWords()},
        "grpc": {"retrieval_mode": RetrievalMode.DENSE, "prefer_grpc": True, "grpc_port": grpc_port},
    }.items():
        at = {"collection_name": f"langchain_{name}", "url": url, "embedding": Words(), **more}
        store = QdrantVectorStore.from_texts(texts, metadatas=kinds, ids=IDS, **at)
        # To words alone both of the first texts are the same.
        best = [text for text, _ in TEXTS[: 2 if name == "hybrid" else 1]]
        assert store.similarity_search(ASKED, k=1)[0].page_content in best
        money = m.Filter(must=[m.FieldCondition(key="metadata.kind", match=m.MatchValue(value="money"))])
        found = store.similarity_search(ASKED, k=5, filter=money)
        assert {one.metadata["kind"] for one in found} == {"money"} and len(found) == 2, found
        if name != "hybrid":
            # The framework hands its lambda on as the client's diversity.
            various = store.max_marginal_relevance_search(ASKED, k=2, fetch_k=5, lambda_mult=0.9)
            assert [one.page_content for one in various][0] == TEXTS[0][0]
            assert various[1].page_content != TEXTS[1][0], various
        assert store.get_by_ids([IDS[3]])[0].page_content == TEXTS[3][0]
        assert store.delete([IDS[0]])
        assert store.similarity_search(ASKED, k=1)[0].page_content == TEXTS[1][0]
        # What is there is opened again.
        again = QdrantVectorStore.from_existing_collection(**at)
        assert len(again.similarity_search(ASKED, k=10)) == 4


def llama_index(url, _):
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
    from llama_index.core.vector_stores.types import (
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
    )
    from llama_index.vector_stores.qdrant import QdrantVectorStore

    def several(texts):
        made = [sparse(text) for text in texts]
        return [indices for indices, _ in made], [values for _, values in made]

    client = QdrantClient(url=url, check_compatibility=False)
    for name, hybrid in {"dense": {}, "hybrid": {"enable_hybrid": True}}.items():
        if hybrid:
            hybrid |= {"sparse_doc_fn": several, "sparse_query_fn": several}
        store = QdrantVectorStore(client=client, collection_name=f"llama_{name}", **hybrid)
        nodes = []
        for id, (text, kind) in zip(IDS, TEXTS):
            node = TextNode(id_=id, text=text, metadata={"kind": kind}, embedding=dense(text))
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"doc-{kind}")
            nodes.append(node)
        assert store.add(nodes) == IDS
        asked = {"query_embedding": dense(ASKED), "query_str": ASKED, "similarity_top_k": 2}
        assert store.query(VectorStoreQuery(**asked)).ids[0] == IDS[0]
        money = MetadataFilters(filters=[MetadataFilter(key="kind", value="money")])
        found = store.query(VectorStoreQuery(**asked, filters=money))
        assert set(found.ids) == set(IDS[3:]), found
        if hybrid:
            both = VectorStoreQuery(**asked, sparse_top_k=3, mode=VectorStoreQueryMode.HYBRID)
            assert IDS[0] in store.query(both).ids
        assert [node.text for node in store.get_nodes(node_ids=[IDS[2]])] == [TEXTS[2][0]]
        store.delete_nodes([IDS[2]])
        store.delete("doc-money")
        assert client.count(f"llama_{name}").count == 2


def haystack(url, _):
    from haystack import Document
    from haystack.dataclasses import SparseEmbedding
    from haystack.document_stores.types import DuplicatePolicy
    from haystack_integrations.components.retrievers.qdrant import (
        QdrantEmbeddingRetriever,
        QdrantHybridRetriever,
        QdrantSparseEmbeddingRetriever,
    )
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    def of(text):
        indices, values = sparse(text)
        return SparseEmbedding(indices=indices, values=values)

    at = {"url": url, "index": "haystack", "embedding_dim": SIZE, "use_sparse_embeddings": True}
    store = QdrantDocumentStore(**at, wait_result_from_api=True, return_embedding=True)
    made = [
        Document(id=id, content=text, meta={"kind": kind}, embedding=dense(text), sparse_embedding=of(text))
        for id, (text, kind) in zip(IDS, TEXTS)
    ]
    assert store.write_documents(made, policy=DuplicatePolicy.OVERWRITE) == 5
    assert store.count_documents() == 5
    money = {"field": "meta.kind", "operator": "==", "value": "money"}
    assert {one.content for one in store.filter_documents(money)} == {TEXTS[3][0], TEXTS[4][0]}
    asked = {"query_embedding": dense(ASKED)}
    best = QdrantEmbeddingRetriever(store, top_k=2).run(**asked)["documents"]
    assert best[0].content == TEXTS[0][0]
    found = QdrantEmbeddingRetriever(store, top_k=5, filters=money).run(**asked)["documents"]
    assert {one.meta["kind"] for one in found} == {"money"}
    words_only = QdrantSparseEmbeddingRetriever(store, top_k=1).run(query_sparse_embedding=of(ASKED))["documents"]
    assert words_only[0].content in (TEXTS[0][0], TEXTS[1][0])
    both = QdrantHybridRetriever(store, top_k=2).run(**asked, query_sparse_embedding=of(ASKED))["documents"]
    assert TEXTS[0][0] in [one.content for one in both]
    store.delete_documents([one.id for one in made[:1]])
    assert store.count_documents() == 4


name, url, grpc_port = sys.argv[1:4]
{"langchain": langchain, "llama_index": llama_index, "haystack": haystack}[name](url, int(grpc_port))
print(f"{name}: add, filter, search and delete as expected")
