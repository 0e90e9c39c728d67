"""A mail server that takes everything, remembers it, and can be away."""

import asyncio
import email
import time
from typing import Any

from aiosmtpd.controller import Controller

from tests.faults.memory import Post
from tests.servers import free_port

# Between having a mail and saying so: whoever is killed meanwhile does not know.
WORK_SECONDS = 0.05


class Mailbox:
    """On a port of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.posts: list[Post] = []
        self.controller: Controller | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content)
        text = "".join(
            part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            for part in message.walk()
            if part.get_content_maintype() == "text"
        )
        self.posts.append(
            Post(
                time.monotonic(),
                str(message["Message-ID"]),
                ",".join(envelope.rcpt_tos),
                f"{message['Subject']}\n{text}",
            )
        )
        await asyncio.sleep(WORK_SECONDS)
        return "250 OK"

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    async def away(self, seconds: float) -> None:
        await asyncio.to_thread(self.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.start)
