"""Payloads, filters, queries and writes beyond those that the Python client's local mode answers as a server does."""

import datetime

from qdrant_client import models as m

WORDS = ["red", "green", "blue", "Cyan", "grey", "pink"]
UUIDS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(12)]
DAY = datetime.datetime(2024, 5, 17, tzinfo=datetime.timezone.utc)
# docs/migrating-from-qdrant.md tells what is left out here, for it is answered otherwise: lists of nulls that are counted or
# asked whether they are empty, numbers such as 2.0 that are asked for as 2, objects beside what `except` names, paths that
# say [] of what is no list or do not say it of one, and what lies on the edge of a box. The engine's Python takes a bool
# that is matched for a number, so none is.
VOIDS = [None, [], {}, 0, "", [1], [1, 2], {"deeper": None}]
NULLS = [None, [None], [None, 1], [], 1]
MIXED = [0, 1, 2, -3, 2.5, "1", "a", [1, 2], [1, "a"], ["a", "b"], [2.5, 3], None]


def sentence(r):
    return " ".join(r.choice(WORDS) for _ in range(r.randint(1, 5)))


def instant(r):
    return DAY + datetime.timedelta(hours=r.randint(-200, 200))


def place(r, spread=1.0):
    return {"lat": round(45 + r.uniform(-5, 5) * spread, 3), "lon": round(10 + r.uniform(-10, 10) * spread, 3)}


def payload(r):
    made = {"text": sentence(r), "loose": sentence(r)}
    if r.random() < 0.7:
        made["void"] = r.choice(VOIDS)
    if r.random() < 0.5:
        made["nulls"] = r.choice(NULLS)
    if r.random() < 0.7:
        made["mixed"] = r.choice(MIXED)
    if r.random() < 0.7:
        when = instant(r)
        made["when"] = when.isoformat() if r.random() < 0.8 else [when.isoformat(), instant(r).isoformat()]
    if r.random() < 0.5:
        made["places"] = [place(r) for _ in range(r.randint(1, 2))]
    if r.random() < 0.4:
        made["uuid"] = r.choice(UUIDS)
    if r.random() < 0.4:
        made["tree"] = [{"leaves": [{"n": r.randint(0, 3)} for _ in range(r.randint(0, 2))]} for _ in range(r.randint(0, 2))]
    if r.random() < 0.5:
        made["flag"] = r.random() < 0.5
    return made


def ring(r):
    """A triangle about a place, closed."""
    lat, lon = 45 + r.uniform(-2, 2), 10 + r.uniform(-3, 3)
    corners = [(lat - 3.1, lon - 4.2), (lat + 3.3, lon), (lat - 2.7, lon + 4.4), (lat - 3.1, lon - 4.2)]
    return m.GeoLineString(points=[m.GeoPoint(lat=one[0], lon=one[1]) for one in corners])


def conditions(r):
    f = m.FieldCondition
    words = " ".join(r.choice(WORDS) for _ in range(r.randint(1, 2)))
    when, corner = instant(r), place(r, 0.5)
    count = m.ValuesCount(**{r.choice(["lt", "gt", "lte", "gte"]): r.randint(0, 2)})
    end = r.choice(["lt", "gt", "lte", "gte"])
    total = r.randint(1, 9)
    voids = r.choice(["void", "mixed", "void.deeper", "nowhere", "tags", "deep.er"])
    some = r.choice([1, 2, -3, "a", "1", "b"])
    box = m.GeoBoundingBox(
        top_left=m.GeoPoint(lat=corner["lat"] + 2.0005, lon=corner["lon"] - 4.0005),
        bottom_right=m.GeoPoint(lat=corner["lat"] - 2.0005, lon=corner["lon"] + 4.0005),
    )
    inner = m.Filter(
        must_not=[f(key="k", match=m.MatchValue(value=r.randint(0, 3)))],
        should=[f(key="v", match=m.MatchValue(value=v)) for v in ("a", "b")],
    )
    return [
        f(key="text", match=m.MatchText(text=words)),
        f(key="text", match=m.MatchTextAny(text_any=words)),
        f(key="text", match=m.MatchPhrase(phrase=words)),
        f(key="kind", match=m.MatchPrefix(prefix=r.choice(["a", "b", "x"]))),
        f(key="nulls", is_null=r.random() < 0.5),
        m.IsNullCondition(is_null=m.PayloadField(key="nulls")),
        f(key=voids, is_empty=r.random() < 0.5),
        f(key=voids, is_null=r.random() < 0.5),
        m.IsEmptyCondition(is_empty=m.PayloadField(key=voids)),
        m.IsNullCondition(is_null=m.PayloadField(key=voids)),
        f(key="mixed", match=m.MatchValue(value=some)),
        f(key="mixed", match=m.MatchAny(any=r.choice([[1, 2], ["a", "1"]]))),
        f(key="mixed", match=m.MatchExcept(**{"except": r.choice([[1, 2], ["a", "b"]])})),
        f(key="mixed", range=m.Range(**{end: r.choice([0, 1, 2, 2.5])})),
        f(key="when", range=m.DatetimeRange(**{end: when})),
        f(key="uuid", match=m.MatchValue(value=r.choice(UUIDS))),
        f(key="uuid", match=m.MatchAny(any=r.sample(UUIDS, 3))),
        f(key="tree[].leaves[].n", match=m.MatchValue(value=r.randint(0, 3))),
        f(key="tree[].leaves[].n", range=m.Range(gte=r.randint(0, 3))),
        f(key=r.choice(["tags", "mixed", "void", "nowhere"]), values_count=count),
        f(key="places", geo_bounding_box=box),
        f(key="places", geo_polygon=m.GeoPolygon(exterior=ring(r))),
        f(key="places[]", geo_radius=m.GeoRadius(center=m.GeoPoint(**corner), radius=r.uniform(1e5, 5e5))),
        f(key=r.choice(["kind", "text", "tags"]), match=m.MatchSubstring(substring=r.choice(["a", "b", "ri", "", words[:4]]))),
        m.SliceCondition(slice=m.Slice(total=total, index=r.randrange(total))),
        f(key=f"parts[{r.randint(0, 2)}].k", match=m.MatchValue(value=r.randint(0, 3))),
        f(key=f"tags[{r.randint(0, 2)}]", match=m.MatchAny(any=["a", "b"])),
        f(key="tree[0].leaves[].n", range=m.Range(gte=r.randint(0, 3))),
        m.HasVectorCondition(has_vector=r.choice(["one", "words", "many"])),
        m.HasIdCondition(has_id=r.sample(UUIDS, 6) + r.sample(range(60), 10)),
        m.NestedCondition(nested=m.Nested(key=r.choice(["parts", "parts[]"]), filter=inner)),
        m.NestedCondition(nested=m.Nested(key="tree", filter=m.Filter(
            must=[f(key="leaves[].n", match=m.MatchValue(value=r.randint(0, 3)))]))),
        m.Filter(min_should=m.MinShould(min_count=r.randint(1, 3), conditions=[
            f(key="kind", match=m.MatchValue(value="a")), f(key="n", range=m.Range(gte=10)),
            f(key="uuid", is_empty=True), m.IsEmptyCondition(is_empty=m.PayloadField(key="tags"))])),
        m.Filter(should=[]),
    ]


def selector(r):
    paths = r.sample(["kind", "deep", "deep.er", "parts[].k", "parts.v", "tree[].leaves", "at.lat", "nowhere", "tags", "mixed.a", "parts[0].k"], 2)
    return r.choice([
        True, False, paths, m.PayloadSelectorInclude(include=paths), m.PayloadSelectorExclude(exclude=paths),
    ])


def formula(r, condition):
    """Expressions of finite values."""
    def one(depth):
        leaves = ["$score", "n", "x", round(r.uniform(-3, 3), 2), condition]
        if depth > 2 or r.random() < 0.3:
            return r.choice(leaves)
        a, b = one(depth + 1), one(depth + 1)
        decay = m.DecayParamsExpression(x=a, target=r.choice([None, 1.0]), scale=r.choice([None, 2.0]), midpoint=r.choice([None, 0.3]))
        return r.choice([
            m.SumExpression(sum=[a, b]), m.MultExpression(mult=[a, b]), m.NegExpression(neg=a), m.AbsExpression(abs=a),
            m.DivExpression(div=m.DivParams(left=a, right=m.SumExpression(sum=[1.5, m.AbsExpression(abs=b)]))),
            m.SqrtExpression(sqrt=m.AbsExpression(abs=a)), m.ExpExpression(exp=m.LinDecayExpression(lin_decay=decay)),
            m.LnExpression(ln=m.SumExpression(sum=[1.0, m.AbsExpression(abs=a)])),
            m.PowExpression(pow=m.PowParams(base=m.AbsExpression(abs=a), exponent=0.5)),
            m.Log10Expression(log10=m.SumExpression(sum=[1.0, m.AbsExpression(abs=a)])),
            m.LinDecayExpression(lin_decay=decay), m.ExpDecayExpression(exp_decay=decay), m.GaussDecayExpression(gauss_decay=decay),
            m.MaxExpression(max=[a, b]), m.MinExpression(min=[a, b]),
            m.AcoshExpression(acosh=m.SumExpression(sum=[1.0, m.AbsExpression(abs=a)])),
            m.DatetimeKeyExpression(datetime_key="since"),
        ])
    return m.FormulaQuery(formula=one(0), defaults={"n": 3, "x": 0.5, "since": "2024-01-01T00:00:00Z"})


def by_words(r):
    """A query by text; a word that is said twice counts once."""
    params = m.Bm25Params(k=r.choice([None, 0.0, 1.7]), b=r.choice([None, 0.0, 1.0]))
    scoring = m.Bm25Scoring(bm25=params) if r.random() < 0.5 else None
    return m.TextQuery(text=m.TextQueryInput(query=sentence(r), scoring=scoring))


def among(r, filter_of):
    """Among which points it is counted how rare a word is."""
    return m.SearchParams(idf=m.IdfCorpusParams(corpus=filter_of(r))) if r.random() < 0.3 else None


def query(r, vector, sparse, many, condition, filter_of, rare, by_examples, unlike, rarity):
    """Arguments of query_points; `rare` is the field of sparse vectors."""
    using = r.choice(["one", "far", "dot", "taxi"])
    made = {"query_filter": filter_of(r) if r.random() < 0.5 else None, "limit": r.randint(1, 12), "with_payload": selector(r)}
    leaf = {"filter": filter_of(r) if r.random() < 0.3 else None, "limit": r.randint(3, 15)}
    if made["query_filter"] and leaf["filter"]:
        # What should hold of the one and of the other is one list there; docs/migrating-from-qdrant.md tells it.
        leaf["filter"] = leaf["filter"].model_copy(update={"should": None})
    prefetch = [
        m.Prefetch(query=vector(r), using="dot", **leaf),
        m.Prefetch(query=sparse(r), using=rare, params=rarity(r, rare), **leaf),
        m.Prefetch(query=vector(r), using="far", limit=6, prefetch=[m.Prefetch(query=sparse(r), using="words", limit=15)]),
    ][: r.randint(1, 3)]
    # Words of texts that were overwritten count there, too, until the index is built anew.
    kind = r.randint(0, 14 if rare == "rare" else 13)
    if kind == 14:
        # Many texts score the same: fused, they would stand in any order.
        made |= {"query": by_words(r), "using": "text", "search_params": among(r, filter_of), "score_threshold": r.choice([None, 0.5])}
        if r.random() < 0.3:
            source = m.Prefetch(query=made["query"], using="text", params=made["search_params"], limit=100)
            made |= {"prefetch": source, "query": formula(r, condition(r)), "using": None, "search_params": None, "score_threshold": None}
    elif kind <= 1:
        made |= {"query": vector(r), "using": using, "offset": r.choice([None, 0, 3]), "with_vectors": r.choice([True, ["one", "many"]])}
    elif kind == 2:
        scale = {"one": 0.2, "far": 2.0, "dot": 0.1, "taxi": 5.0}[using]
        made |= {"query": vector(r), "using": using, "score_threshold": scale}
    elif kind == 3:
        made |= {"query": sparse(r), "using": rare, "score_threshold": r.choice([None, 0.5]), "search_params": rarity(r, rare)}
    elif kind == 4:
        made |= {"query": many(r), "using": r.choice(["many", "lots"]), "score_threshold": r.choice([None, 1.0])}
    elif kind == 5:
        made["query"], made["using"] = by_examples(r)
        made["limit"] = 100
    elif kind == 6:
        weights = [round(r.uniform(0.1, 3), 2) for _ in prefetch]
        made |= {"prefetch": prefetch, "query": m.RrfQuery(rrf=m.Rrf(k=r.choice([None, 1, 60]), weights=weights))}
    elif kind == 7:
        # Distances are fused the other way round there: what is farther counts more.
        made |= {"prefetch": prefetch[:2], "query": m.FusionQuery(fusion=m.Fusion.DBSF), "score_threshold": r.choice([None, 0.6])}
    elif kind == 8:
        made |= {"prefetch": prefetch[:1], "query": formula(r, condition(r))}
    elif kind == 9:
        made |= {"query": m.OrderByQuery(order_by=m.OrderBy(key="n", direction=r.choice(list(m.Direction)))), "limit": 100}
    elif kind == 10:
        made |= {}
    elif kind == 11:
        made["query"], made["using"] = unlike(r)
    else:
        made["query"], made["using"] = by_examples(r)
    return made


def changes(r, ids, points, vector, sparse, many, filter_of, name):
    """Writes: (name, what it does)."""
    given = {"void": r.choice([one for one in VOIDS if one is not None]), "mixed": r.choice(MIXED[:-1])}
    nulls = given | {"kind": r.choice(["a", "d"]), "extra": None}
    vectors = [
        m.PointVectors(id=id, vector=r.choice([{"one": vector(r)}, {"words": sparse(r), "far": vector(r)}, {"many": many(r)}]))
        for id in ids
    ]
    chosen, mode = filter_of(r), r.choice(list(m.UpdateMode))
    path = r.choice(["deep.er", "parts[].k", "parts[0].v", "tree[].leaves[].n", "mixed.a", "at", "tags", "nowhere.x", "void"])
    below = r.choice(["deep", "parts[]", "parts[0]", "new.er", "tree[].leaves[]", "mixed", "tags"])
    return [
        ("set_payload of nulls", lambda c: c.set_payload(name, nulls, points=chosen, wait=True) and None),
        ("set_payload by ids", lambda c: c.set_payload(name, given, points=ids, wait=True) and None),
        ("overwrite_payload by ids", lambda c: c.overwrite_payload(name, given, points=ids, wait=True) and None),
        ("set_payload below", lambda c: c.set_payload(name, {"k": 7, "z": [1]}, points=chosen, key=below, wait=True) and None),
        ("delete_payload by ids", lambda c: c.delete_payload(name, [path], points=ids, wait=True) and None),
        ("clear_payload by ids", lambda c: c.clear_payload(name, ids, wait=True) and None),
        ("update_vectors", lambda c: c.update_vectors(name, vectors, wait=True) and None),
        ("delete_vectors by ids", lambda c: c.delete_vectors(name, ["far", "many"], points=ids, wait=True) and None),
        ("upsert of a mode", lambda c: c.upsert(name, points, update_mode=mode, wait=True) and None),
        ("upsert where", lambda c: c.upsert(name, points, update_filter=chosen, wait=True) and None),
    ]


def looks(r, chosen, name):
    """Reads: (name, what it does)."""
    key, direction, limit = r.choice(["x", "n", "when"]), r.choice(list(m.Direction)), r.randint(1, 80)
    from_ = {"x": round(r.uniform(0, 10), 1), "n": r.randint(0, 20), "when": instant(r)}[key] if r.random() < 0.5 else None
    by, facet, what = m.OrderBy(key=key, direction=direction, start_from=from_), r.choice(["kind", "n", "flag", "tags", "uuid"]), selector(r)
    offset = r.choice(UUIDS + list(range(60)))

    def records(points):
        return [(p.id, p.payload or {}, p.vector) for p in points]

    def ordered(c):
        """With the values; of those that are equal any may come first, and those with several values are left out."""
        single = m.FieldCondition(key=key, values_count=m.ValuesCount(lte=1))
        among = m.Filter(must=[single, chosen] if chosen else [single])
        points = c.scroll(name, scroll_filter=among, order_by=by, limit=limit)[0]
        last = points[-1].payload.get(key) if points else None
        return [p.payload[key] for p in points], sorted((str(p.id) for p in points if p.payload.get(key) != last))

    def paged(c):
        points, following = c.scroll(name, scroll_filter=chosen, offset=offset, limit=limit, with_payload=what, with_vectors=True)
        return records(points), following

    return [
        ("ordered", ordered),
        ("scroll", paged),
        ("retrieve", lambda c: records(c.retrieve(name, [offset, 7, offset], with_payload=what, with_vectors=["one", "words"]))),
        ("facet", lambda c: sorted((str(h.value), h.count) for h in c.facet(name, facet, facet_filter=chosen, limit=50).hits)),
    ]
