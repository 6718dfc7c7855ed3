"""Every example of every docstring, against the server: the collection `books` is made anew for each."""

import datetime
import doctest
import importlib
import pkgutil

import numpy as np
import pandas
import pytest

import nigh

MODULES = sorted(one.name for one in pkgutil.walk_packages(nigh.__path__, "nigh.") if ".v1" not in one.name)


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in MODULES:
        for found in finder.find(importlib.import_module(name)):
            if found.examples:
                yield pytest.param(found, id=found.name)


@pytest.mark.parametrize("found", list(examples()))
def test_example(found, books, server):
    for backup in books.backups():
        books.drop_backup(backup.id)
    for alias in books.aliases():
        books.delete_alias(alias.alias)
    names = {"client": books, "address": server.grpc, "nigh": nigh, "np": np, "pandas": pandas, "datetime": datetime}
    found.globs.update(names)
    out = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(found, out=out.append, clear_globs=False)
    assert not runner.summarize(verbose=False).failed, "".join(out)


def test_every_call_has_an_example():
    silent = []
    for module in ("collections", "points", "upload", "versions"):
        room = importlib.import_module(f"nigh.calls.{module}")
        for name, one in vars(room).items():
            told = getattr(one, "__doc__", None) or ""
            if callable(one) and not name.startswith("_") and getattr(one, "__module__", "") == room.__name__:
                if not isinstance(one, type) and name != "durability_out" and ">>>" not in told:
                    silent.append(name)
    assert silent == []
