"""Where uploads wait for their job: files under names of our own, on disk before the job is accepted."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from xqg.errors import InputError
from xqg.stores.edge_files import sync_folder

FILE_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
PAGE_ENDINGS = (".md", ".markdown", ".txt")

LONGEST_NAME = 120
"""Characters of an uploaded file's name."""

_UNUSUAL = re.compile(r"[^\w .()+-]")


class Spool:
    """The folders of uploads and rejects below the service's data folder."""

    def __init__(self, data: Path) -> None:
        self.uploads, self.rejects, self.forms = data / "spool", data / "rejects", data / "forms"
        for folder in (self.uploads, self.rejects, self.forms):
            folder.mkdir(parents=True, exist_ok=True)

    def source(self, place: str) -> Path:
        """What a job reads. :param place: as `place_for` gave it."""
        return self.uploads / place

    def place_for(self, job_id: str, collection: str, name: str) -> tuple[str, Path]:
        """Where a job's upload goes: the place that the job stores, and the file to write.

        A page lies in a folder of its own, since its id is its name below the folder.

        :raises InputError: if files with this ending are not read.
        """
        shown = safe_name(name)
        ending = next((end for end in FILE_ENDINGS if shown.lower().endswith((end, f"{end}.gz"))), None)
        if ending is not None:
            compressed = shown.lower().endswith(".gz")
            place = f"{job_id}{'.jsonl' if ending == '.ndjson' else ending}{'.gz' if compressed else ''}"
            return place, self.uploads / place
        if not shown.lower().endswith(PAGE_ENDINGS):
            raise InputError(
                f"Files like {shown!r} are not read",
                f"{', '.join((*FILE_ENDINGS, *PAGE_ENDINGS))}, all but the last three also with .gz",
            )
        place = f"{job_id}/upload/{collection}"  # the last two name the folder in the passages, so they stay the same
        (self.uploads / place).mkdir(parents=True)
        return place, self.uploads / place / shown.lstrip(".")

    @contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """A new file; on disk when the block ends, deleted where it raises."""
        try:
            with path.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            for folder in path.parents:  # the file's name and those of the folders made for it
                sync_folder(folder)
                if folder == self.uploads:
                    break
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def write_records(self, path: Path, records: Iterable[Any]) -> int:
        """Write records as JSON lines; returns their size in bytes."""
        with self.writing(path) as file:
            for record in records:
                file.write(json.dumps(record).encode("ascii") + b"\n")
            return file.tell()

    def rejects_of(self, job_id: str) -> Path:
        """The file of a job's rejects."""
        return self.rejects / f"{job_id}.jsonl"

    def drop_upload(self, job_id: str) -> None:
        """Delete what a job read."""
        for path in self.uploads.glob(f"{job_id}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def drop_unknown(self, known: Collection[str]) -> None:
        """Delete uploads that belong to no known job: they were never accepted."""
        for path in self.uploads.iterdir():
            job_id = path.name.partition(".")[0]
            if job_id not in known:
                self.drop_upload(job_id)


def safe_name(name: str) -> str:
    """The last part of a client's file name, without characters that mean something to a file system or terminal."""
    last = re.split(r"[/\\]", name)[-1]
    shown = _UNUSUAL.sub("_", last).strip(" .") or "upload"
    if len(shown.encode("utf-8")) <= LONGEST_NAME:
        return shown
    ending = "".join(Path(shown).suffixes[-2:])[-16:]
    return shown.encode("utf-8")[: LONGEST_NAME - len(ending.encode("utf-8"))].decode("utf-8", "ignore") + ending
