"""LangChain, LlamaIndex, Haystack and MCP: thin; each file imports its framework alone."""
