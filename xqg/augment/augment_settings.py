"""What `xqg augment` can be told beside the settings of an ingestion."""

from __future__ import annotations

from pydantic import Field, field_validator

from xqg.known_layouts import NAMES
from xqg.settings import Settings


class AugmentSettings(Settings):
    """Which collection becomes which, and how the source is read where xqg cannot see it for itself."""

    into: str = Field(description="the new collection")
    alias: str | None = Field(None, min_length=1, description="alias that is moved to the new collection at the end")
    others: bool | None = Field(
        None,
        description="also augment, in place, what others wrote into the new collection; None: where an alias names it",
    )
    layout: str | None = Field(None, description=f"who wrote the payloads: {', '.join(NAMES)}; None: recognised")

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, layout: str | None) -> str | None:
        if layout is not None and layout not in NAMES:
            raise ValueError(f"{layout!r} is no layout that xqg knows; choose one of {', '.join(NAMES)}")
        return layout

    text_key: str | None = Field(None, min_length=1, description="payload key of the text; None: the layout's")
    metadata_key: str | None = Field(None, description="payload key of the metadata; None: the layout's")
    vector_name: str | None = Field(None, description="dense vector to augment; None: the only one")
    trust_encoder: bool = Field(False, description="take the encoder for the one that made the stored vectors")
