"""Engines that translate, behind one protocol, and the translations that people keep in files."""
