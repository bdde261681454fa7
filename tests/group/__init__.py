"""A group's server: PostgreSQL, an object store, logins, a proxy in front that can misbehave."""
