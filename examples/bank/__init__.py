"""A small bank: an API that guards what matters, and an app that steps up when asked."""
