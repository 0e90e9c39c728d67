"""The conventional design: a chat as the documentation of Channels teaches it, made durable.

A consumer per socket, a layer group per conversation, one ORM insert per message through
`database_sync_to_async`, then `group_send` to both sides. It has less to do than Klikvoor: no
sealing, no rights, no numbering per conversation, no session.
"""
