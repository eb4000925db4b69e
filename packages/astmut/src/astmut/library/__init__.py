"""Signatures of library functions: what they are, how alike two of them are, an index of them, and its making."""
