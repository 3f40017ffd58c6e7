"""The channels of alerts: webhooks, mail and commands."""
