"""Filters: built, read and shown are one; what is wrong is pointed at; and the server means the same."""

import datetime

import pytest

import nigh
from nigh import field, parse_filter

#: What is written, what is built.
SAME = [
    ("a = 1", field("a") == 1),
    ("a == 'it''s'", field("a") == "it's"),
    ("a = 'o\\\\k'", field("a") == "o\\k"),
    ("a = TRUE", field("a") == True),  # noqa: E712
    ("a = -1.5e3", field("a") == -1500.0),
    ("a != 3", field("a") != 3),
    ("a <> 3", field("a") != 3),
    ("a > 1 AND b <= 2", (field("a") > 1) & (field("b") <= 2)),
    ("a = 1 OR b = 2 OR c = 3", (field("a") == 1) | (field("b") == 2) | (field("c") == 3)),
    ("a = 1 AND NOT b = 2", (field("a") == 1) & ~(field("b") == 2)),
    ("a = 1 AND (b = 2 OR c = 3)", (field("a") == 1) & ((field("b") == 2) | (field("c") == 3))),
    ("NOT (a = 1 AND b = 2)", ~((field("a") == 1) & (field("b") == 2))),
    ("a IN ('x', 2)", field("a").is_in(["x", 2])),
    ("a NOT IN ('x')", field("a").not_in(["x"])),
    ("a IN ()", field("a").is_in([])),
    ("a BETWEEN 1 AND 2.5", field("a").between(1, 2.5)),
    ("a NOT BETWEEN 1 AND 2", ~field("a").between(1, 2)),
    ("1 < a <= 5", field("a").between(gt=1, lte=5)),
    ("5 >= a > 1", field("a").between(gt=1, lte=5)),
    ("2020 < a", field("a") > 2020),
    ("a >= '2020-06-01'", field("a") >= "2020-06-01"),
    ("a >= '2020-06-01'", field("a") >= datetime.date(2020, 6, 1)),
    ("a IS NULL", field("a").is_null()),
    ("a IS NOT EMPTY", ~field("a").is_empty()),
    ("a STARTS WITH 'ab'", field("a").starts_with("ab")),
    ("a CONTAINS PHRASE 'x y'", field("a").words("x y", "phrase")),
    ("a WITHIN 500 OF (52.5, -13.4)", field("a").near(52.5, -13.4, 500)),
    ("a WITHIN BOX (52, 13, 53, 14)", field("a").in_box(52, 13, 53, 14)),
    ("a WITHIN POLYGON ((1, 2, 3, 4, 5, 6), (1, 1, 2, 2, 3, 1))", field("a").in_polygon([(1, 2), (3, 4), (5, 6)], [[(1, 1), (2, 2), (3, 1)]])),
    ("COUNT(a) >= 2", field("a").count >= 2),
    ("COUNT(a) = 2", field("a").count == 2),
    ("COUNT(a) BETWEEN 1 AND 3", field("a").count.between(1, 3)),
    ("a HAS (b = 1 AND c < 4)", field("a").has((field("b") == 1) & (field("c") < 4))),
    ("AT_LEAST(2, a = 1, b = 2, c = 3)", nigh.at_least(2, [field("a") == 1, field("b") == 2, field("c") == 3])),
    ("HAS_ID(1, '00000000-0000-0000-0000-000000000001')", nigh.has_id([1, "00000000-0000-0000-0000-000000000001"])),
    ("HAS_VECTOR('v')", nigh.has_vector("v")),
    ("SLICE(1 OF 4)", nigh.in_slice(1, 4)),
    ("a[0].b CONTAINS SUBSTRING 'x' AND rows[][1] = 2", field("a[0].b").substring("x") & (field("rows[][1]") == 2)),
    ("TRUE", nigh.all_of([])),
    ("FALSE", nigh.any_of([])),
    ("count = 3 and `count` > 2 AND \"a.b\".c = 1 AND tags[] = 'x'", (field("count") == 3) & (field("count") > 2) & (field('"a.b".c') == 1) & (field("tags[]") == "x")),
    ("`in` = 1", field("in") == 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "built"), SAME, ids=[text for text, _ in SAME])
def test_built_and_read_are_one_and_what_is_shown_is_read_again(text, built):
    assert parse_filter(text) == built
    shown = repr(built).removeprefix("Condition(").removesuffix(")")
    again = parse_filter(shown)
    # `1 < a AND a <= 5` is two questions where `1 < a <= 5` was one; it is told apart nowhere but in a list.
    assert again == built or "1 < a" in text or "a > 1" in text, shown


#: What is wrong, and what is said of it; the same as the command line says.
WRONG = [
    ("", "at column 1, expected a path, a value, NOT, HAS_ID or (, found the end"),
    ("year >=", "at column 8, expected a number or a date"),
    ("grün = 'x' und y = 2", "at column 12, expected AND, OR or the end, found `und`"),
    ("(a = 1", "at column 7, expected AND, OR or ), found the end"),
    ("a IN (1 2)", "at column 9, expected , or ), found `2`"),
    ("a = 'x", "at column 5, expected a closing ' for this string"),
    ('"a = 1', 'at column 1, expected a closing " for this key'),
    ("a = b", "at column 5, expected a number of 64 bits, a 'text', TRUE or FALSE, found `b`"),
    ("a = 9223372036854775808", "at column 5, expected a number of 64 bits"),
    ("a = 1x", "found `1x`"),
    ("a > 9007199254740993", "at column 5, expected an end that a 64-bit float holds exactly"),
    ("a NOT = 1", "at column 7, expected IN or BETWEEN"),
    ("a IS 1", "at column 6, expected NULL, EMPTY or NOT"),
    ("1 < a > 2", "at column 7, expected a sign that points the same way"),
    ("1 < a < '2020-01-01'", "at column 9, expected a number, like the other end"),
    ("a BETWEEN '2020-01-01' AND 3", "at column 28, expected a date, like the other end"),
    ("a ; b", "at column 3, expected a path, a number, a 'text', NOT or (, found `;`"),
    ("HAS_ID(-1)", "at column 8, expected an id"),
    ("a STARTS 'x'", "at column 10, expected WITH"),
    ("a CONTAINS 'x'", "at column 12, expected ALL, ANY, PHRASE, PREFIX or SUBSTRING"),
    ("SLICE(1, 2)", "at column 8, expected OF and how many slices there are"),
    ("SLICE(2 OF 2)", "slices are counted from 0"),
    ("a WITHIN 5 (1, 2)", "at column 12, expected OF and the centre"),
    ("COUNT(a) >= -1", "at column 13, expected a number from 0"),
    ("a HAS b = 1", "at column 7, expected ( and what one object has to pass"),
    ("(" * 100, "at most 32 open parentheses"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[text[:30] for text, _ in WRONG])
def test_a_mistake_is_pointed_at(text, said):
    with pytest.raises(nigh.InvalidArgumentError) as refused:
        parse_filter(text)
    assert said in str(refused.value)
    assert refused.value.field == "filter"


def test_conditions_are_not_joined_by_words():
    with pytest.raises(TypeError, match="&"):
        (field("a") == 1) and (field("b") == 2)


def test_the_server_means_the_same(books):
    for text, ids in [
        ("year > 1850 AND kind = 'novel'", [2, 4]),
        ("NOT kind = 'novel'", [3]),
        ("title CONTAINS ANY 'war room'", [2, 3]),
        ("1813 <= year < 1871", [1, 2]),
        ("HAS_ID(1, 4) OR kind = 'essay'", [1, 3, 4]),
        ("FALSE", []),
        ("TRUE", [1, 2, 3, 4]),
        ("AT_LEAST(2, year > 1850, kind = 'essay')", [3]),
        ("SLICE(0 OF 2) OR SLICE(1 OF 2)", [1, 2, 3, 4]),
        ("SLICE(0 OF 2) AND SLICE(1 OF 2)", []),
        ("kind CONTAINS SUBSTRING 'ssa' AND kind[0] IS EMPTY", [3]),
    ]:
        assert [point.id for point in books.scroll_all("books", filter=text)] == ids, text
        shown = repr(parse_filter(text)).removeprefix("Condition(").removesuffix(")")
        assert books.count("books", shown) == len(ids), shown
