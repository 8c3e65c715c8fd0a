"""Records -> changes of accounts; folds of entries."""
