"""A real, tiny, pretrained pipeline and the procedural world it was trained on: training that can be judged on any machine."""
