"""A drill: poison some people's photos, train with the user's own trainer, and see what takes and what defends."""
