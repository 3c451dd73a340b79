"""xqg makes a Qdrant collection answer questions asked in other languages than its texts."""

import xqg.early_exit  # noqa: F401 - first: all else takes a while
from xqg.assembly import open_ingestion, open_searcher
from xqg.settings import IngestSettings, SearchSettings

__version__ = "0.1.0"
__all__ = ["IngestSettings", "SearchSettings", "__version__", "open_ingestion", "open_searcher"]
