"""The client covers the whole of nigh.v1: every call, and every field of what is mirrored."""

import dataclasses
import inspect
import pathlib
import re

import pytest

import nigh.calls.collections
import nigh.calls.points
from nigh import calls, replies, retrievers, schema, transport
from nigh.calls import versions
from nigh.v1 import collections_pb2, integrity_pb2, points_pb2, ranking_pb2, sources_pb2, versions_pb2

#: Dataclasses whose fields are those of a message, and what has another name or place in Python.
MIRRORED = [
    (schema.HnswSpec, collections_pb2.HnswSpec),
    (schema.IvfSpec, collections_pb2.IvfSpec),
    (schema.VectorField, collections_pb2.VectorField),
    (schema.SparseField, collections_pb2.SparseField),
    (schema.MultiField, collections_pb2.MultiField),
    (schema.TextField, collections_pb2.TextField),
    (schema.CollectionSpec, collections_pb2.CollectionSpec),
    (schema.SegmentStatus, collections_pb2.SegmentStatus),
    (schema.UpkeepTask, collections_pb2.UpkeepTask),
    (schema.MemoryStatus, collections_pb2.MemoryStatus),
    (schema.CollectionStatus, collections_pb2.CollectionStatus),
    (schema.Description, collections_pb2.DescribeCollectionReply),
    (schema.OpeningProgress, collections_pb2.OpeningProgress),
    (schema.CollectionSummary, collections_pb2.CollectionSummary),
    (schema.Alias, collections_pb2.Alias),
    (schema.Estimate, collections_pb2.EstimateReply),
    (schema.Version, versions_pb2.Version),
    (schema.Change, versions_pb2.Change),
    (schema.BackedUpCollection, versions_pb2.BackedUpCollection),
    (schema.Backup, versions_pb2.BackupSummary),
    (schema.Restored, versions_pb2.RestoreSummary),
    (versions.DiffPage, versions_pb2.DiffReply),
    (schema.ScrubbedCollection, integrity_pb2.ScrubbedCollection),
    (schema.SourcePosition, sources_pb2.SourcePosition),
    (schema.ReachedPosition, sources_pb2.ReachedPosition),
    (replies.WriteReply, points_pb2.WriteReply),
    (replies.Placing, points_pb2.Placing),
    (replies.Plan, points_pb2.Plan),
    (replies.Stage, points_pb2.Stage),
    (replies.RetrieverRun, points_pb2.RetrieverRun),
    (replies.PlanCost, points_pb2.PlanCost),
    (replies.MeasuredRecall, points_pb2.MeasuredRecall),
    (replies.PartPlan, points_pb2.PartPlan),
    (replies.Explanation, points_pb2.Explanation),
    (replies.QueryReply, points_pb2.QueryReply),
    (replies.Page, points_pb2.ScrollReply),
    (replies.Facets, points_pb2.FacetReply),
    (replies.FacetValue, points_pb2.FacetValue),
    (replies.Group, points_pb2.Group),
    (retrievers.ReciprocalRank, ranking_pb2.ReciprocalRank),
    (retrievers.ScoreFusion, ranking_pb2.ScoreFusion),
    (retrievers.ScoreBounds, ranking_pb2.ScoreBounds),
    (retrievers.Highlighting, points_pb2.Highlighting),
]


@pytest.mark.parametrize(("kind", "message"), MIRRORED, ids=[kind.__name__ for kind, _ in MIRRORED])
def test_a_mirror_has_every_field(kind, message):
    ours = {one.name for one in dataclasses.fields(kind)}
    assert ours == set(message.DESCRIPTOR.fields_by_name)


def test_every_call_is_made_by_somebody():
    room = pathlib.Path(calls.__file__).parent
    made = set(re.findall(r'(?:Call|Stream)\("([A-Za-z.]+)"', "".join(one.read_text() for one in room.glob("*.py"))))
    assert made == set(transport.METHODS) - {"Points.Ingest"}


def test_every_field_of_a_request_is_set_by_somebody():
    told = {name for room in (calls.points, calls.collections, versions) for name in re.findall(r"\w+", inspect.getsource(room))}
    missing = []
    for room in (collections_pb2, points_pb2, versions_pb2, sources_pb2, integrity_pb2):
        for name, message in room.DESCRIPTOR.message_types_by_name.items():
            if name.endswith("Request") and not name.startswith("Ingest"):
                missing += [f"{name}.{one}" for one in message.fields_by_name if one not in told]
    assert missing == []
