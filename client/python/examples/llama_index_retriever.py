"""A retriever for LlamaIndex, through the native API: hybrid search under a filter.

    pip install nigh llama-index-core

    retriever = NighRetriever(nigh.Client(), "passages", embed_model=model, filter="year >= 2020")
    retriever.add_nodes([TextNode(text="The harbour opens at six.", metadata={"year": 2024})])
    retriever.retrieve("when can ships come in?")
"""

from __future__ import annotations

import uuid
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import nigh


class NighRetriever(BaseRetriever):
    """Finds nodes by meaning and by words. The text of a node is the key `text` of its payload, its metadata are the other
    keys, so that filters and facets reach them."""

    def __init__(
        self,
        client: nigh.Client,
        collection: str,
        embed_model: BaseEmbedding,
        *,
        limit: int = 5,
        filter: nigh.FilterLike | None = None,
        recall: float = 0.95,
    ) -> None:
        self._client, self._collection, self._embed_model = client, collection, embed_model
        self._limit, self._filter, self._recall = limit, filter, recall
        super().__init__()

    def create(self) -> None:
        """Makes the collection, where it is not there."""
        size = len(self._embed_model.get_query_embedding("size"))
        vectors, texts = [nigh.VectorField("embedding", size)], [nigh.TextField("text", analyzer="english")]
        self._client.create_collection(self._collection, nigh.CollectionSpec(vectors=vectors, texts=texts), if_absent=True)

    def add_nodes(self, nodes: list[TextNode]) -> None:
        """Writes nodes, under their ids, which are UUIDs unless somebody gave others."""
        vectors = self._embed_model.get_text_embedding_batch([node.text for node in nodes])
        points = (
            nigh.Point(uuid.UUID(node.node_id), {"embedding": vector}, {**node.metadata, "text": node.text})
            for node, vector in zip(nodes, vectors)
        )
        self._client.upload_points(self._collection, points)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text = query_bundle.query_str
        vector: Any = query_bundle.embedding or self._embed_model.get_query_embedding(text)
        near = nigh.Dense(vector, recall=self._recall)
        found = self._client.query(self._collection, near, nigh.Text(text), filter=self._filter, limit=self._limit)
        nodes = []
        for hit in found:
            metadata = dict(hit.payload)
            node = TextNode(text=metadata.pop("text"), id_=str(hit.id), metadata=metadata)
            nodes.append(NodeWithScore(node=node, score=hit.score))
        return nodes
