"""How models are made (``playtower train``). Needs the extra ``train``."""
