from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from bench.yardsticks.conventional.models import Message


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """One side of a conversation."""

    async def connect(self) -> None:
        arguments = self.scope["url_route"]["kwargs"]
        self.conversation = arguments["conversation"]
        self.author = arguments["author"]
        self.group = f"conversation_{self.conversation}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content: dict[str, Any], **kwargs: Any) -> None:
        message = await self.store(content["client_id"], content["text"])
        await self.channel_layer.group_send(
            self.group,
            {
                "type": "message.posted",
                "conversation": message.conversation,
                "seq": message.pk,
                "client_id": message.client_id,
                "author": message.author,
                "text": message.text,
                "at": message.at.isoformat(),
            },
        )

    @database_sync_to_async
    def store(self, client_id: str, text: str) -> Message:
        return Message.objects.create(
            conversation=self.conversation, client_id=client_id, author=self.author, text=text
        )

    async def message_posted(self, event: dict[str, Any]) -> None:
        await self.send_json(event)
