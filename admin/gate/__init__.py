"""What every request passes before a surface sees it: small ASGI middlewares, one job each.

From the outside in (stack.py puts them together):

1. answers.py         counts answers, and keeps caches from storing them
2. request_id.py      the id under which the request is logged and answered
3. (by prefix)        the surface that the request is for
4. authentication.py  who is asking (credentials.py: by which scheme; throttle.py: not by guessing), and may they at all
5. body.py            the body's type, size and pace; nothing of it is read before
6. deadline.py        an answer in time, also if the surface fails

What a middleware refuses is a Refusal, which the surface renders.  No resource and no command is known here.
"""
