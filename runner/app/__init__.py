"""The rim: builds the objects and joins the parts. Commands and library users start here."""

from __future__ import annotations
