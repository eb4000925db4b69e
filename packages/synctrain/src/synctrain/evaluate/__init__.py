"""How well a model finds code: rankings, measures, the rows to compare with, and retrieval among mutants."""
