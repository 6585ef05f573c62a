"""A small reverse proxy: gives keystone its TLS, and counts and delays requests for the benchmarks.

    front.py keystone:LISTEN:TO:tls compute:LISTEN:TO ... --tls-dir DIR [--log FILE] [--delay-file FILE]

Each line of the log is JSON: start (s since the epoch), service, method, path, status (0: no answer), seconds.
The delay file holds seconds, read anew for every request. Connections are used once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


@dataclass(frozen=True)
class Request:
    """The head of one HTTP request as it goes to the server behind."""

    method: str
    path: str
    head: bytes
    length: int
    chunked: bool

    @classmethod
    def parse(cls, raw: bytes, scheme: str) -> Request:
        first, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        fields = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in rest)}
        kept = [line for line in rest if line.split(":")[0].lower() not in ("connection", "expect")]
        lines = [first, *kept, "Connection: close", f"X-Forwarded-Proto: {scheme}"]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        return cls(method, path, head, int(fields.get("content-length", 0)), chunked)


async def send_body(request: Request, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
    """Pass the request's body on, however long."""
    left = request.length
    while left > 0 and (block := await client.read(min(left, 65536))):
        server.write(block)
        await server.drain()
        left -= len(block)
    while request.chunked:
        size = await client.readline()
        server.write(size + await client.readexactly(int(size.split(b";")[0], 16) + 2))
        await server.drain()
        if int(size.split(b";")[0], 16) == 0:
            return


async def exchange(request: Request, port: int, client: asyncio.StreamReader, reply: asyncio.StreamWriter) -> int:
    """One request to the server behind and its answer to the client; returns the status."""
    server, sink = await asyncio.open_connection(HOST, port)
    try:
        sink.write(request.head)
        await send_body(request, client, sink)
        first = await server.readline()
        reply.write(first)
        while block := await server.read(65536):
            reply.write(block)
            await reply.drain()
        return int(first.split()[1]) if first else 0
    finally:
        sink.close()


@dataclass(frozen=True)
class Front:
    """What every listener of this process shares."""

    log: Path | None
    delay_file: Path | None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def handler(self, service: str, to: int, scheme: str) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                raw = await reader.readuntil(b"\r\n\r\n")
                if scheme == "https" and b"Expect: 100-continue" in raw:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await self._serve(service, to, Request.parse(raw, scheme), reader, writer)
            except asyncio.IncompleteReadError:
                pass  # a probe, or a client that went away
            except (OSError, ValueError) as error:
                print(f"{time.time():.3f} {service}: {error!r}", file=sys.stderr, flush=True)
            finally:
                writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # hazard: the event loop itself holds tasks weakly, and Python would collect some half-way
            task = asyncio.create_task(handle(reader, writer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        return accept

    async def _serve(
        self, service: str, to: int, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        start, status = time.time(), 0
        await asyncio.sleep(self.delay())
        try:
            status = await exchange(request, to, reader, writer)
        finally:
            self.note(start, service, request, status)

    def delay(self) -> float:
        try:
            return float(self.delay_file.read_text()) if self.delay_file else 0.0
        except (FileNotFoundError, ValueError):
            return 0.0

    def note(self, start: float, service: str, request: Request, status: int) -> None:
        if self.log is None:
            return
        took = round(time.time() - start, 4)
        entry = {"start": start, "service": service, "method": request.method, "path": request.path}
        with self.log.open("a") as log:
            log.write(json.dumps({**entry, "status": status, "seconds": took}) + "\n")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("routes", nargs="+", metavar="SERVICE:LISTEN:TO[:tls]")
    parser.add_argument("--tls-dir", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--delay-file", type=Path)
    args = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(args.tls_dir / "server.pem", args.tls_dir / "server.key")
    front = Front(args.log, args.delay_file)
    servers = []
    for route in args.routes:
        service, listen, to, *tls = route.split(":")
        handler = front.handler(service, int(to), "https" if tls else "http")
        servers.append(await asyncio.start_server(handler, HOST, int(listen), ssl=context if tls else None))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
