"""What a body needs before it is sent: uploads of files, outputs of other jobs, their frames."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from runner.core.job import Job, JobStatus, OutputFile
from runner.core.spec import AssetRef, Body, JobSpec, Json, OutputRef, map_refs, refs_in
from runner.errors import PermanentApiError, TransientApiError

from .tools import Tools

#: Runway's limits for inputs by HTTPS link: length in characters, sizes in bytes
URL_LENGTH = 2048
URL_BYTES = {"image": 16_000_000, "video": 32_000_000, "audio": 32_000_000}

#: outputs that a decoder need not be asked about
_NO_VIDEO = ("image/", "audio/", "application/zip")


class Inputs:
    """Turns the references of a body into URIs that Runway can read."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def body_of(self, spec: JobSpec) -> Body:
        """The body as Runway takes it.

        Raises:
            TransientApiError: worth another try later; nothing was submitted.
            PermanentApiError: an input cannot be used.
            DiskFull: a frame of a parent's video cannot be written.
            AccountError: the key was refused.
        """
        uris: dict[OutputRef | AssetRef, str] = {}
        for ref in refs_in(spec.body):
            if ref not in uris:
                uris[ref] = await self._uri(ref)
        body: Json = map_refs(spec.body, uris.__getitem__)
        return dict(body)

    async def _uri(self, ref: OutputRef | AssetRef) -> str:
        if isinstance(ref, AssetRef):
            return await self._tools.uploader.uri_for(ref)
        parent, output = await self._parent_output(ref)
        if ref.frame:
            return await self._tools.uploader.uri_for(await self._still(ref, output))
        link = await self._fresh_link(parent, output, ref.media)
        if link is not None:
            return link
        path = self._tools.output_dir / output.path
        return await self._tools.uploader.uri_for(
            AssetRef(path=str(path), sha256=output.sha256, bytes=output.bytes, media=ref.media)
        )

    async def _parent_output(self, ref: OutputRef) -> tuple[Job, OutputFile]:
        parent = await self._tools.store.job(self._tools.batch, ref.job)
        if parent is None or parent.status is not JobStatus.DONE:
            raise PermanentApiError(f"the output of `{ref.job}` is not there")
        if not parent.feeds:
            raise TransientApiError(f"parent is stale: `{ref.job}`")  # only since a moment ago
        if parent.spec.key != ref.key and not parent.accepted:
            raise PermanentApiError(f"`{ref.job}` has made something else")
        for output in parent.outputs:
            if output.index == ref.index:
                return parent, output
        raise PermanentApiError(
            f"`{ref.job}` has {len(parent.outputs)} outputs, none with number {ref.index + 1}"
        )

    async def _still(self, ref: OutputRef, output: OutputFile) -> AssetRef:
        """A frame of the verified local file: no link is asked for, it names the whole video."""
        if output.media_type.startswith(_NO_VIDEO):
            raise PermanentApiError(
                f"`{ref.job}` has no {ref.frame} frame: `{output.path}` is {output.media_type},"
                " not a video"
            )
        video = self._tools.output_dir / output.path
        return await self._tools.frames.frame(video, sha256=output.sha256, which=ref.frame)

    async def _fresh_link(self, parent: Job, output: OutputFile, media: str) -> str | None:
        """The parent's own link, where Runway can read it again; saves an upload."""
        if parent.task_id is None or output.bytes > URL_BYTES.get(media, 0):
            return None
        try:
            task = await self._tools.api.get_task(parent.task_id)
        except PermanentApiError:
            return None  # the task is gone; the verified local file still is a valid input
        except TransientApiError:
            return None
        link = task.output[output.index] if output.index < len(task.output) else ""
        return link if _readable_by_runway(link) else None


def _readable_by_runway(link: str) -> bool:
    """HTTPS, a domain name and not an address, within the length limit."""
    parts = urlsplit(link)
    if parts.scheme != "https" or not parts.hostname or len(link) > URL_LENGTH:
        return False
    try:
        ipaddress.ip_address(parts.hostname)
    except ValueError:
        return "." in parts.hostname
    return False
