"""Random calls of the Python client: the seed decides every one.

A call is a name and what it does with a client. `WIDE` adds what the client's local mode answers otherwise than a server,
or does not know: those calls are compared with Qdrant's own engine.
"""

import wide
from qdrant_client import models as m

WIDE = False
# What has no terms that many points share is weighted higher in `rare`. Terms of points that were overwritten count in the
# engine until it builds its index anew, so it is asked only before the first write.
RARE = "rare"

C = "same_answers"
# Fields of one vector a point, and of several.
FIELDS = ["one", "far"]
FIELDS_WIDE = [*FIELDS, "dot", "taxi"]
SEVERAL = ["many", "lots"]
SIZE = 8
KINDS = ["a", "b", "c"]


def vector(r):
    return [round(r.uniform(-1, 1), 3) for _ in range(SIZE)]


def unit(r):
    """Of length 1: servers bring examples under cosine to it, the local mode does not."""
    made = vector(r)
    length = sum(value * value for value in made) ** 0.5
    return [value / length for value in made]


def sparse(r):
    indices = sorted(r.sample(range(30), r.randint(1, 5)))
    return m.SparseVector(indices=indices, values=[round(r.uniform(0.1, 2), 3) for _ in indices])


def payload(r):
    made = {"kind": r.choice(KINDS), "n": r.randint(0, 20), "x": round(r.uniform(0, 10), 2) + 0.001}
    if r.random() < 0.5:
        made["tags"] = r.sample(["p", "q", "s", "t"], r.randint(1, 3))
    if r.random() < 0.3:
        made["deep"] = {"er": r.randint(0, 3), "on": r.random() < 0.5}
    if r.random() < 0.3:
        made["at"] = {"lat": round(r.uniform(40, 50), 3), "lon": round(r.uniform(0, 20), 3)}
    if r.random() < 0.3:
        made["parts"] = [{"k": r.randint(0, 3), "v": r.choice(KINDS)} for _ in range(r.randint(1, 3))]
    return made


def point(r, id):
    vectors = {"one": vector(r), "far": vector(r), "words": sparse(r)}
    vectors |= {"rare": sparse(r), "many": many(r), "lots": many(r)}
    if not WIDE:
        return m.PointStruct(id=id, vector=vectors, payload=payload(r))
    vectors |= {"dot": vector(r), "taxi": vector(r)}
    kept = {name: vectors[name] for name in vectors if r.random() < 0.9}
    return m.PointStruct(id=id, vector=kept, payload=payload(r) | wide.payload(r))


def ids():
    """Of the points that there are at the beginning."""
    return list(range(1, 60)) + (wide.UUIDS if WIDE else [])


def some_ids(r):
    return r.sample(ids(), r.randint(1, 4))


def condition(r, depth=0):
    f = m.FieldCondition
    some = [
        lambda: f(key="kind", match=m.MatchValue(value=r.choice(KINDS))),
        lambda: f(key="kind", match=m.MatchAny(any=r.sample(KINDS, 2))),
        lambda: f(key="kind", match=m.MatchExcept(**{"except": [r.choice(KINDS)]})),
        lambda: f(key="n", match=m.MatchValue(value=r.randint(0, 20))),
        lambda: f(key="n", range=m.Range(gte=r.randint(0, 10), lt=r.randint(5, 20))),
        lambda: f(key="x", range=m.Range(gt=r.uniform(0, 5))),
        lambda: f(key="tags", match=m.MatchValue(value=r.choice(["p", "q", "s"]))),
        lambda: f(key="tags", values_count=m.ValuesCount(gte=2)),
        lambda: f(key="deep.er", match=m.MatchValue(value=r.randint(0, 3))),
        lambda: f(key="deep.on", match=m.MatchValue(value=True)) if not WIDE else f(key="deep.on", is_null=False),
        lambda: f(key="parts[].k", match=m.MatchValue(value=r.randint(0, 3))),
        lambda: f(key="at", geo_radius=m.GeoRadius(center=m.GeoPoint(lat=45, lon=10), radius=r.uniform(1e5, 9e5))),
        lambda: m.IsEmptyCondition(is_empty=m.PayloadField(key="tags")),
        lambda: m.HasIdCondition(has_id=r.sample(range(1, 60), 20)),
        lambda: m.NestedCondition(
            nested=m.Nested(
                key="parts",
                filter=m.Filter(
                    must=[
                        f(key="k", match=m.MatchValue(value=r.randint(0, 3))),
                        f(key="v", match=m.MatchValue(value=r.choice(KINDS))),
                    ]
                ),
            )
        ),
    ]
    if depth < 2 and r.random() < 0.15:
        return filter_of(r, depth + 1)
    if WIDE and r.random() < 0.6:
        return r.choice(wide.conditions(r))
    return r.choice(some)()


def filter_of(r, depth=0):
    def several():
        return [condition(r, depth) for _ in range(r.randint(1, 2))]

    made = {}
    if r.random() < 0.6:
        made["must"] = several()
    if r.random() < 0.3:
        made["should"] = several()
    if r.random() < 0.3:
        made["must_not"] = several()
    return m.Filter(**made) if made else m.Filter(must=several())


def maybe_filter(r):
    return filter_of(r) if r.random() < 0.6 else None


def many(r, made=vector):
    return [made(r) for _ in range(r.randint(1, 3))]


def by_examples(r):
    """A query by examples, and the field that it asks; for a server, some examples are points."""
    single = FIELDS_WIDE if WIDE else FIELDS
    make, using = r.choice([(unit, single), (lambda r: many(r, unit), SEVERAL), (sparse, ["words", RARE])])
    using = r.choice(using)

    def example():
        return make(r) if WIDE or r.random() < 0.7 else r.choice(ids())

    def examples(least):
        return [example() for _ in range(r.randint(least, 3))]

    def pairs(least):
        return [m.ContextPair(positive=example(), negative=example()) for _ in range(r.randint(least, 3))]

    def scored():
        return m.FeedbackItem(example=example(), score=r.choice([0, 0.5, round(r.uniform(-1, 1), 2)]))

    # The local mode gives feedback on single vectors alone.
    kind = r.randint(0, 4 if WIDE or using in FIELDS else 3)
    if kind <= 1:
        strategies = [one for one in m.RecommendStrategy if not WIDE or one != m.RecommendStrategy.AVERAGE_VECTOR]
        of = m.RecommendInput(positive=examples(1), negative=examples(0), strategy=r.choice(strategies))
        return m.RecommendQuery(recommend=of), using
    if kind == 2:
        return m.DiscoverQuery(discover=m.DiscoverInput(target=example(), context=pairs(0))), using
    if kind == 3:
        return m.ContextQuery(context=pairs(1)), using
    naive = m.NaiveFeedbackStrategyParams(
        a=round(r.uniform(-0.5, 2), 2), b=r.choice([0, 0.5, 1, 1.7]), c=round(r.uniform(-0.5, 2), 2)
    )
    of = m.RelevanceFeedbackInput(
        target=example(), feedback=[scored() for _ in range(r.randint(0, 4))],
        strategy=m.NaiveFeedbackStrategy(naive=naive),
    )
    return m.RelevanceFeedbackQuery(relevance_feedback=of), using


def unlike(r):
    """A query of what is near and unlike what came before, and the field that it asks; the engine has no sparse one."""
    choices = [(vector, FIELDS_WIDE if WIDE else FIELDS), (many, SEVERAL)] + ([] if WIDE else [(sparse, ["words", RARE])])
    make, using = r.choice(choices)
    mmr = m.Mmr(diversity=round(r.random(), 2), candidates_limit=r.choice([None, 5, 30]))
    return m.NearestQuery(nearest=make(r), mmr=mmr), r.choice(using)


def rarity(r, using):
    """Among which points it is counted how rare a term is, where that counts: among all, or among some."""
    if using != "rare" or r.random() < 0.5:
        return None
    return m.SearchParams(idf=m.IdfCorpusParams(corpus=filter_of(r)))


def query(r):
    """Arguments of query_points."""
    if WIDE and r.random() < 0.6:
        return wide.query(r, vector, sparse, many, condition, filter_of, RARE, by_examples, unlike, rarity)
    using = r.choice(["one", "far"])
    kind = r.randint(0, 10)
    prefetch = [
        m.Prefetch(query=vector(r), using="one", limit=r.randint(3, 12)),
        m.Prefetch(query=sparse(r), using="words", limit=r.randint(3, 12)),
    ]
    made = {"query_filter": maybe_filter(r), "limit": r.randint(1, 12), "with_payload": True}
    if kind <= 2:
        made |= {"query": vector(r), "using": using}
    elif kind == 3:
        field = r.choice(["words", RARE])
        made |= {"query": sparse(r), "using": field, "search_params": rarity(r, field)}
    elif kind == 4:
        made |= {"prefetch": prefetch, "query": m.RrfQuery(rrf=m.Rrf(k=r.choice([2, 60])))}
    elif kind == 5:
        made |= {"prefetch": prefetch, "query": m.FusionQuery(fusion=m.Fusion.DBSF)}
    elif kind <= 8:
        made["query"], made["using"] = by_examples(r)
    elif kind == 9:
        made["query"], made["using"] = unlike(r)
    else:
        made |= {"prefetch": m.Prefetch(query=vector(r), using="one", limit=20), "query": vector(r), "using": "far"}
    return made


def payload_of(point):
    """Over gRPC an empty payload and none are the same."""
    return point.payload or {}


def hits(found):
    return [(p.id, p.score, payload_of(p), p.vector) for p in found.points]


def change(r, ids):
    """A write of another kind; ids that are not there are an error for a server, so filters choose."""
    chosen, given = filter_of(r), {"extra": r.randint(0, 9), "deep": {"er": r.randint(0, 3)}}
    few = m.Filter(must=[m.HasIdCondition(has_id=ids)])
    points = [point(r, id) for id in ids]
    # A sparse vector that is deleted and then written again is found in the engine by its old terms, too.
    deleted = "one" if WIDE else "words"
    operations = [
        m.UpsertOperation(upsert=m.PointsList(points=points)),
        m.DeletePayloadOperation(delete_payload=m.DeletePayload(keys=["extra", "deep.on"], filter=few)),
        m.SetPayloadOperation(set_payload=m.SetPayload(payload=given, filter=few)),
    ]
    some = [
        ("overwrite_payload", lambda c: c.overwrite_payload(C, given, points=few, wait=True) and None),
        ("clear_payload", lambda c: c.clear_payload(C, few, wait=True) and None),
        ("set_payload below", lambda c: c.set_payload(C, given, points=few, key="deep", wait=True) and None),
        ("delete_vectors", lambda c: c.delete_vectors(C, vectors=[deleted], points=few, wait=True) and None),
        ("batch", lambda c: c.batch_update_points(C, operations, wait=True) and None),
        ("upsert where", lambda c: c.upsert(C, points, update_filter=chosen, wait=True) and None),
    ]
    if WIDE:
        some = some[:-1] + wide.changes(r, ids, points, vector, sparse, many, filter_of, C)
    return r.choice(some)


def look(r):
    """A read of another kind."""
    chosen, using = maybe_filter(r), r.choice(["one", "far"])
    asked, limit = vector(r), r.randint(1, 8)
    queries = [query(r) for _ in range(2)]
    names = {"query_filter": "filter", "with_vectors": "with_vector", "search_params": "params"}
    requests = [m.QueryRequest(**{names.get(key, key): value for key, value in one.items()}) for one in queries]


    def groups(c):
        found = c.query_points_groups(C, "kind", query=asked, using=using, query_filter=chosen, limit=3, group_size=2)
        return [(group.id, [round(hit.score, 3) for hit in group.hits]) for group in found.groups]

    def ordered(c):
        by = m.OrderBy(key="x", direction=m.Direction.DESC)
        # Of points with equal values the local mode orders the other way round.
        return [p.payload["x"] for p in c.scroll(C, scroll_filter=chosen, order_by=by, limit=limit)[0]]

    def matrix(c):
        """Of all points; of several that are as near any may be told."""
        pairs = c.search_matrix_pairs(C, query_filter=chosen, sample=1000, limit=2, using=matrix_using).pairs
        return [(pair.a, pair.score) for pair in pairs]

    matrix_using = r.choice([*FIELDS, *SEVERAL, "words", RARE])
    formula = m.FormulaQuery(
        formula=m.SumExpression(sum=["$score", m.MultExpression(mult=[0.1, "n"])]), defaults={"n": 0}
    )
    source = m.Prefetch(query=asked, using=using, limit=15, filter=chosen)
    liked, liked_using = by_examples(r)
    mmr, mmr_using = unlike(r)
    some = [
        ("batch of queries", lambda c: [hits(one) for one in c.query_batch_points(C, requests)]),
        ("groups", groups),
        ("matrix", matrix),
        ("facet", lambda c: sorted((str(h.value), h.count) for h in c.facet(C, "kind", facet_filter=chosen).hits)),
        ("ordered", ordered),
        ("query", lambda c: hits(c.query_points(C, prefetch=source, query=formula, limit=limit))),
        ("query", lambda c: hits(c.query_points(C, query=mmr, using=mmr_using, query_filter=chosen, limit=limit))),
        ("query", lambda c: hits(c.query_points(C, query=liked, using=liked_using, limit=limit))),
    ]
    if WIDE:
        # The engine has neither.
        some = [one for one in some if one[0] not in ("groups", "matrix")] + wide.looks(r, chosen, C)
    return r.choice(some)


def step(r, writes=True):
    """One call: its name, and what it does with a client."""
    pick = r.random() if writes else r.uniform(0.24, 1)
    ids = some_ids(r)
    if pick < 0.08:
        points = [point(r, id) for id in ids]
        return "upsert", lambda c: c.upsert(C, points, wait=True) and None
    if pick < 0.11:
        return "delete", lambda c: c.delete(C, ids, wait=True) and None
    if pick < 0.14:
        selector = filter_of(r)
        given = {"extra": r.randint(0, 9)}
        return "set_payload", lambda c: c.set_payload(C, given, points=selector, wait=True) and None
    if pick < 0.17:
        selector = filter_of(r)
        return "delete_payload", lambda c: c.delete_payload(C, ["extra", "x"], points=selector, wait=True) and None
    if pick < 0.24:
        return change(r, ids)
    if pick < 0.32:
        return look(r)
    if pick < 0.4:
        chosen = filter_of(r)
        return "count", lambda c: c.count(C, count_filter=chosen).count
    if pick < 0.5:
        chosen, limit = maybe_filter(r), r.randint(1, 20)

        def scroll(c):
            points, following = c.scroll(C, scroll_filter=chosen, limit=limit)
            return [(p.id, payload_of(p)) for p in points], following

        return "scroll", scroll
    if pick < 0.55:
        return "retrieve", lambda c: sorted((str(p.id), payload_of(p)) for p in c.retrieve(C, ids))
    asked = query(r)
    return "query", lambda c: hits(c.query_points(C, **asked))
