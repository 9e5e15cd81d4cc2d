"""Session Manager's data channel, as pure code for both of its ends: the gateway and the command line.

Frames on a websocket carry `message.Message`s. Each side numbers what it streams; the other acknowledges every
number, and what stays unacknowledged is sent again (`sequence`). Source: the public sources of AWS's
session-manager-plugin and amazon-ssm-agent, which speak it.
"""
