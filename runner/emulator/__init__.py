"""A pretend Runway on loopback, written from the API's facts and not from our client.

`server.Emulator` serves in the caller's loop, `serve.serve` as a process of its own. `backend` is
the service without HTTP; `scenario` says how to script faults.
"""

from __future__ import annotations
