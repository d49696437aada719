"""mmid-relay, the server half of mmid: it asks the clouds for what a board must not ask itself.

It holds a fleet's keys (Alibaba's AccessKey and tokenKey, Qwen's API key, Baidu's AK and SK),
knows its devices by a token or a certificate, and asks for one device at a time.
"""

__version__ = "0.1.0"
