"""The client that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterable, Iterator
from typing import Any, TypeVar

import grpc

from nigh.calls import collections as of_collections
from nigh.calls import points as of_points
from nigh.calls import upload as of_upload
from nigh.calls import versions as of_versions
from nigh.errors import NighError, ReplyError, from_rpc
from nigh.ingest import Batch, Ingest, UploadSummary, batches, broken_off
from nigh.methods import blocking, blocking_stream, blocking_upload
from nigh.points import Point
from nigh.replies import FIRST_PAGE, Hit
from nigh.retry import RetryPolicy
from nigh.transport import METHODS, Call, Configured, Options, Stream, message_bytes
from nigh.v1 import points_pb2

T = TypeVar("T")

#: Points or hits of a page where all of them are read.
PAGE = 1000


class Client(Configured):
    """A client of one server. It may be used by several threads, and closes with ``close`` or at the end of ``with``.

    >>> with nigh.Client(address) as other:
    ...     other.count("books")
    4
    """

    def _connect(self) -> None:
        options, tls = self._options, self._options.secured()
        if tls is None:
            self._channel = grpc.insecure_channel(options.target(), options.channel_options())
        else:
            self._channel = grpc.secure_channel(options.target(), tls.credentials(), options.channel_options())

    def with_options(self, *, timeout: float | None = 30.0, retry: RetryPolicy | None = None) -> Client:
        """The same connection with another deadline or other retries.

        >>> client.with_options(timeout=0.5).count("books")
        4
        """
        return self._changed(timeout, retry)

    def close(self) -> None:
        """Ends the connection; calls that are on their way fail."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    create_collection = blocking(of_collections.create_collection)
    drop_collection = blocking(of_collections.drop_collection)
    describe = blocking(of_collections.describe)
    collections = blocking(of_collections.collections)
    optimize = blocking(of_collections.optimize)
    cancel_merge = blocking(of_collections.cancel_merge)
    set_alias = blocking(of_collections.set_alias)
    delete_alias = blocking(of_collections.delete_alias)
    rename_alias = blocking(of_collections.rename_alias)
    move_aliases = blocking(of_collections.move_aliases)
    aliases = blocking(of_collections.aliases)
    estimate = blocking(of_collections.estimate)
    analyze = blocking(of_collections.analyze)
    add_vectors = blocking(of_collections.add_vectors)
    add_text = blocking(of_collections.add_text)
    drop_text = blocking(of_collections.drop_text)
    drop_vectors = blocking(of_collections.drop_vectors)

    write = blocking(of_points.write)
    upsert = blocking(of_points.upsert)
    delete = blocking(of_points.delete)
    set_payload = blocking(of_points.set_payload)
    overwrite_payload = blocking(of_points.overwrite_payload)
    delete_payload_keys = blocking(of_points.delete_payload_keys)
    clear_payload = blocking(of_points.clear_payload)
    update_vectors = blocking(of_points.update_vectors)
    delete_vectors = blocking(of_points.delete_vectors)
    set_expiry = blocking(of_points.set_expiry)
    query = blocking(of_points.query)
    get = blocking(of_points.get)
    scroll = blocking(of_points.scroll)
    count = blocking(of_points.count)
    facet = blocking(of_points.facet)

    upload = blocking_upload(of_upload.upload)
    upload_points = blocking_upload(of_upload.upload_points)
    upload_frame = blocking_upload(of_upload.upload_frame)

    pin = blocking(of_versions.pin)
    pins = blocking(of_versions.pins)
    unpin = blocking(of_versions.unpin)
    diff = blocking(of_versions.diff)
    backup = blocking_stream(of_versions.backup)
    restore = blocking_stream(of_versions.restore)
    backups = blocking(of_versions.backups)
    drop_backup = blocking(of_versions.drop_backup)
    source_positions = blocking(of_versions.source_positions)
    drop_source = blocking(of_versions.drop_source)
    scrub = blocking(of_versions.scrub)
    erase = blocking(of_versions.erase)

    def scroll_all(self, collection: str, **wanted: Any) -> Iterator[Point]:
        """Every point in rising order of id, page by page; takes what :meth:`scroll` takes.

        >>> [point.id for point in client.scroll_all("books", limit=2)]
        [1, 2, 3, 4]
        """
        wanted.setdefault("limit", PAGE)
        while True:
            page = self.scroll(collection, **wanted)
            yield from page.points
            if page.next is None:
                return
            wanted["start"] = page.next

    def query_all(self, collection: str, *retrievers: Any, **wanted: Any) -> Iterator[Hit]:
        """A ranking to its end, page by page; takes what :meth:`query` takes. Pin a version while others write.

        >>> [hit.id for hit in client.query_all("books", nigh.OrderBy("year"), limit=2)]
        [1, 2, 4, 3]
        """
        wanted.setdefault("limit", PAGE)
        wanted.setdefault("page", FIRST_PAGE)
        while True:
            reply = self.query(collection, *retrievers, **wanted)
            yield from reply.hits
            if reply.next is None:
                return
            wanted["page"] = reply.next

    def _call(self, call: Call[T]) -> T:
        method, attempts = METHODS[call.method], self._attempts(call)
        send = self._channel.unary_unary(method.path, message_bytes, method.reply.FromString)
        while True:
            try:
                reply = send(call.request, timeout=attempts.left(), metadata=self._options.headers())
            except grpc.RpcError as error:
                failed = from_rpc(error)
            else:
                attempts.succeeded()
                return call.read(reply)
            time.sleep(attempts.wait_after(failed))

    def _stream(self, stream: Stream[T]) -> T:
        method = METHODS[stream.method]
        send = self._channel.unary_stream(method.path, message_bytes, method.reply.FromString)
        try:
            for word in send(stream.request, metadata=self._options.headers()):
                stream.see(word)
                done = stream.outcome(word)
                if done is not None:
                    return done
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        raise ReplyError("the server's reply has no outcome")

    def _upload(self, given: of_upload.Upload) -> UploadSummary:
        spec = self.describe(given.collection).spec if given.needs_spec else None
        ops = given.ops(spec)
        if isinstance(ops, AsyncIterable):
            raise TypeError("an asynchronous iterable is for AsyncClient")
        session = _Uploading(self._channel, self._options, given)
        return session.run(batches(ops, given.options))


class _Uploading:
    """A stream of batches: the caller's thread makes them, one of gRPC's sends them, one of ours hears the replies.

    All three share the state under one lock, and wait on it for what the others do.
    """

    def __init__(self, channel: grpc.Channel, options: Options, given: of_upload.Upload) -> None:
        self._channel = channel
        self._options = options
        self._state = Ingest(given.collection, given.options, options.retry)
        self._changed = threading.Condition()
        #: What ended the work before its end.
        self._failed: BaseException | None = None
        #: Counts connections, so that the sender of an old one stops.
        self._session = 0
        self._call: Any = None

    def run(self, made: Iterator[Batch]) -> UploadSummary:
        """Sends all and waits until all is acknowledged or refused."""
        driver = threading.Thread(target=self._drive, name="nigh-upload", daemon=True)
        driver.start()
        try:
            for batch in made:
                with self._changed:
                    self._changed.wait_for(lambda: self._state.room or self._failed is not None)
                    if self._failed is not None:
                        break
                    self._state.keep(batch)
                    self._changed.notify_all()
            with self._changed:
                self._state.end()
                self._changed.notify_all()
        except BaseException as error:
            self._give_up(error)
            raise
        finally:
            driver.join()
        if self._failed is not None:
            raise self._failed
        return self._state.summary()

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            self._failed = error
            self._changed.notify_all()
            if self._call is not None:
                self._call.cancel()

    def _drive(self) -> None:
        """One connection after another, until all is done."""
        while True:
            try:
                self._connection()
                return
            except NighError as error:
                failed = error
            except grpc.RpcError as error:
                failed = from_rpc(error)
            except BaseException as error:
                self._give_up(error)
                return
            with self._changed:
                if self._failed is not None:
                    return
                try:
                    delay = self._state.wait_after(failed)
                except NighError as error:
                    self._failed = error
                    self._changed.notify_all()
                    return
                self._changed.wait_for(lambda: self._failed is not None, delay)

    def _connection(self) -> None:
        method = METHODS["Points.Ingest"]
        connect = self._channel.stream_stream(method.path, message_bytes, method.reply.FromString)
        with self._changed:
            self._session += 1
            requests = self._requests(self._state.open(), self._session)
            self._call = replies = connect(requests, metadata=self._options.headers())
        try:
            for reply in replies:
                assert isinstance(reply, points_pb2.IngestReply)
                with self._changed:
                    self._state.hear(reply)
                    self._changed.notify_all()
            with self._changed:
                if not self._state.done:
                    raise broken_off()
        finally:
            with self._changed:
                # The sender of this connection stops.
                self._session += 1
                self._changed.notify_all()
            replies.cancel()

    def _requests(self, opening: bytes, session: int) -> Iterator[bytes]:
        yield opening
        while True:
            with self._changed:
                message = None
                while message is None:
                    if self._session != session or self._failed is not None or self._state.done:
                        return
                    message = self._state.next()
                    if message is None:
                        self._changed.wait()
            yield message
