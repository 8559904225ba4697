"""Administration of a service's database: make, dump, restore and check it. No running service imports this."""
