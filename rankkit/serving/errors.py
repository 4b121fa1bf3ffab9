"""The error of a request, which becomes its response."""


class RequestError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status
