"""Files, folders and streams in; passages and rejects out, and long texts cut into chunks."""
