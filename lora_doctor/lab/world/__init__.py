"""A seeded generator of captioned pictures whose truth is known: scenes, captions, held-out subjects and styles."""
