"""A memory of texts, for an agent or a chat: what was said is kept, found again by meaning and by words, and forgotten in time.

    memory = Memory(nigh.Client("127.0.0.1:6334"), "memory", embed, size=384)
    memory.remember("The harbour opens at six.", {"session": "a", "role": "user"})
    for text in memory.recall("when can ships come in?", filter="session = 'a'"):
        print(text.score, text.text)

`embed` turns texts into vectors; any model will do. nigh itself has none.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nigh

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


@dataclass(frozen=True)
class Remembered:
    """A text that was found."""

    id: int | uuid.UUID
    text: str
    score: float
    about: dict[str, Any]


class Memory:
    """Texts in a collection, each with its vector, its words and what else is known of it."""

    def __init__(self, client: nigh.Client, collection: str, embed: Embed, size: int) -> None:
        self._client, self._collection, self._embed = client, collection, embed
        spec = nigh.CollectionSpec(
            vectors=[nigh.VectorField("meaning", size)], texts=[nigh.TextField("text", analyzer="english+fold")]
        )
        client.create_collection(collection, spec, if_absent=True)

    def remember(self, text: str, about: Mapping[str, Any] | None = None, *, seconds: float | None = None) -> uuid.UUID:
        """Keeps a text, for ever or for so many seconds."""
        return self.remember_all([text], [about or {}], seconds=seconds)[0]

    def remember_all(
        self, texts: Sequence[str], about: Sequence[Mapping[str, Any]], *, seconds: float | None = None
    ) -> list[uuid.UUID]:
        """Keeps several texts; all are on disk when this returns."""
        expires = None if seconds is None else int((time.time() + seconds) * 1000)
        points = [
            nigh.Point(uuid.uuid4(), {"meaning": vector}, {**known, "text": text}, expires_at_ms=expires)
            for text, known, vector in zip(texts, about, self._embed(texts))
        ]
        self._client.upload_points(self._collection, points)
        return [point.id for point in points if isinstance(point.id, uuid.UUID)]

    def recall(self, about: str, *, limit: int = 5, filter: nigh.FilterLike | None = None) -> list[Remembered]:
        """The texts that are nearest by meaning and by words, fused."""
        found = self._client.query(
            self._collection,
            nigh.Dense(self._embed([about])[0]),
            nigh.Text(about),
            filter=filter,
            limit=limit,
        )
        texts = []
        for hit in found:
            known = dict(hit.payload)
            texts.append(Remembered(hit.id, str(known.pop("text")), hit.score, known))
        return texts

    def forget(self, points: Any) -> int:
        """Forgets texts, by id or by a filter: how many."""
        return self._client.delete(self._collection, points).affected
