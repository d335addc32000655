"""What a template says in each channel: its own section's words, or what its title, body and action come to there."""

from crm.content.render import CHANNELS, render_contents

__all__ = ["CHANNELS", "render_contents"]
