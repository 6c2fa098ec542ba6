"""Uploads: a placeholder first, then one form POST to storage."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from runner.emulator import answers
from runner.emulator.backend import Backend
from runner.emulator.checks import utf16_length
from runner.emulator.media_uris import media_of_name
from runner.emulator.records import KeyEntry, UploadRecord, evolve

FILENAME_LENGTH = (3, 255)
SIZE_BYTES = (512, 209_715_200)


class Uploads:
    """Placeholders and the files that filled them. The bytes themselves are not kept."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def begin(self, key: KeyEntry, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`POST /v1/uploads`: where to send the file, and with which fields."""
        ground = self._backend.ground
        filename = self._checked(body)
        upload_id = ground.new_id("upload", len(ground.state.uploads))
        marks = ground.rng(f"fields/{upload_id}")
        record = UploadRecord(
            id=upload_id,
            account=key.account,
            filename=filename,
            media=media_of_name(filename) or "",
            created_at=ground.now(),
            fields={
                "key": f"ephemeral/{upload_id}",
                "policy": base64.b64encode(upload_id.encode()).decode(),
                "x-amz-signature": marks.randbytes(32).hex(),
            },
        )
        ground.state.put(record)
        ground.state.flush()
        return {
            "uploadUrl": f"{ground.public_url}/storage/{upload_id}",
            "fields": dict(record.fields),
            "runwayUri": record.uri,
        }

    def expected(self, upload_id: str) -> UploadRecord:
        """The placeholder that a file is sent for; 404 for any other address."""
        record = self._backend.state.uploads.get(upload_id)
        if record is None:
            raise answers.not_found("upload")
        return record

    def check_fields(self, record: UploadRecord, fields: Mapping[str, str]) -> None:
        """Storage takes a file only with the very fields it handed out."""
        if any(fields.get(name) != value for name, value in record.fields.items()):
            raise answers.refusal(403, "Access denied: the form fields do not match the policy")

    def finish(self, record: UploadRecord, size: int, measures: Mapping[str, float]) -> None:
        """The file is there; from now on its `runway://` URI can be used."""
        least, most = SIZE_BYTES
        if not least <= size <= most:
            raise answers.refusal(400, f"The file must have {least} to {most} bytes")
        self._backend.state.put(evolve(record, size=size, measures=dict(measures)))
        self._backend.state.flush()

    def _checked(self, body: Mapping[str, Any]) -> str:
        issues = []
        filename = body.get("filename")
        least, most = FILENAME_LENGTH
        if not isinstance(filename, str) or not least <= utf16_length(filename) <= most:
            message = f"Invalid input: expected a string of {least} to {most} characters"
            issues.append(answers.issue("invalid_type", ["filename"], message))
        elif media_of_name(filename) is None:
            message = "The filename needs the extension of a supported media type"
            issues.append(answers.issue("custom", ["filename"], message))
        if body.get("type") != "ephemeral":
            message = 'Invalid option: expected "ephemeral"'
            issues.append(answers.issue("invalid_value", ["type"], message))
        if issues:
            raise answers.invalid_body(issues)
        return str(filename)
