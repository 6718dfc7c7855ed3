"""The client that is awaited has the same calls, and they do the same."""

import asyncio
import inspect

import numpy as np
import pytest

import nigh
from conftest import BOOKS, Server

SPEC = nigh.CollectionSpec(vectors=[nigh.VectorField("v", 3)], texts=[nigh.TextField("title")])


def test_both_clients_have_the_same_calls():
    def calls(kind):
        return {name: one for name, one in vars(kind).items() if not name.startswith("_")}

    waits, awaits = calls(nigh.Client), calls(nigh.AsyncClient)
    assert waits.keys() == awaits.keys()
    for name, one in waits.items():
        assert list(inspect.signature(one).parameters) == list(inspect.signature(awaits[name]).parameters), name
        assert awaits[name].__doc__, name


def test_the_calls_of_an_application(client, server, matrix):
    async def run():
        async with nigh.AsyncClient(server.grpc) as client:
            await client.create_collection("books", SPEC)
            await client.upsert("books", BOOKS)
            queries = (client.query("books", nigh.Dense([1.0, 0.0, 0.0]), limit=1) for _ in range(20))
            assert {reply[0].id for reply in await asyncio.gather(*queries)} == {1}
            assert await client.with_options(timeout=5.0).count("books", "year < 1900") == 3
            assert [point.id async for point in client.scroll_all("books", limit=3)] == [1, 2, 3, 4]
            assert [hit.id async for hit in client.query_all("books", nigh.OrderBy("year"), limit=3)] == [1, 2, 4, 3]
            with pytest.raises(nigh.NotFoundError):
                await client.count("nothing")
            seen = []
            backup = await client.backup(collections=["books"], on_progress=seen.append)
            assert seen[-1].files == seen[-1].files_total > 0
            assert (await client.restore("books", into="again", backup=backup.id)).points == 4
            await client.create_collection("rows", nigh.CollectionSpec(vectors=[nigh.VectorField("v", 16)]))
            summary = await client.upload("rows", None, matrix)
            assert (summary.ops, await client.count("rows")) == (5000, 5000)

            async def points():
                for id in range(6000, 7000):
                    await asyncio.sleep(0)
                    yield nigh.Point(id, {"v": matrix[0]})

            assert (await client.upload_points("rows", points())).ops == 1000
            assert await client.count("rows") == 6000
            (last,) = await client.get("rows", [4999], vectors=True)
            assert np.array_equal(last.vectors["v"], matrix[4999])

            async def broken():
                yield nigh.Point(1)
                raise KeyError("mine")

            with pytest.raises(KeyError, match="mine"):
                await client.upload_points("rows", broken())
            with pytest.raises(nigh.NotFoundError):
                await client.upload_points("nothing", [nigh.Point(1)])

    asyncio.run(run())


def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(tmp_path):
    server = Server(tmp_path)

    async def run():
        async with nigh.AsyncClient(server.grpc) as client:
            await client.create_collection("rows", nigh.CollectionSpec())

            async def points():
                for id in range(4000):
                    if id == 2000:
                        await asyncio.to_thread(server.kill)
                        await asyncio.to_thread(server.start)
                    yield nigh.Point(id, payload={"id": id})

            summary = await client.upload_points("rows", points(), options=nigh.UploadOptions(batch_ops=20))
            assert summary.resumed >= 1
            assert summary.ops == 4000
            assert await client.count("rows") == 4000

    try:
        asyncio.run(run())
    finally:
        server.kill()
