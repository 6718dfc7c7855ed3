"""Qdrant's own engine in this process, asked as its Python client is asked: the part of both that can be compared.

The engine comes from the Python registry (`qdrant-edge-py`); it has points, payloads, filters and queries, and no server:
so no envelope, no statuses, no groups, no matrix, no query by the id of a point and no recommendation by an average.
"""

import pathlib
import tempfile
from types import SimpleNamespace

import qdrant_edge as e
from qdrant_client import models as m


def vector(given):
    if isinstance(given, m.SparseVector):
        return e.SparseVector(given.indices, given.values)
    if isinstance(given, dict):
        return {name: vector(one) for name, one in given.items()}
    return given


def several(given):
    if given is None:
        return None
    return [condition(one) for one in (given if isinstance(given, list) else [given])]


def filter_of(given):
    if given is None:
        return None
    least = given.min_should and e.MinShould(several(given.min_should.conditions), given.min_should.min_count)
    return e.Filter(several(given.must), several(given.should), several(given.must_not), least)


def place(given):
    return e.GeoPoint(given.lon, given.lat)


def ring(given):
    return [place(one) for one in given.points]


def matched(given):
    if given is None:
        return None
    name, value = next(iter(given.model_dump(by_alias=True).items()))
    kinds = {
        "value": e.MatchValue, "any": e.MatchAny, "except": e.MatchExcept, "text": e.MatchText,
        "text_any": e.MatchTextAny, "phrase": e.MatchPhrase, "prefix": e.MatchPrefix, "substring": e.MatchSubstring,
    }
    return kinds[name](value)


def span(given):
    if given is None:
        return None
    ends = given.model_dump(exclude_none=True)
    if isinstance(given, m.DatetimeRange):
        return e.RangeDateTime(**{name: end.isoformat() for name, end in ends.items()})
    return e.RangeFloat(**ends)


def condition(given):
    if isinstance(given, m.Filter):
        return filter_of(given)
    if isinstance(given, m.IsEmptyCondition):
        return e.IsEmptyCondition(given.is_empty.key)
    if isinstance(given, m.IsNullCondition):
        return e.IsNullCondition(given.is_null.key)
    if isinstance(given, m.HasIdCondition):
        return e.HasIdCondition(set(given.has_id))
    if isinstance(given, m.HasVectorCondition):
        return e.HasVectorCondition(given.has_vector)
    if isinstance(given, m.NestedCondition):
        return e.NestedCondition(given.nested.key, filter_of(given.nested.filter))
    if isinstance(given, m.SliceCondition):
        return e.SliceCondition(given.slice.total, given.slice.index)
    box, circle, polygon, count = given.geo_bounding_box, given.geo_radius, given.geo_polygon, given.values_count
    return e.FieldCondition(
        given.key,
        matched(given.match),
        span(given.range),
        box and e.GeoBoundingBox(place(box.top_left), place(box.bottom_right)),
        circle and e.GeoRadius(place(circle.center), circle.radius),
        polygon and e.GeoPolygon(ring(polygon.exterior), [ring(one) for one in polygon.interiors or []] or None),
        count and e.ValuesCount(**count.model_dump(exclude_none=True)),
        given.is_empty,
        given.is_null,
    )


CONDITIONS = (
    m.FieldCondition, m.IsEmptyCondition, m.IsNullCondition, m.HasIdCondition, m.HasVectorCondition, m.SliceCondition, m.NestedCondition, m.Filter,
)


def expression(given):
    x = e.Expression
    if isinstance(given, (int, float)):
        return x.Constant(float(given))
    if isinstance(given, str):
        return x.Variable(given)
    if isinstance(given, CONDITIONS):
        return x.Condition(condition(given))
    name = next(iter(type(given).model_fields))
    of = getattr(given, name)
    if name in ("sum", "mult", "max", "min"):
        return getattr(x, name.title())([expression(one) for one in of])
    if name in ("neg", "sqrt", "exp", "log10", "ln", "acosh", "abs"):
        return getattr(x, name.title())(expression(of))
    if name == "div":
        return x.Div(expression(of.left), expression(of.right), of.by_zero_default)
    if name == "pow":
        return x.Pow(expression(of.base), expression(of.exponent))
    if name == "geo_distance":
        return x.GeoDistance(place(of.origin), of.to)
    if name == "datetime":
        return x.Datetime(of)
    if name == "datetime_key":
        return x.DatetimeKey(of)
    kind = {"lin_decay": e.DecayKind.Lin, "exp_decay": e.DecayKind.Exp, "gauss_decay": e.DecayKind.Gauss}[name]
    target = None if of.target is None else expression(of.target)
    return x.Decay(kind, expression(of.x), target, of.midpoint, of.scale)


def pairs(given):
    return [e.ContextPair(vector(pair.positive), vector(pair.negative)) for pair in (given if isinstance(given, list) else [given])]


def order_of(given):
    if given is None:
        return None
    if isinstance(given, str):
        return e.OrderBy(given)
    directions = {m.Direction.ASC: e.Direction.Asc, m.Direction.DESC: e.Direction.Desc, None: None}
    begin = given.start_from.isoformat() if hasattr(given.start_from, "isoformat") else given.start_from
    return e.OrderBy(given.key, directions[given.direction], begin)


def query_of(given, using, limit):
    if given is None:
        return None
    if isinstance(given, m.NearestQuery):
        if not given.mmr:
            return e.Query.Nearest(vector(given.nearest), using)
        diversity = 0.5 if given.mmr.diversity is None else given.mmr.diversity
        return e.Mmr(vector(given.nearest), 1 - diversity, given.mmr.candidates_limit or limit, using)
    if isinstance(given, m.TextQuery):
        bm25 = given.text.scoring and given.text.scoring.bm25
        return e.TextQuery(using, given.text.query, bm25 and e.Bm25Params(bm25.k, bm25.b))
    if isinstance(given, m.FusionQuery):
        return e.Fusion.Dbsf() if given.fusion == m.Fusion.DBSF else e.Fusion.Rrf(2)
    if isinstance(given, m.RrfQuery):
        return e.Fusion.Rrf(given.rrf.k or 2, given.rrf.weights)
    if isinstance(given, m.OrderByQuery):
        return order_of(given.order_by)
    if isinstance(given, m.SampleQuery):
        return e.Sample.Random
    if isinstance(given, m.FormulaQuery):
        return e.Formula(expression(given.formula), given.defaults or {})
    if isinstance(given, m.RecommendQuery):
        of = given.recommend
        examples = e.RecommendQuery(*[[vector(one) for one in side or []] for side in (of.positive, of.negative)])
        best = of.strategy == m.RecommendStrategy.BEST_SCORE
        return (e.Query.RecommendBestScore if best else e.Query.RecommendSumScores)(examples, using)
    if isinstance(given, m.DiscoverQuery):
        of = given.discover
        return e.Query.Discover(e.DiscoverQuery(vector(of.target), pairs(of.context)), using)
    if isinstance(given, m.ContextQuery):
        return e.Query.Context(e.ContextQuery(pairs(given.context)), using)
    if isinstance(given, m.RelevanceFeedbackQuery):
        of = given.relevance_feedback
        items = [e.FeedbackItem(vector(one.example), one.score) for one in of.feedback]
        naive = of.strategy.naive
        strategy = e.NaiveFeedbackStrategy(naive.a, naive.b, naive.c)
        return e.Query.FeedbackNaive(e.FeedbackNaiveQuery(vector(of.target), items, strategy), using)
    return e.Query.Nearest(vector(given), using)


def params(given):
    if given is None:
        return None
    idf = given.idf and e.IdfParams(filter_of(given.idf.corpus))
    return e.SearchParams(hnsw_ef=given.hnsw_ef, exact=bool(given.exact), idf=idf)


def prefetches(given):
    if not given:
        return None
    return [
        e.Prefetch(
            one.limit or 10, query_of(one.query, one.using, one.limit or 10), prefetches(one.prefetch), params(one.params),
            filter_of(one.filter), one.score_threshold,
        )
        for one in (given if isinstance(given, list) else [given])
    ]


def selected(given):
    if isinstance(given, m.PayloadSelectorInclude):
        return e.PayloadSelector.Include(given.include)
    if isinstance(given, m.PayloadSelectorExclude):
        return e.PayloadSelector.Exclude(given.exclude)
    return given


def shown(found):
    """A vector as the client shows it."""
    def one(given):
        return m.SparseVector(indices=given.indices, values=given.values) if isinstance(given, e.SparseVector) else given

    out = found.vector
    return {name: one(given) for name, given in out.items()} if isinstance(out, dict) else one(out)


def id_of(found):
    return found if found is None or isinstance(found, int) else str(found)


def point(found):
    scored = {"score": found.score} if hasattr(found, "score") else {}
    order_value = getattr(found, "order_value", None)
    return SimpleNamespace(id=id_of(found.id), payload=found.payload, vector=shown(found), order_value=order_value, **scored)



class Edge:
    """The calls of a client that the engine has. It keeps one collection: the names given are not looked at."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="edge-")

    def collection_exists(self, _name):
        return False

    def create_collection(self, _name, vectors_config, sparse_vectors_config):
        distances = {of: getattr(e.Distance, of.value) for of in m.Distance}

        def dense(of):
            several = of.multivector_config and e.MultiVectorConfig(e.MultiVectorComparator.MaxSim)
            return e.EdgeVectorParams(of.size, distances[of.distance], multivector_config=several)

        def sparse(of):
            return e.EdgeSparseVectorParams(modifier=e.Modifier.Idf if of.modifier == m.Modifier.IDF else None)

        config = e.EdgeConfig(
            vectors={name: dense(of) for name, of in vectors_config.items()},
            sparse_vectors={name: sparse(of) for name, of in sparse_vectors_config.items()},
        )
        self.shard = e.EdgeShard.create(str(pathlib.Path(self.folder.name) / "shard"), config)

    def create_payload_index(self, _name, field_name, field_schema):
        if isinstance(field_schema, m.TextIndexParams):
            schema = e.TextIndexParams(tokenizer=e.TokenizerType.Word, lowercase=True, phrase_matching=True, scoring=True)
        else:
            schema = getattr(e.PayloadSchemaType, field_schema.value.title())
        self.shard.update(e.UpdateOperation.create_field_index(field_name, schema))

    def update(self, kind, points, *rest):
        """By ids, or by a filter."""
        by_filter = isinstance(points, m.Filter)
        change = getattr(e.UpdateOperation, f"{kind}_by_filter" if by_filter else kind)
        self.shard.update(change(filter_of(points) if by_filter else points, *rest))

    def upsert(self, _name, points, wait=True, update_filter=None, update_mode=None):
        modes = {m.UpdateMode.INSERT_ONLY: e.UpdateMode.InsertOnly, m.UpdateMode.UPDATE_ONLY: e.UpdateMode.UpdateOnly}
        given = [e.Point(one.id, vector(one.vector), one.payload) for one in points]
        self.shard.update(e.UpdateOperation.upsert_points(given, filter_of(update_filter), modes.get(update_mode)))

    def update_vectors(self, _name, points, wait=True):
        given = [e.PointVectors(one.id, vector(one.vector)) for one in points]
        self.shard.update(e.UpdateOperation.update_vectors(given))

    def delete(self, _name, points_selector, wait=True):
        self.update("delete_points", points_selector)

    def delete_vectors(self, _name, vectors, points, wait=True):
        self.update("delete_vectors", points, vectors)

    def set_payload(self, _name, payload, points, key=None, wait=True):
        self.update("set_payload", points, payload, key)

    def overwrite_payload(self, _name, payload, points, wait=True):
        self.update("overwrite_payload", points, payload)

    def delete_payload(self, _name, keys, points, wait=True):
        self.update("delete_payload", points, keys)

    def clear_payload(self, _name, points_selector, wait=True):
        self.update("clear_payload", points_selector)

    def batch_update_points(self, name, operations, wait=True):
        for operation in operations:
            kind = next(iter(type(operation).model_fields))
            of = getattr(operation, kind)
            if kind == "upsert":
                self.upsert(name, of.points)
            elif kind == "set_payload":
                self.set_payload(name, of.payload, of.points or of.filter, of.key)
            else:
                self.delete_payload(name, of.keys, of.points or of.filter)

    def count(self, _name, count_filter=None):
        return SimpleNamespace(count=self.shard.count(e.CountRequest(True, filter_of(count_filter))))

    def scroll(self, _name, scroll_filter=None, limit=10, offset=None, order_by=None, with_payload=True, with_vectors=False):
        asked = e.ScrollRequest(offset, limit, filter_of(scroll_filter), selected(with_payload), with_vectors, order_of(order_by))
        points, following = self.shard.scroll(asked)
        return [point(one) for one in points], id_of(following)

    def retrieve(self, _name, ids, with_payload=True, with_vectors=False):
        return [point(one) for one in self.shard.retrieve(ids, selected(with_payload), with_vectors)]

    def facet(self, _name, key, facet_filter=None, limit=10):
        hits = self.shard.facet(e.FacetRequest(key, limit, True, filter_of(facet_filter)))
        # Values that no point has any more are counted there, none times.
        return SimpleNamespace(hits=[hit for hit in hits if hit.count > 0])

    def query_points(self, _name, query=None, using=None, prefetch=None, query_filter=None, limit=10, offset=None,
                     score_threshold=None, search_params=None, with_payload=True, with_vectors=False):
        asked = e.QueryRequest(
            limit, offset, query_of(query, using, limit), prefetches(prefetch), with_vectors, selected(with_payload),
            filter_of(query_filter), score_threshold, params(search_params),
        )
        points = [point(one) for one in self.shard.query(asked)]
        for one in () if with_vectors else points:
            # Reranked by their own vectors, they still carry them.
            one.vector = None
        return SimpleNamespace(points=points)

    def query_batch_points(self, name, requests):
        return [
            self.query_points(
                name, one.query, one.using, one.prefetch, one.filter, one.limit, one.offset, one.score_threshold, one.params,
                one.with_payload, one.with_vector,
            )
            for one in requests
        ]
