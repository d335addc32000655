"""The gateway: HTTP and websocket in front of the logs. Endpoints translate and nothing more."""
