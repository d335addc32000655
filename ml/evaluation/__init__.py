"""How models are judged (``playtower evaluate``). Needs the extra ``train``."""
