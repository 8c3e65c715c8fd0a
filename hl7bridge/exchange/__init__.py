"""Agency folders: files out and in."""
