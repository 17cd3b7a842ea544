"""A real, tiny, pretrained pipeline and its procedural world: training that can be judged on any machine."""
