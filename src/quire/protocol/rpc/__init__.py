"""The words of the app-server: JSON-RPC as Codex 0.169 speaks it, version 2.

One file per namespace. Each names its methods, notifications and requests in tuples of
`method.py`; `catalog.py` holds them all. Members are camelCase on the wire, an absent value is
`null`, and what a client sends that is not known here is passed over.
"""
