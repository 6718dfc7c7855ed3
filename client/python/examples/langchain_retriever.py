"""A retriever for LangChain, through the native API: hybrid search under a filter.

    pip install nigh langchain-core

    retriever = NighRetriever(client=nigh.Client(), collection="passages", embeddings=model, filter="year >= 2020")
    retriever.add_documents([Document("The harbour opens at six.", metadata={"year": 2024})])
    retriever.invoke("when can ships come in?")
"""

from __future__ import annotations

import uuid
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

import nigh


class NighRetriever(BaseRetriever):
    """Finds documents by meaning and by words. The text of a document is the key `text` of its payload, its metadata are the
    other keys, so that filters and facets reach them."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: nigh.Client
    collection: str
    embeddings: Embeddings
    #: Documents wanted.
    k: int = 5
    #: A filter as text, or a condition.
    filter: Any = None
    #: The recall that the search by meaning has to reach.
    recall: float = 0.95

    def create(self) -> None:
        """Makes the collection, where it is not there."""
        size = len(self.embeddings.embed_query("size"))
        vectors, texts = [nigh.VectorField("embedding", size)], [nigh.TextField("text", analyzer="english")]
        self.client.create_collection(self.collection, nigh.CollectionSpec(vectors=vectors, texts=texts), if_absent=True)

    def add_documents(self, documents: list[Document]) -> list[str]:
        """Writes documents; the ids are those that they have, or new ones."""
        vectors = self.embeddings.embed_documents([one.page_content for one in documents])
        ids = [uuid.UUID(one.id) if one.id else uuid.uuid4() for one in documents]
        points = (
            nigh.Point(id, {"embedding": vector}, {**one.metadata, "text": one.page_content})
            for id, vector, one in zip(ids, vectors, documents)
        )
        self.client.upload_points(self.collection, points)
        return [str(id) for id in ids]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        near = nigh.Dense(self.embeddings.embed_query(query), recall=self.recall)
        found = self.client.query(self.collection, near, nigh.Text(query), filter=self.filter, limit=self.k)
        documents = []
        for hit in found:
            metadata = {**hit.payload, "score": hit.score}
            documents.append(Document(metadata.pop("text"), id=str(hit.id), metadata=metadata))
        return documents
