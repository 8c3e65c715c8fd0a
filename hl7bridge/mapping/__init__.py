"""Message and mapping file -> records."""
