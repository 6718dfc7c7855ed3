"""The types of the wire, generated; other modules of the package face them."""
