"""The client that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeVar

import grpc
import grpc.aio

from nigh.calls import collections as of_collections
from nigh.calls import points as of_points
from nigh.calls import upload as of_upload
from nigh.calls import versions as of_versions
from nigh.client import PAGE
from nigh.errors import NighError, ReplyError, from_rpc
from nigh.ingest import Batch, Cutter, Ingest, UploadSummary, batches, broken_off
from nigh.methods import awaited, awaited_stream, awaited_upload
from nigh.points import Point
from nigh.replies import FIRST_PAGE, Hit
from nigh.retry import RetryPolicy
from nigh.transport import METHODS, Call, Configured, Options, Stream, message_bytes

T = TypeVar("T")


class AsyncClient(Configured):
    """A client of one server, with the calls of :class:`nigh.Client`, which are awaited. It belongs to the event loop in
    which it was first used.

        async with nigh.AsyncClient("127.0.0.1:6334") as client:
            print(await client.count("books"))
    """

    def _connect(self) -> None:
        # Made with the first call: a channel belongs to the loop that runs when it is made. One for all that are made of
        # this client by `with_options`.
        self._channels: list[grpc.aio.Channel] = []

    @property
    def _channel(self) -> Any:
        if not self._channels:
            options, tls = self._options, self._options.secured()
            if tls is None:
                channel = grpc.aio.insecure_channel(options.target(), options.channel_options())
            else:
                channel = grpc.aio.secure_channel(options.target(), tls.credentials(), options.channel_options())
            self._channels.append(channel)
        return self._channels[0]

    def with_options(self, *, timeout: float | None = 30.0, retry: RetryPolicy | None = None) -> AsyncClient:
        """The same connection with another deadline or other retries."""
        return self._changed(timeout, retry)

    async def close(self) -> None:
        """Ends the connection; calls that are on their way fail."""
        for channel in self._channels:
            await channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    create_collection = awaited(of_collections.create_collection)
    drop_collection = awaited(of_collections.drop_collection)
    describe = awaited(of_collections.describe)
    collections = awaited(of_collections.collections)
    optimize = awaited(of_collections.optimize)
    cancel_merge = awaited(of_collections.cancel_merge)
    set_alias = awaited(of_collections.set_alias)
    delete_alias = awaited(of_collections.delete_alias)
    rename_alias = awaited(of_collections.rename_alias)
    move_aliases = awaited(of_collections.move_aliases)
    aliases = awaited(of_collections.aliases)
    estimate = awaited(of_collections.estimate)
    analyze = awaited(of_collections.analyze)
    add_vectors = awaited(of_collections.add_vectors)
    add_text = awaited(of_collections.add_text)
    drop_text = awaited(of_collections.drop_text)
    drop_vectors = awaited(of_collections.drop_vectors)

    write = awaited(of_points.write)
    upsert = awaited(of_points.upsert)
    delete = awaited(of_points.delete)
    set_payload = awaited(of_points.set_payload)
    overwrite_payload = awaited(of_points.overwrite_payload)
    delete_payload_keys = awaited(of_points.delete_payload_keys)
    clear_payload = awaited(of_points.clear_payload)
    update_vectors = awaited(of_points.update_vectors)
    delete_vectors = awaited(of_points.delete_vectors)
    set_expiry = awaited(of_points.set_expiry)
    query = awaited(of_points.query)
    get = awaited(of_points.get)
    scroll = awaited(of_points.scroll)
    count = awaited(of_points.count)
    facet = awaited(of_points.facet)

    upload = awaited_upload(of_upload.upload)
    upload_points = awaited_upload(of_upload.upload_points)
    upload_frame = awaited_upload(of_upload.upload_frame)

    pin = awaited(of_versions.pin)
    pins = awaited(of_versions.pins)
    unpin = awaited(of_versions.unpin)
    diff = awaited(of_versions.diff)
    backup = awaited_stream(of_versions.backup)
    restore = awaited_stream(of_versions.restore)
    backups = awaited(of_versions.backups)
    drop_backup = awaited(of_versions.drop_backup)
    source_positions = awaited(of_versions.source_positions)
    drop_source = awaited(of_versions.drop_source)
    scrub = awaited(of_versions.scrub)
    erase = awaited(of_versions.erase)

    async def scroll_all(self, collection: str, **wanted: Any) -> AsyncIterator[Point]:
        """Every point in rising order of id, page by page; takes what :meth:`scroll` takes."""
        wanted.setdefault("limit", PAGE)
        while True:
            page = await self.scroll(collection, **wanted)
            for point in page.points:
                yield point
            if page.next is None:
                return
            wanted["start"] = page.next

    async def query_all(self, collection: str, *retrievers: Any, **wanted: Any) -> AsyncIterator[Hit]:
        """A ranking to its end, page by page; takes what :meth:`query` takes. Pin a version while others write."""
        wanted.setdefault("limit", PAGE)
        wanted.setdefault("page", FIRST_PAGE)
        while True:
            reply = await self.query(collection, *retrievers, **wanted)
            for hit in reply.hits:
                yield hit
            if reply.next is None:
                return
            wanted["page"] = reply.next

    async def _call(self, call: Call[T]) -> T:
        method, attempts = METHODS[call.method], self._attempts(call)
        send = self._channel.unary_unary(method.path, message_bytes, method.reply.FromString)
        while True:
            try:
                reply = await send(call.request, timeout=attempts.left(), metadata=self._options.headers())
            except grpc.RpcError as error:
                failed = from_rpc(error)
            else:
                attempts.succeeded()
                return call.read(reply)
            await asyncio.sleep(attempts.wait_after(failed))

    async def _stream(self, stream: Stream[T]) -> T:
        method = METHODS[stream.method]
        send = self._channel.unary_stream(method.path, message_bytes, method.reply.FromString)
        try:
            async for word in send(stream.request, metadata=self._options.headers()):
                stream.see(word)
                done = stream.outcome(word)
                if done is not None:
                    return done
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        raise ReplyError("the server's reply has no outcome")

    async def _upload(self, given: of_upload.Upload) -> UploadSummary:
        spec = (await self.describe(given.collection)).spec if given.needs_spec else None
        ops = given.ops(spec)
        if isinstance(ops, AsyncIterable):
            made = _batches(ops, Cutter(given.options))
        else:
            made = _later(batches(ops, given.options))
        return await _Uploading(self._channel, self._options, given).run(made)


async def _batches(ops: AsyncIterable[bytes], cutter: Cutter) -> AsyncIterator[Batch]:
    async for op in ops:
        batch = cutter.add(op)
        if batch is not None:
            yield batch
    rest = cutter.rest()
    if rest is not None:
        yield rest


async def _later(made: Any) -> AsyncIterator[Batch]:
    for batch in made:
        yield batch
        # Others of the loop have their turn between two batches.
        await asyncio.sleep(0)


class _Uploading:
    """A stream of batches: one task makes them, one sends them, one hears the replies."""

    def __init__(self, channel: Any, options: Options, given: of_upload.Upload) -> None:
        self._channel = channel
        self._options = options
        self._state = Ingest(given.collection, given.options, options.retry)
        self._changed = asyncio.Event()

    async def run(self, made: AsyncIterator[Batch]) -> UploadSummary:
        """Sends all and waits until all is acknowledged or refused."""
        driver = asyncio.create_task(self._drive())
        maker = asyncio.create_task(self._make(made))
        try:
            # Whichever fails ends the other.
            await asyncio.wait((driver, maker), return_when=asyncio.FIRST_EXCEPTION)
            for task in (maker, driver):
                if task.done():
                    task.result()
            await driver
        finally:
            for task in (maker, driver):
                task.cancel()
            await asyncio.gather(maker, driver, return_exceptions=True)
        return self._state.summary()

    async def _make(self, made: AsyncIterator[Batch]) -> None:
        async for batch in made:
            while not self._state.room:
                await self._wait()
            self._state.keep(batch)
            self._changed.set()
        self._state.end()
        self._changed.set()

    async def _wait(self) -> None:
        """Until something changed; there is one event for all, and whoever waits looks again."""
        self._changed.clear()
        await self._changed.wait()

    async def _drive(self) -> None:
        """One connection after another, until all is done."""
        while True:
            try:
                await self._connection()
                return
            except NighError as error:
                failed = error
            except grpc.RpcError as error:
                failed = from_rpc(error)
            await asyncio.sleep(self._state.wait_after(failed))

    async def _connection(self) -> None:
        method = METHODS["Points.Ingest"]
        connect = self._channel.stream_stream(method.path, message_bytes, method.reply.FromString)
        replies = connect(metadata=self._options.headers())
        sender = asyncio.create_task(self._send(replies, self._state.open()))
        try:
            async for reply in replies:
                self._state.hear(reply)
                self._changed.set()
            if not self._state.done:
                raise broken_off()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            replies.cancel()

    async def _send(self, call: Any, opening: bytes) -> None:
        try:
            await call.write(opening)
            while not self._state.done:
                message = self._state.next()
                if message is None:
                    await self._wait()
                else:
                    await call.write(message)
            await call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The server closed its half; why is in the replies.
            return
