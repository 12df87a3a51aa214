"""One module a command: it parses, calls one API function and hands the result to the sink."""
