"""The clouds: pure dialects, the license, and the link that connects."""
