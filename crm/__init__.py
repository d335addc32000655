"""Pure rules of the CRM: templates, and the control tower's judgement of every message."""
