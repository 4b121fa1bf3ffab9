"""The HTTP protocol of `rankkit serve`: uvicorn's on httptools, with bounded headers."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEADER_BYTES = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Refuses requests with long headers, before or after a body.

    uvicorn bounds them with h11 only, which takes longer.
    """

    _size = 0  # bytes since the last part of a body, or the end of a request

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)
        if self._size > _MAX_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_body(self, body: bytes) -> None:
        self._size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._size = 0
        super().on_message_complete()
