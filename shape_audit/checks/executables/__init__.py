"""What in a repository's files would run code when it is loaded: told by their bytes, whatever they are named."""
