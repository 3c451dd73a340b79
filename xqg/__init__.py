"""xqg makes a Qdrant collection answer questions asked in other languages than its texts.

`open_ingestion` fills a collection, `open_searcher` asks it, `open_augmenter` serves the pipelines of other frameworks;
what they take and return is here too. All errors are `XqgError`.
"""

import xqg.early_exit  # noqa: F401 - first: all else takes a while
from xqg.assembly import open_ingestion, open_searcher
from xqg.errors import XqgError
from xqg.plugin.augmenting import AugmenterSettings, open_augmenter
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.records import Hit, Passage
from xqg.settings import (
    EncoderSettings,
    FusionSettings,
    GeneratorSettings,
    IngestSettings,
    ReaderSettings,
    SearchSettings,
    StoreSettings,
)

__version__ = "0.1.0"
__all__ = [
    "AugmenterSettings",
    "Encoder",
    "EncoderSettings",
    "FusionSettings",
    "GeneratorSettings",
    "Hit",
    "IngestSettings",
    "Passage",
    "QueryGenerator",
    "ReaderSettings",
    "SearchSettings",
    "StoreSettings",
    "VectorStore",
    "XqgError",
    "__version__",
    "open_augmenter",
    "open_ingestion",
    "open_searcher",
]
