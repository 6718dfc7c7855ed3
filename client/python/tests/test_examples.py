"""The examples do what they say, with an embedding that is made up: words become numbers, always the same ones."""

import hashlib
import pathlib
import sys

import numpy as np
import pytest

sys.path.append(str(pathlib.Path(__file__).parents[1] / "examples"))

SIZE = 64
TEXTS = ["The harbour opens at six in the morning.", "Bread needs salt, water and time.", "The moon pulls at the sea."]


def embed(texts):
    """A vector of words: each word is a direction that its hash names."""
    vectors = np.zeros((len(texts), SIZE))
    for row, text in enumerate(texts):
        for word in text.lower().strip(".?").split():
            vectors[row, hashlib.sha256(word.encode()).digest()[0] % SIZE] += 1.0
    return vectors.tolist()


def test_a_memory_recalls_and_forgets(client):
    from memory import Memory

    memory = Memory(client, "memory", embed, SIZE)
    memory.remember_all(TEXTS, [{"session": "a"}, {"session": "b"}, {"session": "a"}])
    assert memory.recall("when does the harbour open?")[0].text == TEXTS[0]
    (only,) = memory.recall("salt", filter="session = 'b'")
    assert (only.text, only.about) == (TEXTS[1], {"session": "b"})
    memory.remember("Gone at once.", seconds=0.0)
    assert memory.recall("gone at once", limit=10)[0].text != "Gone at once."
    assert memory.forget("session = 'a'") == 2
    assert [one.text for one in memory.recall("harbour")] == [TEXTS[1]]


def test_langchain(client):
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_retriever import NighRetriever

    class Fake(Embeddings):
        def embed_documents(self, texts):
            return embed(texts)

        def embed_query(self, text):
            return embed([text])[0]

    retriever = NighRetriever(client=client, collection="documents", embeddings=Fake(), k=2)
    retriever.create()
    ids = retriever.add_documents([Document(text, metadata={"n": n}) for n, text in enumerate(TEXTS)])
    found = retriever.invoke("harbour in the morning")
    assert len(found) == 2
    assert (found[0].page_content, found[0].metadata["n"], found[0].id) == (TEXTS[0], 0, ids[0])
    narrowed = NighRetriever(client=client, collection="documents", embeddings=Fake(), filter="n > 0")
    assert {one.metadata["n"] for one in narrowed.invoke("harbour")} == {1, 2}


def test_llama_index(client):
    pytest.importorskip("llama_index.core")
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import TextNode
    from llama_index_retriever import NighRetriever

    class Fake(BaseEmbedding):
        def _get_text_embedding(self, text):
            return embed([text])[0]

        def _get_query_embedding(self, query):
            return embed([query])[0]

        async def _aget_query_embedding(self, query):
            return embed([query])[0]

    retriever = NighRetriever(client, "nodes", Fake(), limit=2)
    retriever.create()
    nodes = [TextNode(text=text, metadata={"n": n}) for n, text in enumerate(TEXTS)]
    retriever.add_nodes(nodes)
    found = retriever.retrieve("harbour in the morning")
    assert len(found) == 2
    assert (found[0].text, found[0].node.metadata["n"], found[0].node.node_id) == (TEXTS[0], 0, nodes[0].node_id)
    narrowed = NighRetriever(client, "nodes", Fake(), filter="n > 0")
    assert {one.node.metadata["n"] for one in narrowed.retrieve("harbour")} == {1, 2}
