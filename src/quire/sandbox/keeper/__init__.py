"""A small process that starts commands for Quire and outlives it just long enough to kill them.

It runs as `python -I -S`, so nothing here imports more than these modules and the light part of
the standard library. It serves what needs code between `fork` and `exec`: the layers `namespaces`
and `landlock`, and commands without a sandbox, whose trees nothing else would end.

    Quire --- keeper --- supervisor --- runner = the command, or the first process of its namespace

There is one keeper, forked once a command; each supervisor holds one end of a socket to Quire.
When Quire ends, in whatever way, the socket closes and the supervisor kills the tree: it is a
subreaper, so nothing below can leave it, neither by `setsid` nor by forking twice.
"""
