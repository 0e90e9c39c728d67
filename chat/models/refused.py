"""Why a verb did not happen."""


class Refused(Exception):
    """A verb that may not happen now. `code` is in the protocol (docs/protocol.md)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
