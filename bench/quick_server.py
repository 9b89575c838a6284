"""A loopback server with a fixed latency and nothing else, so that a bench measures its client and not the server.

    python bench/quick_server.py --latency 0.05 [--port 8099]

It reads a request's headers and length only, and sends the same reply to all. Prints its base URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket

TEXT = "First the numbers are read, then they are added up, line by line, until one is left. " * 6
REPLY = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": TEXT + "\nThe answer is: 42"},
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 130, "total_tokens": 250},
    }
).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n"
    % len(REPLY)
) + REPLY


class Connection(asyncio.Protocol):
    """One client connection; requests on it follow each other."""

    latency = 0.05

    def __init__(self) -> None:
        self.data = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send small packets at once."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request after the latency."""
        self.data += data
        while True:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.data[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length :]
            asyncio.get_running_loop().call_later(self.latency, self.answer)

    def answer(self) -> None:
        """Send the reply."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(ANSWER)


async def serve(port: int) -> None:
    """Serve until the parent process ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 a process has no event for its parent's death
        await asyncio.sleep(1)


def main() -> None:
    """Serve until the parent process ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds from a request to its reply")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    Connection.latency = options.latency
    asyncio.run(serve(options.port))


if __name__ == "__main__":
    main()
