"""Collections: created, described, dropped; aliases; vector fields that come and go."""

from __future__ import annotations

from collections.abc import Sequence

from nigh import mirror
from nigh.schema import (
    Alias,
    AnyField,
    CollectionSpec,
    CollectionStatus,
    CollectionSummary,
    Description,
    Estimate,
    MultiField,
    SparseField,
    TextField,
    Token,
    VectorField,
)
from nigh.transport import Call
from nigh.v1 import collections_pb2 as v1


def create_collection(collection: str, spec: CollectionSpec, *, if_absent: bool = False) -> Call[bool]:
    """Creates a collection: whether it did. With ``if_absent`` an equal one may be there already.

    >>> spec = nigh.CollectionSpec(vectors=[nigh.VectorField("v", 3)], texts=[nigh.TextField("title")])
    >>> client.create_collection("notes", spec)
    True
    >>> client.create_collection("notes", spec, if_absent=True)
    False
    """
    request = v1.CreateCollectionRequest(
        collection=collection, spec=mirror.write(spec, v1.CollectionSpec()), if_absent=if_absent
    )
    return Call("Collections.Create", request, lambda reply: bool(reply.created), harmless=if_absent)


def drop_collection(collection: str) -> Call[bool]:
    """Drops a collection and everything in it: whether there was one.

    >>> client.drop_collection("books")
    True
    """
    request = v1.DropCollectionRequest(collection=collection)
    return Call("Collections.Drop", request, lambda reply: bool(reply.dropped), harmless=False)


def describe(collection: str) -> Call[Description]:
    """What a collection holds, and how it is.

    >>> described = client.describe("books")
    >>> described.spec.vectors[0].metric, described.status.points
    ('cosine', 4)
    """
    return Call("Collections.Describe", v1.DescribeCollectionRequest(collection=collection), _described)


def _described(reply: v1.DescribeCollectionReply) -> Description:
    return mirror.read(Description, reply)


def collections() -> Call[tuple[CollectionSummary, ...]]:
    """Every collection.

    >>> [(one.name, one.state) for one in client.collections()]
    [('books', 'open')]
    """
    return Call("Collections.List", v1.ListCollectionsRequest(), _summaries)


def _summaries(reply: v1.ListCollectionsReply) -> tuple[CollectionSummary, ...]:
    return tuple(mirror.read(CollectionSummary, one) for one in reply.collections)


def optimize(collection: str) -> Call[CollectionStatus]:
    """Seals and merges a collection into one segment, now; answers when it is done. Never needed.

    >>> len(client.optimize("books").segments)
    1
    """
    request = v1.OptimizeRequest(collection=collection)
    return Call("Collections.Optimize", request, lambda reply: mirror.read(CollectionStatus, reply.status), patient=True)


def cancel_merge(collection: str) -> Call[bool]:
    """Calls off a merge that runs: whether one ran.

    >>> client.cancel_merge("books")
    False
    """
    request = v1.CancelMergeRequest(collection=collection)
    return Call("Collections.CancelMerge", request, lambda reply: bool(reply.cancelled))


def set_alias(alias: str, collection: str) -> Call[None]:
    """From now on the alias stands for this collection, whatever it stood for before.

    >>> client.set_alias("library", "books")
    >>> client.count("library")
    4
    """
    change = v1.AliasChange(set=v1.Alias(alias=alias, collection=collection))
    return _aliases_changed([change])


def delete_alias(alias: str) -> Call[None]:
    """Deletes an alias; it may not have been there.

    >>> client.delete_alias("library")
    """
    return _aliases_changed([v1.AliasChange(delete=alias)])


def rename_alias(alias: str, to: str) -> Call[None]:
    """Gives an alias another name.

    >>> client.set_alias("library", "books")
    >>> client.rename_alias("library", "shelf")
    >>> client.aliases()
    (Alias(alias='shelf', collection='books'),)
    """
    rename = v1.AliasRename(to=to)
    # `from` is a word of Python's.
    setattr(rename, "from", alias)
    return _aliases_changed([v1.AliasChange(rename=rename)], harmless=False)


def move_aliases(changes: Sequence[Alias]) -> Call[None]:
    """Sets several aliases in one step: all of them or none.

    >>> client.move_aliases([nigh.Alias("a", "books"), nigh.Alias("b", "books")])
    """
    return _aliases_changed([v1.AliasChange(set=mirror.write(one, v1.Alias())) for one in changes])


def _aliases_changed(changes: list[v1.AliasChange], harmless: bool = True) -> Call[None]:
    request = v1.ChangeAliasesRequest(changes=changes)
    return Call("Collections.ChangeAliases", request, lambda _: None, harmless=harmless)


def aliases() -> Call[tuple[Alias, ...]]:
    """Every alias, by name.

    >>> client.aliases()
    ()
    """
    read = lambda reply: tuple(mirror.read(Alias, one) for one in reply.aliases)  # noqa: E731
    return Call("Collections.ListAliases", v1.ListAliasesRequest(), read)


def estimate(spec: CollectionSpec, points: int, *, payload_bytes: int = 0, text_bytes: int = 0) -> Call[Estimate]:
    """What a collection of so many points would take on the server's machine; about a second of its cores.

    >>> found = client.estimate(nigh.CollectionSpec(vectors=[nigh.VectorField("v", 384)]), 1_000_000)
    >>> found.disk_bytes > found.memory_bytes > 100_000_000
    True
    """
    request = v1.EstimateRequest(
        spec=mirror.write(spec, v1.CollectionSpec()), points=points, payload_bytes=payload_bytes, text_bytes=text_bytes
    )
    return Call("Collections.Estimate", request, lambda reply: mirror.read(Estimate, reply))


def analyze(analyzer: str, text: str) -> Call[tuple[Token, ...]]:
    """What an analyzer makes of a text.

    >>> [token.term for token in client.analyze("english", "running boats")]
    ['run', 'boat']
    """
    return Call("Collections.Analyze", v1.AnalyzeRequest(analyzer=analyzer, text=text), _tokens)


def _tokens(reply: v1.AnalyzeReply) -> tuple[Token, ...]:
    return tuple(Token(one.term, one.position, getattr(one, "from"), one.to) for one in reply.tokens)


def add_vectors(collection: str, field: AnyField, *, if_absent: bool = False) -> Call[bool]:
    """Adds a vector field: whether it did. Points that are there have no vector of it.

    >>> client.add_vectors("books", nigh.SparseField("words", idf=True))
    True
    """
    request = v1.AddVectorsRequest(collection=collection, if_absent=if_absent)
    if isinstance(field, VectorField):
        mirror.write(field, request.dense).SetInParent()
    elif isinstance(field, SparseField):
        mirror.write(field, request.sparse).SetInParent()
    elif isinstance(field, MultiField):
        mirror.write(field, request.multi).SetInParent()
    return Call("Collections.AddVectors", request, lambda reply: bool(reply.added), harmless=if_absent)


def add_text(collection: str, field: TextField, *, if_absent: bool = False) -> Call[bool]:
    """Adds a text field: whether it did. It returns when all that was written before has been read for it.

    >>> client.add_text("books", nigh.TextField("about", analyzer="english"))
    True
    """
    request = v1.AddTextRequest(collection=collection, if_absent=if_absent)
    mirror.write(field, request.field).SetInParent()
    return Call("Collections.AddText", request, lambda reply: bool(reply.added), harmless=if_absent)


def drop_text(collection: str, name: str) -> Call[bool]:
    """Drops a text field: whether there was one. Payloads keep their texts.

    >>> client.drop_text("books", "nothing")
    False
    """
    request = v1.DropTextRequest(collection=collection, name=name)
    return Call("Collections.DropText", request, lambda reply: bool(reply.dropped), harmless=False)


def drop_vectors(collection: str, name: str) -> Call[bool]:
    """Drops a vector field: whether there was one.

    >>> client.drop_vectors("books", "nothing")
    False
    """
    request = v1.DropVectorsRequest(collection=collection, name=name)
    return Call("Collections.DropVectors", request, lambda reply: bool(reply.dropped), harmless=False)
