"""A pretend Runway on loopback, written from the API's facts and not from our client.

`server.Emulator` serves in the caller's loop, `serve.serve` as a process of its own. `backend` and
`calls` are the service without HTTP; `scenario` says how to script faults, `controls` what can
happen to a live account, `truth` what was made and charged.
"""

from __future__ import annotations
