"""Compression that nobody asked for: some servers store files that way and send them so."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from runner.errors import DownloadError

ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})

_PIECE_BYTES = 1 << 20


class Inflater:
    """Inflates one body in pieces of bounded size."""

    def __init__(self, host: str, *, most_bytes: int) -> None:
        self._host = host
        self._most_bytes = most_bytes
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._bytes = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What some bytes inflate to.

        Raises:
            DownloadError: garbled, or longer than any output.
        """
        while data:
            try:
                piece = self._inflater.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise DownloadError(f"the download from `{self._host}` is garbled") from error
            self._bytes += len(piece)
            if self._bytes > self._most_bytes:
                raise DownloadError(f"the download from `{self._host}` inflates without end")
            yield piece
            data = self._inflater.unconsumed_tail

    def finish(self) -> bytes:
        """The last bytes, after checking that nothing is missing.

        Raises:
            DownloadError: the packed stream is not complete.
        """
        rest = self._inflater.flush()
        if not self._inflater.eof or self._inflater.unused_data:
            raise DownloadError(f"the download from `{self._host}` is not complete")
        return rest
