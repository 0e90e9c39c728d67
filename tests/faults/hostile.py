"""Sockets that behave as no browser does: they do not read, flood, cut everything into pieces.

Written on plain TCP, because a WebSocket library would not let itself be used like this.
"""

import asyncio
import base64
import json
import os
import socket
import struct
from typing import Any

TEXT, CONTINUATION, BINARY, CLOSE, PING = 1, 0, 2, 8, 9


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True, masked: bool = True) -> bytes:
    """Return one frame of a client."""
    head = bytes([(0x80 if final else 0) | opcode])
    flag = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 2**16:
        head += bytes([flag | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", len(payload))
    # A mask of zeros leaves the payload as it is.
    return head + (b"\0\0\0\0" if masked else b"") + payload


def text(**command: Any) -> bytes:
    return frame(json.dumps(command).encode())


class Hostile:
    """One raw socket to the server. `small`: the kernel takes as little as it can for us."""

    def __init__(self, port: int, *, small: bool = True) -> None:
        self.port = port
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)

    async def connect(self) -> None:
        await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", self.port))

    async def send(self, data: bytes, within: float = 5) -> bool:
        """Send; False when the server takes no more, or cut us off."""
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().sock_sendall(self.socket, data)
        except (OSError, TimeoutError):
            return False
        return True

    async def read(self, size: int = 65536, within: float = 5) -> bytes:
        """Return what comes; empty when the server ended it, or said nothing for so long."""
        try:
            async with asyncio.timeout(within):
                return await asyncio.get_running_loop().sock_recv(self.socket, size)
        except (OSError, TimeoutError):
            return b""

    async def upgrade(self, path: str, cookie: str) -> None:
        """Become a WebSocket."""
        await self.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        await self.send(
            f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: http://localhost:{self.port}\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = await self.read(1)
            assert more, answer
            answer += more
        assert b" 101 " in answer, answer

    async def is_cut_off(self, within: float) -> bool:
        """Whether the server ends the connection; found by writing, because nothing is read."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while loop.time() < deadline:
            if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return True
            if not await self.send(frame(b"", PING), within=0.2) and self._is_broken():
                return True
            await asyncio.sleep(0.2)
        return False

    def _is_broken(self) -> bool:
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        established = 1
        return info[0] != established

    def close(self) -> None:
        self.socket.close()
