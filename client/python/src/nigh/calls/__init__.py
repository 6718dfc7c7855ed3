"""Every call, once: how its request is built and how its reply is read. Both clients have them as methods."""
