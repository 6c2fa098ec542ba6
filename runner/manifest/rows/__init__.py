"""What `foreach` runs over: tables, workbooks, lists and folders of files, read row by row."""

from __future__ import annotations
