"""JSON-RPC, HTTP, metrics and the live page.

`envelope` and `values` are pure; `registry` has the methods, one package per service below `methods`; `dispatch`
runs them; `tcp` and `http` carry them; `server` is what the program starts and stops.
"""
